"""Pre-training on tokens: masked tokens (BERT) and replaced tokens (ELECTRA), and training on from them."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch

import deepglass
from deepglass.errors import SpecError
from deepglass.features._tokenizers import FIRST, UNKNOWN
from deepglass.nn.masked_tokens import choose_tokens, crop_tokens, hide_tokens
from deepglass.nn.tokens import Field
from deepglass.objectives._token_pretraining import TokenPretraining

TOPICS = {"sport": "ball goal team coach match cup", "money": "bank stock price market trade loan"}
OTHER = ["the", "a", "of", "in", "on", "with", "for", "and", "then", "some", "many", "new", "old", "very"]
SMALL: dict[str, Any] = {"network": {"width": 32, "depth": 1, "heads": 2}, "baselines": False, "seed": 1}
FAST = {**SMALL, "training": {"learning_rate": 0.004}}


def _texts(count: int, seed: int = 0) -> pl.DataFrame:
    """Sentences of which every second word belongs to the topic, always in pairs: the word after "ball" is "goal"."""
    draw = random.Random(seed)
    rows = []
    for _ in range(count):
        topic = draw.choice(list(TOPICS))
        words = TOPICS[topic].split()
        pairs = [f"{words[2 * i]} {words[2 * i + 1]} {draw.choice(OTHER)}" for i in draw.choices(range(3), k=4)]
        rows.append((" ".join(pairs), topic))
    return pl.DataFrame(rows, schema=["text", "topic"], orient="row")


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory: pytest.TempPathFactory) -> deepglass.Run:
    folder = tmp_path_factory.mktemp("runs")
    rows = _texts(400).with_columns(pl.when(pl.int_range(pl.len()) < 60).then("topic").alias("topic"))
    return deepglass.train(
        rows,
        "topic",
        objective={"name": "masked", "mask_ratio": 0.3, "skipgram_epochs": 0},
        steps=200,
        out=folder / "words",
        **FAST,
    )


def test_masked_words_are_predicted_from_both_sides(pretrained: deepglass.Run) -> None:
    """A coach follows a team; chance is 1 in about 26 words."""
    figures = pretrained.metrics["test"]["masked"]
    assert figures["masked_accuracy"] > 0.12
    assert figures["perplexity"] < 18
    assert pretrained.metrics["test"]["topic"]["accuracy"] > 0.9, "a linear probe on the labelled rows"
    objective = pretrained.objective
    assert isinstance(objective, TokenPretraining)
    codes = objective.feature.encode(
        pl.Series(["ball goal the team coach with match cup old ball goal very"])
    ).values.tolist()
    expected = {piece.strip(): share for piece, share in objective.expected_tokens(codes, 4, count=6)}
    sport, money = (sum(expected.get(word, 0) for word in TOPICS[topic].split()) for topic in TOPICS)
    assert sport > 0.5 > 10 * money, "words of the topic"


def test_replaced_tokens_are_detected(tmp_path: Path) -> None:
    settings = {**FAST, "steps": 200, "objective": {"name": "replaced_token", "mask_ratio": 0.3, "skipgram_epochs": 0}}
    figures = deepglass.train(_texts(400), "topic", out=tmp_path / "r", **settings).metrics["test"]
    assert figures["replaced_token"]["roc_auc"] > 0.6
    assert figures["topic"]["accuracy"] > 0.9


def test_a_network_starts_from_the_pretrained_one(pretrained: deepglass.Run, tmp_path: Path) -> None:
    """Vocabulary, architecture and weights are taken, also where the column has another name."""
    few = _texts(40, seed=5).rename({"text": "headline"})
    run = deepglass.train(few, "topic", init_from=pretrained.path, steps=1, out=tmp_path / "run", baselines=False)
    (before, earlier), (now, experiment) = (
        (e.inputs[0], e) for e in (r.folder.state().experiment for r in (pretrained, run))
    )
    assert experiment.trunk == earlier.trunk == "transformer"
    assert experiment.network["width"] == 32
    assert (now.name, now.vocabulary_) == ("headline", before.vocabulary_)
    started, own = (r.objective.network.state_dict() for r in (pretrained, run))
    moved = [float((own[n] - t).abs().max()) for n, t in started.items() if n in own and "heads" not in n]
    assert len(moved) > 10
    assert max(moved) < 0.01, "one step from the learned weights"


def test_fine_tuning_starts_from_a_linear_probe_of_the_learned_features(
    pretrained: deepglass.Run, tmp_path: Path
) -> None:
    """Twelve labels are enough before the network has moved; the same network from scratch knows nothing."""
    few, settings = _texts(12, seed=5), {"steps": 1, "baselines": False, "data": {"test": _texts(100, seed=6)}}
    run = deepglass.train(few, "topic", init_from=pretrained.path, out=tmp_path / "run", **settings)
    assert run.metrics["test"]["topic"]["accuracy"] > 0.9
    assert run.folder.state().experiment.spec.training.learning_rate == 1e-4


def test_unknown_words_are_never_predicted(tmp_path: Path) -> None:
    """Texts of words that occur once have no token to hide: the loss is finite, and no step fails."""
    rare = pl.DataFrame({"text": [f"w{i} v{i}" for i in range(40)], "topic": "sport"})
    rows, settings = pl.concat([_texts(40), rare]), {**SMALL, "training": {"batch_size": 1, "steps": 4}}
    for objective in ("masked", "replaced_token"):
        run = deepglass.train(rows, objective=objective, ignore=["topic"], out=tmp_path / objective, **settings)
        assert all(0 <= r["valid"][objective]["loss"] < 100 for r in run.folder.history())
        assert not any(r["event"] for r in run.folder.history()), "no step had a loss that is not finite"


def test_another_vocabulary_is_refused(pretrained: deepglass.Run, tmp_path: Path) -> None:
    inputs = [{"name": "text", "kind": "text", "tokenization": "characters"}]
    with pytest.raises(SpecError, match=r"inputs\.text: network.init_from has weights for \d+ codes of word_level"):
        deepglass.train(_texts(40), "topic", init_from=pretrained.path, inputs=inputs, steps=1, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("objective", ["masked", "replaced_token"])
def test_words_cannot_be_predicted(objective: str, tmp_path: Path) -> None:
    inputs = [{"name": "text", "kind": "text", "tokenization": "words"}]
    with pytest.raises(SpecError, match=f"inputs.text.tokenization: {objective} cannot predict words; take word_level"):
        deepglass.train(_texts(40), objective=objective, inputs=inputs, steps=1, out=tmp_path / "run")


def test_masking_hides_the_share_and_nothing_that_is_absent() -> None:
    present = torch.arange(40).repeat(500, 1) < torch.arange(1, 501)[:, None].clamp_max(40)
    chosen = choose_tokens(present, 0.15, torch.Generator().manual_seed(0))
    assert not (chosen & ~present).any()
    assert chosen.sum(1).min() == 1, "at least one of each row"
    assert chosen[100:].sum(1).tolist() == [6] * 400, "15 % of 40"
    field = Field(torch.full((500, 40), FIRST + 3), present)
    codes = hide_tokens(field.values, chosen, 100, UNKNOWN, FIRST, torch.Generator().manual_seed(1))
    hidden = float((codes == UNKNOWN)[chosen].float().mean())
    assert 0.75 < hidden < 0.85, "80 % are hidden"
    assert 0.07 < float((codes != field.values)[chosen].float().mean()) - hidden < 0.13, "10 % are another token"
    assert (codes == field.values)[~chosen].all()


def test_long_texts_are_cut_at_random() -> None:
    values = torch.arange(30).repeat(200, 1)
    lengths = torch.tensor([30, 5] * 100)
    cut = crop_tokens(Field(values, values < lengths[:, None]), 10)
    assert cut.values.shape == (200, 10)
    assert cut.mask[0::2].all()
    assert (cut.values.diff(dim=1) == 1).all(), "a window"
    assert cut.values[1::2, 0].unique().tolist() == [0], "a short text is whole"
    assert {0, 20} <= set(cut.values[0::2, 0].tolist()), "from the first token to the last"


def test_embeddings_start_with_vectors_of_words_that_occur_together(tmp_path: Path) -> None:
    """Before any step words of one topic are closer to each other than to those of the other topic."""
    run = deepglass.train(_texts(2_000), objective="masked", steps=1, out=tmp_path / "run", ignore=["topic"], **SMALL)
    objective = run.objective
    assert isinstance(objective, TokenPretraining)
    codes = [objective.feature.encode(pl.Series([f"a {w}"])).values[1] for t in TOPICS.values() for w in t.split()]
    vectors = torch.nn.functional.normalize(objective.encoder.table.weight.detach()[codes], dim=1)
    close = vectors @ vectors.T
    within, between = close[:6, :6].fill_diagonal_(0).mean() * 36 / 30, close[:6, 6:].mean()
    assert float(within) > float(between) + 0.3
