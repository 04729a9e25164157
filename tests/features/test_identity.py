"""Identity: unseen identities, losses, metrics over pairs, calibrated verification."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import torch
from sklearn.metrics import roc_auc_score, roc_curve
from torch import nn

from deepglass import metrics
from deepglass.config import construct
from deepglass.errors import SourceError, SpecError
from deepglass.features.base import Column
from deepglass.features.outputs.identity import IdentityOutput
from deepglass.metrics.calibration import fit_logistic
from deepglass.nn.metric_learning import arcface, triplet_loss
from deepglass.nn.tokens import Field, Tokens


def _people(count: int = 3) -> IdentityOutput:
    return IdentityOutput(name="who").fit([pl.Series([f"p{i % count}" for i in range(4 * count)])])


def _best(embedding: np.ndarray) -> dict[str, np.ndarray]:
    unit = embedding / np.linalg.norm(embedding, axis=1, keepdims=True)
    return {"embedding": unit, "nearest": np.zeros((len(unit), 1), int), "similarity": np.ones((len(unit), 1))}


def _column(codes: list[int]) -> Column:
    return Column(np.array(codes, np.int32), np.array(codes) > 0)


def test_unseen_identities_have_their_own_codes() -> None:
    feature = _people()
    first = feature.encode(pl.Series(["zoe", "p1", "max", None, "zoe"]))
    assert first.mask.tolist() == [True, True, True, False, True]
    zoe, known, max_, missing, again = first.values.tolist()
    assert zoe == again != max_
    assert min(zoe, max_) > 3
    assert 1 <= known <= 3
    assert missing == 0
    assert feature.encode(pl.Series(["max"])).values[0] == max_  # whoever stands beside it


def test_unseen_identities_have_no_loss() -> None:
    feature = _people()
    head = feature.head(4)
    tokens = Tokens(torch.randn(6, 1, 4), torch.ones(6, 1, dtype=torch.bool))
    column = feature.encode(pl.Series(["zoe", "p0", "p1", "max", "p2", "p0"]))
    loss = feature.prediction(head(tokens)).loss(Field(torch.from_numpy(column.values), torch.from_numpy(column.mask)))
    assert (loss > 0).tolist() == [False, True, True, False, True, True]


def test_arcface_is_softmax_with_an_angular_margin() -> None:
    angle = torch.tensor([[0.5, 1.2, 2.0], [1.0, 3.1, 0.2]])
    label = torch.tensor([0, 2])
    moved = angle.clone()
    moved[[0, 1], label] += 0.4
    expected = nn.functional.cross_entropy(8 * moved.cos(), label, reduction="none")
    torch.testing.assert_close(arcface(angle.cos(), label, 0.4, 8.0), expected)


def test_arcface_increases_with_the_angle_up_to_pi() -> None:
    angles = torch.linspace(0, torch.pi, 200)
    cosine = torch.stack([angles.cos(), torch.zeros(200)], 1)
    loss = arcface(cosine, torch.zeros(200, dtype=torch.long), 0.5, 16.0)
    assert (loss.diff() > 0).all()


def test_arcface_has_a_finite_gradient_at_the_class_centre() -> None:
    cosine = torch.tensor([[1.0, -1.0]], requires_grad=True)
    arcface(cosine, torch.tensor([0]), 0.3, 16.0).sum().backward()
    assert torch.isfinite(cosine.grad).all()


def test_triplet_loss_uses_the_hardest_positive_and_negative() -> None:
    angles = torch.tensor([0.0, 0.3, 0.8, 1.0, 2.5])
    unit = torch.stack([angles.cos(), angles.sin()], 1)
    label = torch.tensor([0, 0, 0, 1, -1])  # the last is unknown
    chord = lambda a: 2 * np.sin(a / 2)  # noqa: E731
    gap = chord(0.8) - chord(1.0) + 0.2
    loss = triplet_loss(unit, label, 0.2, sharpness=16.0)
    assert loss[0].item() == pytest.approx(np.log1p(np.exp(16 * gap)) / 16, rel=1e-4)
    assert loss[3:].tolist() == [0, 0]  # no fellow; unknown


@pytest.mark.parametrize("loss", ["arcface", "triplet"])
def test_unseen_identities_are_separated_after_training(loss: str) -> None:
    """Three of twelve columns hold the identity, with noise four times as large; margin 0.1."""
    torch.manual_seed(0)
    random = np.random.default_rng(0)
    who = np.repeat(np.arange(80), 6)
    x = np.concatenate([random.normal(size=(80, 3))[who], 4 * random.normal(size=(480, 9))], 1).astype(np.float32)
    x[:, :3] += 0.1 * random.normal(size=(480, 3))
    names = pl.Series([f"p{i}" for i in who])
    known = who < 50
    feature = IdentityOutput(name="who", embedding_dim=8, loss=loss).fit([names.filter(known)])
    column = feature.encode(names)
    head = feature.head(12)
    tokens = Tokens(torch.from_numpy(x)[:, None], torch.ones(480, 1, dtype=torch.bool))
    train, test = (torch.from_numpy(np.flatnonzero(rows)) for rows in (known, ~known))
    field = Field(torch.from_numpy(column.values), torch.from_numpy(column.mask))
    optimizer = torch.optim.Adam(head.parameters(), 0.02)
    for _ in range(150):
        optimizer.zero_grad()
        params = head(Tokens(tokens.values[train], tokens.mask[train]))
        feature.prediction(params).loss(Field(field.values[train], field.mask[train])).mean().backward()
        optimizer.step()
    head.eval()
    with torch.no_grad():
        answer = feature.prediction(head(Tokens(tokens.values[test], tokens.mask[test])))
    best, truth = {k: v.numpy() for k, v in answer.mode().items()}, column.take(test.numpy())
    raw = feature.score(_best(x[test.numpy()]), truth)["roc_auc"]
    assert feature.score(best, truth)["roc_auc"] > raw + 0.1
    assert feature.selection_value(best, truth) < 0.7
    assert feature.selection_value(feature.baseline(truth) | _alike(len(test)), truth) == pytest.approx(1)


def _alike(rows: int) -> dict[str, np.ndarray]:
    return {"embedding": np.ones((rows, 2), np.float32) / np.sqrt(2)}


def test_metrics_are_computed_over_all_pairs() -> None:
    random = np.random.default_rng(0)
    codes = random.integers(1, 8, 60)
    embedding = random.normal(size=(7, 5))[codes - 1] + random.normal(size=(60, 5))
    best = _best(embedding)
    a, b = np.triu_indices(60, 1)
    same, alike = codes[a] == codes[b], (best["embedding"][a] * best["embedding"][b]).sum(1)
    figures = _people().score(best, _column(codes.tolist()))
    assert figures["roc_auc"] == pytest.approx(roc_auc_score(same, alike))
    false, true, _ = roc_curve(same, alike, drop_intermediate=False)
    i = np.argmin(np.abs(false - (1 - true)))
    assert figures["equal_error_rate"] == pytest.approx((false[i] + 1 - true[i]) / 2, abs=0.01)


@pytest.mark.parametrize(("scores", "rate"), [([3, 2, 1, 0], 0.0), ([0, 1, 2, 3], 1.0), ([1, 1, 1, 1], 0.5)])
def test_equal_error_rate_of_perfect_and_inverted_scores(scores: list[int], rate: float) -> None:
    assert metrics.equal_error_rate(np.array([1, 1, 0, 0]), np.array(scores, float)) == pytest.approx(rate)


def test_a_row_paired_with_itself_does_not_count() -> None:
    random = np.random.default_rng(0)
    codes, embedding = random.integers(1, 8, 60), random.normal(size=(60, 5))
    feature, twice = _people(), np.repeat(np.arange(60), 2)
    once = feature.score(_best(embedding), _column(codes.tolist()))["roc_auc"]
    again = feature.score(_best(embedding[twice]), _column(codes[twice].tolist()))["roc_auc"]
    assert again == pytest.approx(once, abs=1e-9)


def test_pairs_of_many_rows_are_sampled() -> None:
    random = np.random.default_rng(0)
    codes = random.integers(1, 100, 1000)
    embedding = random.normal(size=(100, 8))[codes - 1] + random.normal(size=(1000, 8))
    a, b = np.triu_indices(1000, 1)
    unit = _best(embedding)["embedding"]
    whole = metrics.roc_auc((codes[a] == codes[b]).astype(int), (unit[a] * unit[b]).sum(1))
    some = _people().score(_best(embedding), _column(codes.tolist()))["roc_auc"]
    assert some == pytest.approx(whole, abs=0.005)


def test_verification_probabilities_are_calibrated() -> None:
    random = np.random.default_rng(0)
    label = random.integers(0, 2, 4000)
    x = random.normal(size=4000) + 1.5 * label
    found = fit_logistic(x, label)
    expected = 1 / (1 + np.exp(-(1.5 * x - 1.125)))  # two normal distributions, a deviation of 1 each
    np.testing.assert_allclose(found(x), expected, atol=0.04)
    assert found(np.array(found.threshold)) == pytest.approx(0.5)
    assert fit_logistic(-x, label) is None
    assert fit_logistic(x, np.ones(4000)) is None


def test_verdict_has_threshold_and_probability() -> None:
    feature = _people()
    best = _best(np.array([[1.0, 0.0], [0.8, 0.6], [-1.0, 0.1]]))
    calibration = {"threshold": 0.5, "slope": 10.0, "offset": -5.0}
    same = feature.compare(best, calibration)
    assert (same.same, same.threshold) == (True, 0.5)
    assert same.similarity == pytest.approx(0.8)
    assert same.confidence == pytest.approx(1 / (1 + np.exp(-3)))
    other = feature.compare({k: v[[0, 2]] for k, v in best.items()}, calibration)
    assert not other.same
    assert other.confidence > 0.99
    assert feature.compare(best).confidence is None  # nothing was calibrated


def test_predictions_name_the_nearest_training_identity() -> None:
    feature = _people()
    torch.manual_seed(0)
    params = feature.head(4)(Tokens(torch.randn(5, 1, 4), torch.ones(5, 1, dtype=torch.bool)))
    answer = feature.prediction(params)
    best = {k: v.detach().numpy() for k, v in answer.mode().items()}
    decoded = feature.decode(best, {"threshold": 0.5, "slope": 10.0, "offset": -5.0})
    cosine = params[:, feature.embedding_dim :].detach().numpy()
    assert [d["value"] for d in decoded] == [feature.vocabulary_[k] for k in cosine.argmax(1)]
    assert decoded[0]["similarity"] == pytest.approx(float(cosine[0].max()))
    assert len(decoded[0]["embedding"]) == feature.embedding_dim


def test_targets_without_positive_pairs_are_rejected() -> None:
    alone = IdentityOutput(name="who").fit([pl.Series(["a", "b", "c"])])
    with pytest.raises(SourceError, match=r"too-few-rows.*'who'.*every name occurs once"):
        alone.check_target(alone.encode(pl.Series(["a", "b", "c"])), "faces")
    one = IdentityOutput(name="who").fit([pl.Series(["a", "a"])])
    with pytest.raises(SourceError, match=r"one-class.*only 'a'"):
        one.check_target(one.encode(pl.Series(["a", "a"])), "faces")
    with pytest.raises(SpecError, match=r"outputs.who.margin: expected a number from 0 to 1.5"):
        construct(IdentityOutput, {"name": "who", "margin": 3.0}, "outputs.who")
