"""Text tasks from Python and from the command line: translation, tagging, language models."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import deepglass
from deepglass.errors import SourceError, SpecError
from deepglass.features.outputs.tags import TagsOutput
from deepglass.metrics.table import METRICS
from deepglass.training.callbacks import Callback

WORDS = {"red": "rouge", "blue": "bleu", "green": "vert", "big": "grand", "small": "petit"}
QUIET = {"baselines": False, "training": {"threads": 1}}


def phrases(rows: int = 400) -> pl.DataFrame:
    """Words, their translation in reverse order, and a tag for each."""
    random = np.random.default_rng(0)
    drawn = [[list(WORDS)[i] for i in random.integers(5, size=random.integers(2, 5))] for _ in range(rows)]
    return pl.DataFrame(
        {
            "words": drawn,
            "en": [" ".join(d) for d in drawn],
            "fr": [" ".join(WORDS[w] for w in reversed(d)) for d in drawn],
            "tags": [["SIZE" if w in ("big", "small") else "COLOUR" for w in d] for d in drawn],
        }
    )


@pytest.fixture
def book(tmp_path: Path) -> Path:
    path = tmp_path / "book.txt"
    lines = [f"the cat sat on the mat and the dog sat on the log {i % 7}\n" for i in range(200)]
    path.write_text("".join(lines))
    return path


@pytest.mark.parametrize("network", ["gru", "transformer"])
def test_a_text_is_translated(network: str, tmp_path: Path) -> None:
    pytest.importorskip("sacrebleu", reason="the extra `text` is not installed")
    kinds = {"en": "text", "fr": "text"}
    settings = {"baselines": False, "training": {"threads": 1, "steps": 300, "learning_rate": 0.003}}
    frame = phrases().select("en", "fr")
    chosen = {"trunk": network, "width": 48, "dropout": 0.0}
    run = deepglass.train(frame, "fr", out=tmp_path / "run", network=chosen, kinds=kinds, **settings)
    assert run.metrics["test"]["fr"]["bleu"] > 80
    answer = run.predict([{"en": "red big"}])[0]["fr"]
    assert answer["value"] == "grand rouge"
    assert 0 < answer["confidence"] <= 1
    assert "Text examples" in deepglass.report(run, source=frame).read_text()


def test_each_word_gets_a_tag(tmp_path: Path) -> None:
    kinds = {"words": "text", "tags": "tags"}
    frame = phrases().select("words", "tags")
    training = {"threads": 1, "steps": 60}
    run = deepglass.train(
        frame, "tags", out=tmp_path / "run", kinds=kinds, network={"width": 32}, training=training, baselines=False
    )
    assert run.metrics["test"]["tags"]["accuracy"] > 0.99
    assert run.predict([{"words": ["small", "green"]}])[0]["tags"]["value"] == ["SIZE", "COLOUR"]
    report = deepglass.report(run, source=frame).read_text()
    assert "Text examples" in report
    assert "Confusion matrix" in report
    hidden = deepglass.report(run, samples=False, source=frame).read_text()
    assert "Text examples" not in hidden, "words are the user's rows"


def test_tags_of_another_length_than_the_words_are_named(tmp_path: Path) -> None:
    frame = phrases().select("words", tags=pl.col("tags").list.head(1))
    with pytest.raises(SourceError, match=r"\[mismatched-files\] tags: expected a tag for each word of 'words'"):
        deepglass.train(frame, "tags", out=tmp_path / "run", kinds={"words": "text", "tags": "tags"}, steps=1)


def test_unseen_tags_are_counted_and_not_scored(tmp_path: Path) -> None:
    tags = TagsOutput(name="t").fit([pl.Series([["A", "B"]])])
    truth = tags.encode(pl.Series([["A", "Z"]]))
    best = {"log_probs": np.log(np.array([[[0.9, 0.1], [0.1, 0.9]]], np.float32)), "mask": np.ones((1, 2), bool)}
    assert tags.count_anomalies(pl.Series([["A", "Z"]])) == {"unseen tag": 1}
    assert tags.score(best, truth)["accuracy"] == 1.0


def test_a_language_model_continues_a_prompt(book: Path, tmp_path: Path) -> None:
    network = {"trunk": "gru", "width": 16, "hidden": 64}
    training = {"threads": 1, "steps": 150, "batch_size": 8, "learning_rate": 0.01}
    run = deepglass.train(
        str(book), objective={"name": "next_token", "context_length": 64}, out=tmp_path / "run", network=network,
        training=training,
    )  # fmt: skip
    assert run.metrics["test"]["next_token"]["bits_per_character"] < 1.0
    assert set(run.metrics["test"]["next_token"]) <= set(METRICS), "each stands in the table of metrics"
    split = pl.read_parquet(tmp_path / "run" / "split.parquet")["split"].to_list()
    assert split == sorted(split, key=["train", "valid", "test"].index), "the end of the text is the test"
    first = "".join(deepglass.generate(run, "the cat", 40, temperature=0))
    assert first == "".join(deepglass.generate(run, "the cat", 40, temperature=0, seed=7))
    assert first.startswith(" sat on")
    warm = ["".join(deepglass.generate(run, "the ", 40, temperature=2.0, seed=s)) for s in (1, 1, 2)]
    assert warm[0] == warm[1] != warm[2]
    assert "Text examples" in (tmp_path / "run" / "report.html").read_text()
    with pytest.raises(SourceError, match=r"\[bad-value\] --prompt"):
        next(deepglass.generate(run, "中文"))
    with pytest.raises(SpecError, match="top-p"):
        deepglass.generate(run, "the", top_p=2.0)
    with pytest.raises(SpecError, match="use deepglass generate"):
        run.predict([{"text": "the cat"}])


def test_generate_from_the_command_line(book: Path, tmp_path: Path, command) -> None:
    out = tmp_path / "run"
    settings = ["network.width=8", "network.hidden=16", "training.batch_size=8"]
    said = command("train", book, *settings, "--objective", "next_token", "--steps", 3, "--out", out)
    assert said.code == 0
    said = command("generate", out, "--prompt", "the", "-n", 2, "--length", 20, "--json")
    texts = json.loads(said.out)
    assert [t[:3] for t in texts] == ["the", "the"]
    assert len(texts[0]) == 23
    assert command("generate", out, "--out", tmp_path / "texts.txt").code == 0
    assert command("generate", out, "--out", tmp_path / "texts.txt").code == 2, "it is there already"
    assert command("generate", out, "--length", 0).code == 2
    target = command("train", book, "--objective", "next_token", "--target", "text", "--out", tmp_path / "other")
    assert target.code == 2


@pytest.mark.parametrize("what", ["text", "language"])
def test_a_stopped_run_resumes_to_the_same_weights(what: str, tmp_path: Path, book: Path) -> None:
    if what == "text":
        source = str(tmp_path / "pairs.csv")
        phrases(100).select("en", "fr").write_csv(source)
        settings = {"target": "fr", "kinds": {"en": "text", "fr": "text"}, "network": {"trunk": "gru", "width": 16}}
    else:
        source, settings = str(book), {"objective": "next_token", "network": {"width": 16}}

    class Stop(Callback):
        def on_step_end(self, step, plan, loss):
            if step >= 10:
                raise KeyboardInterrupt

    training = {"training": {"threads": 1, "steps": 20, "batch_size": 8}, "baselines": False}
    whole = deepglass.train(source, out=tmp_path / "whole", **settings, **training)
    with pytest.raises(KeyboardInterrupt):
        deepglass.train(source, out=tmp_path / "broken", callbacks=[Stop()], **settings, **training)
    again = deepglass.resume(tmp_path / "broken")
    assert again.metrics["weights_sha256"] == whole.metrics["weights_sha256"]


def test_long_and_empty_texts(tmp_path: Path) -> None:
    frame = phrases(60).select("en", "tags").with_columns(label=pl.col("tags").list.first()).drop("tags")
    long = frame.with_columns(en=pl.when(pl.int_range(pl.len()) == 3).then(pl.lit("red " * 2_500_000)).otherwise("en"))
    long = long.with_columns(en=pl.when(pl.int_range(pl.len()) == 4).then(pl.lit("")).otherwise("en"))
    kinds = {"en": "text", "label": "category"}
    training = {"threads": 1, "steps": 2}
    run = deepglass.train(
        long, "label", out=tmp_path / "run", kinds=kinds, network={"trunk": "gru", "width": 8}, training=training,
        baselines=False,
    )  # fmt: skip
    run.predict([{"en": "red " * 2_500_000}, {"en": ""}, {"en": None}])
    assert any("longer than 1,000 words" in note for note in run.predictor.reader.notes)
