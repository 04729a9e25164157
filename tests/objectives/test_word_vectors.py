"""Word vectors: gradients, subsampling, training and exact resume, formats of files, nearest words, warm start."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from conftest import Command

import deepglass
from deepglass.features._tokenizers import FIRST
from deepglass.features.text import Text
from deepglass.nn.word_vectors import AdagradEmbedding, NoiseWords, blocks_of
from deepglass.objectives._word_vectors import BlockLoader, WordVectors
from deepglass.objectives.cbow import Cbow
from deepglass.objectives.skipgram import Skipgram
from deepglass.training.callbacks import Callback, EvaluationRecord

ANIMALS, TOOLS = ["cat", "dog", "horse", "cow", "sheep", "goat"], ["hammer", "saw", "drill", "axe", "pliers", "chisel"]
STEPS, KILLED = 6, 3


def sentences(count: int = 400, seed: int = 0) -> list[str]:
    """Words of two topics: those of one stand together."""
    random = np.random.default_rng(seed)
    topics = [ANIMALS, TOOLS]
    return [" ".join(random.choice(topics[i % 2], 12)) + "." for i in range(count)]


def train(name: str, out: Path, *callbacks: Callback, steps: int = STEPS, **settings: Any) -> deepglass.Run:
    objective = {"name": name, "dim": 8, "subsample": 1.0}
    given = {"objective": objective, "training": {"threads": 1, "batch_size": 64}, **settings}
    texts = pl.DataFrame({"text": sentences()})
    return deepglass.train(texts, out=out, steps=steps, baselines=False, callbacks=callbacks, **given)


@pytest.fixture(scope="module", params=["skipgram", "cbow"])
def whole(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> deepglass.Run:
    return train(request.param, tmp_path_factory.mktemp(request.param) / "run")


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> deepglass.Run:
    return train("skipgram", tmp_path_factory.mktemp("learned") / "run", steps=200)


def built(kind: type[WordVectors]) -> WordVectors:
    text = Text(name="text", tokenization="word_level", min_count=1).fit([pl.Series(sentences(40))])
    torch.manual_seed(0)
    objective = kind(dim=6, window=3)
    objective.build([text], [], None)
    for table in (objective.words, objective.contexts):
        torch.nn.init.normal_(table.weight)
    return objective


@pytest.mark.parametrize("kind", [Skipgram, Cbow])
def test_gradients_are_those_of_autograd(kind: type[WordVectors]) -> None:
    objective = built(kind)
    codes = torch.randint(FIRST, objective.feature.size, (3, 38))
    codes[0, :5] = 0  # the begin of the text
    blocks = blocks_of(codes, 3, objective.noise, torch.Generator().manual_seed(1))
    v, u = objective.words.weight, objective.contexts.weight
    noise_weight = objective.negatives / blocks.noise.shape[1]
    total = torch.zeros(())
    for n in range(3):
        for i in range(blocks.centres.shape[1]):
            context = [int(c) for c, near in zip(blocks.contexts[n], blocks.near[n, i], strict=True) if near]
            w, noise = blocks.centres[n, i], blocks.noise[n]
            if kind is Skipgram:
                for c in context:
                    total = total - torch.nn.functional.logsigmoid(v[w] @ u[c])
                    total = total - noise_weight * torch.nn.functional.logsigmoid(-(u[noise] @ v[w])).sum()
            elif context:
                h = v[context].mean(0)
                total = total - torch.nn.functional.logsigmoid(h @ u[w])
                total = total - noise_weight * torch.nn.functional.logsigmoid(-(u[noise] @ h)).sum()
    expected = torch.autograd.grad(total, [v, u])
    with torch.no_grad():
        update = objective.update(blocks)
    for (rows, gradient), by_autograd in zip((update.words, update.contexts), expected, strict=True):
        summed = torch.zeros_like(v).index_add_(0, rows.flatten(), gradient.flatten(0, 1))
        assert torch.allclose(summed, by_autograd, atol=1e-4)
    pairs = blocks.near.sum() if kind is Skipgram else (blocks.near.sum(2) > 0).sum()
    assert float(update.loss) == pytest.approx(float(total.detach() / pairs), rel=1e-4)


def test_the_row_wise_update_is_adagrad_on_the_mean_square_of_a_row() -> None:
    table = AdagradEmbedding(5, 2, 0.5)
    expected, squares = table.weight.detach().clone(), torch.zeros(5)
    for rows in ([0, 1, 1], [1, 4, 4]):
        codes, gradients = torch.tensor(rows), torch.randn(3, 2)
        summed = torch.zeros(5, 2).index_add_(0, codes, gradients)
        squares += summed.square().mean(1)
        expected -= 0.3 * summed / (squares.sqrt()[:, None] + 1e-6)
        table.update(codes, gradients, 0.3)
    assert torch.allclose(table.weight, expected, atol=1e-6)


def test_blocks_hold_each_word_once_an_epoch_and_frequent_words_less() -> None:
    tokens = torch.arange(FIRST, FIRST + 640, dtype=torch.int32)
    loader = BlockLoader("text", tokens, torch.ones(FIRST + 640), 3, 64, 0)
    batches = [loader.next() for _ in range(loader.batches_per_epoch)]
    codes = torch.cat([b.inputs["text"].values for b in batches])
    assert sorted(codes[:, 3:-3].flatten().tolist()) == tokens.tolist()
    inner = codes[(codes > 0).all(1)][0]
    assert (inner.diff() == 1).all(), "the context continues the block on both sides"
    thinned = BlockLoader("text", tokens, torch.full((FIRST + 640,), 0.5), 3, 64, 0)
    assert thinned.count == pytest.approx(loader.count / 2, abs=loader.batches_per_epoch)


def test_noise_words_follow_the_damped_counts() -> None:
    noise = NoiseWords(torch.tensor([0.0, 0.0, 16.0, 1.0], dtype=torch.float64))
    drawn = noise((9_000,), torch.Generator().manual_seed(0))
    assert drawn.min() == FIRST
    assert float((drawn == 2).float().mean()) == pytest.approx(8 / 9, abs=0.02)


class Kill(Callback):
    def on_evaluation_end(self, record: EvaluationRecord) -> None:
        if record.step >= KILLED:
            raise RuntimeError("killed")


def test_a_killed_run_resumes_to_identical_weights(whole: deepglass.Run, tmp_path: Path) -> None:
    name = whole.spec.objective.name
    with pytest.raises(RuntimeError, match="killed"):
        train(name, tmp_path / "run", Kill())
    resumed = deepglass.resume(tmp_path / "run", pl.DataFrame({"text": sentences()}))
    assert resumed.metrics["weights_sha256"] == whole.metrics["weights_sha256"]


def test_words_of_one_topic_are_near_each_other(learned: deepglass.Run) -> None:
    nearest = deepglass.nearest_words(learned, "Cat", 5)
    assert {n.word for n in nearest} == set(ANIMALS) - {"cat"}
    assert nearest == sorted(nearest, key=lambda n: -n.similarity)
    (first, *_) = deepglass.nearest_words(learned, "hammer - cat + dog")
    assert first.word in TOOLS


@pytest.mark.parametrize("ending", [".txt", ".bin", ".parquet", ".tsv"])
def test_vectors_are_written_and_read_back(
    learned: deepglass.Run, ending: str, tmp_path: Path, command: Command
) -> None:
    out = tmp_path / f"v{ending}"
    assert command("embed", learned.path, "--out", out).code == 0
    vectors, metadata = deepglass.embed(learned)
    assert set(metadata["word"]) == {*ANIMALS, *TOOLS}
    if ending == ".parquet":
        assert pl.read_parquet(out)["word"].to_list() == metadata["word"].to_list()
    elif ending == ".txt":
        lines = out.read_text().splitlines()
        assert lines[0] == "12 8"
        word, *values = lines[1].split(" ")
        assert word == metadata["word"][0]
        assert np.allclose(np.array(values, float), vectors[0], atol=1e-4)
    elif ending == ".bin":
        head, _, rest = out.read_bytes().partition(b"\n")
        assert head == b"12 8"
        assert rest.startswith(metadata["word"][0].encode() + b" " + vectors[0].astype("<f4").tobytes())


def test_rows_are_embedded_as_the_mean_of_their_words(learned: deepglass.Run) -> None:
    vectors, metadata = deepglass.embed(learned)
    index = {word: i for i, word in enumerate(metadata["word"])}
    rows, _ = deepglass.embed(learned, [{"text": "a cat, a dog"}, {"text": "nothing"}])
    assert np.allclose(rows[0], (vectors[index["cat"]] + vectors[index["dog"]]) / 2, atol=1e-5)
    assert not rows[1].any()


def test_predict_reads_questions(learned: deepglass.Run, command: Command) -> None:
    line = command("predict", learned.path, "cat").out
    assert line.startswith("cat: ")
    assert any(animal in line for animal in ANIMALS)
    unknown = command("predict", learned.path, "cat + hamer")
    assert unknown.code == 2
    assert "[unknown-name]" in unknown.err
    assert "did you mean 'hammer'" in unknown.err
    for words in (
        ("predict", learned.path, "cat", "--explain"),
        ("explain", learned.path, "x.csv"),
        ("generate", learned.path),
    ):
        refused = command(*words)
        assert refused.code == 2
        assert refused.err.startswith("error: ["), refused.err


def test_the_report_shows_words_and_their_map(learned: deepglass.Run) -> None:
    source = pl.DataFrame({"text": sentences()})
    page = deepglass.report(learned.path, source=source).read_text()
    assert "Nearest words and analogies" in page
    assert "12 most frequent words" in page.replace("\N{NO-BREAK SPACE}", " ")
    without_rows = deepglass.report(learned.path, source=source, samples=False).read_text()
    assert "Nearest words" not in without_rows
    assert "hammer" not in without_rows


def test_agreement_with_scores_of_people_is_a_metric(tmp_path: Path) -> None:
    pairs = [f"{a}\t{b}\t{9 if b in ANIMALS else 1}" for a in ANIMALS[:3] for b in ["goat", "saw"]]
    (tmp_path / "pairs.tsv").write_text("\n".join(["first\tsecond\tscore", *pairs, "cat\tunicorn\t3"]) + "\n")
    said = {"name": "skipgram", "dim": 8, "subsample": 1.0, "word_pairs": str(tmp_path / "pairs.tsv")}
    run = train("skipgram", tmp_path / "run", steps=200, objective=said)
    assert run.metrics["test"]["skipgram"]["spearman"] > 0.8
    bad = {**said, "word_pairs": "sklearn:iris"}
    with pytest.raises(deepglass.UserError, match="word, word, score"):
        train("skipgram", tmp_path / "bad", objective=bad)
    assert not (tmp_path / "bad").exists()


@pytest.mark.parametrize("trunk", ["bag", "gru"])
def test_a_text_encoder_starts_from_the_vectors(learned: deepglass.Run, trunk: str, tmp_path: Path) -> None:
    texts = sentences(60)
    rows = pl.DataFrame({"review": texts, "kind": ["animal", "tool"] * 30})
    size = {"dim": 8} if trunk == "bag" else {"width": 8, "hidden": 8}
    said = {"inputs": {"review": {"kind": "text"}}, "training": {"threads": 1, "learning_rate": 1e-9}, "steps": 1}
    run = deepglass.train(
        rows, "kind", out=tmp_path / "run", baselines=False, init_from=learned, network={"trunk": trunk, **size}, **said
    )
    encoder = run.network.encoders[0]
    vectors, metadata = deepglass.embed(learned)
    if trunk == "bag":
        table, name = encoder.bag.weight, "cat"
        code = 1 + run.predictor.inputs[0].vocabulary_.index(name)
    else:
        table, name = encoder.table.weight, "=cat"
        code = 1 + run.predictor.inputs[0].vocabulary_.index(name)
    vector = vectors[metadata["word"].to_list().index("cat")]
    ours = table[code].detach().numpy()
    assert float(ours @ vector) / float(np.linalg.norm(ours) * np.linalg.norm(vector)) > 0.999
    with pytest.raises(deepglass.UserError, match="8 numbers, and the encoder of 'review'"):
        deepglass.train(rows, "kind", out=tmp_path / "bad", baselines=False, init_from=learned, network=trunk, **said)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"inputs": {"text": {"min_count": 10**6}}}, r"no word occurs min_count=1,000,000 times"),
        ({"inputs": {"text": {"tokenization": "characters"}}}, "vectors of words, not characters"),
        ({"training": {"optimizer": "adam"}}, r"training.optimizer: the objective 'skipgram' updates its weights"),
        ({"objective": {"name": "skipgram", "window": 99}}, "objective.window"),
    ],
)
def test_bad_settings_are_errors_before_training(settings: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(deepglass.UserError, match=message) as error:
        train("skipgram", tmp_path / "run", **settings)
    assert str(error.value).startswith("[")
    assert not (tmp_path / "run").exists()


def test_unsuitable_data_are_errors(tmp_path: Path) -> None:
    rows = pl.DataFrame({"text": sentences(60), "kind": ["a", "b"] * 30})
    with pytest.raises(deepglass.UserError, match="skipgram has no target"):
        deepglass.train(rows, "kind", objective="skipgram", steps=1, out=tmp_path / "run")
    with pytest.raises(deepglass.UserError, match="expects one text column"):
        deepglass.train(pl.DataFrame({"x": np.arange(50.0)}), objective="cbow", steps=1, out=tmp_path / "run")


def test_one_line_without_breaks_is_a_text(tmp_path: Path) -> None:
    (tmp_path / "line.txt").write_text(" ".join(sentences(300)).replace(".", ""))
    run = deepglass.train(
        tmp_path / "line.txt",
        objective={"name": "skipgram", "dim": 8},
        out=tmp_path / "run",
        steps=2,
        baselines=False,
        training={"threads": 1},
    )
    assert int(run.objective.counts.sum()) > 2_500, "no word of the training part is cut off"
