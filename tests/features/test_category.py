"""Categories and binary columns: spellings, vocabulary, predictions."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest
import torch

from deepglass.errors import SourceError
from deepglass.features.base import Raw, infer_type
from deepglass.features.outputs.base import output_from_state
from deepglass.features.outputs.binary import BinaryOutput
from deepglass.features.outputs.category import CategoryOutput
from deepglass.nn.tokens import Field


@pytest.mark.parametrize(
    "raw",
    [
        pl.Series([3, 1, None, 9]),
        pl.Series([3.0, 1.0, None, 9.0]),
        pl.Series(["3", " 1.0", "?", "x"]),
        np.array([3.0, 1.0, np.nan, 9.0]),
        pl.Series([3, 1, None, 9], dtype=pl.Int8),
    ],
)
def test_numbers_are_one_category_however_they_are_written(raw: Raw) -> None:
    feature = CategoryOutput(name="x").fit([pl.Series([3, 1, 1, 2])])
    assert feature.vocabulary_ == ("1", "2", "3")
    column = feature.encode(raw)
    assert column.values.tolist() == [3, 1, 0, 0]
    assert column.mask.tolist() == [True, True, False, False]
    assert feature.count_anomalies(raw) == {"unseen category": 1}


def test_vocabulary_is_sorted_by_frequency_and_stripped() -> None:
    feature = CategoryOutput(name="x").fit([pl.Series(["b ", " a", "a", " ", "", None, "c", "b", "b"])])
    assert feature.vocabulary_ == ("b", "a", "c")
    assert feature.counts_ == (3, 2, 1)
    same = CategoryOutput(name="x").fit(
        [pl.Series(["b ", " a", "a", " ", "", None, "c", "b", "b"], dtype=pl.Categorical)]
    )
    assert same == feature


def test_values_beyond_max_vocabulary_are_unknown() -> None:
    feature = CategoryOutput(name="x", max_values=2).fit([pl.Series(["a", "a", "b", "b", "c"])])
    assert feature.encode(pl.Series(["a", "c"])).values.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("values", "value"),
    [([3, 1, 1], 1), (["u", "v", "v"], "v"), ([True, False, False], False), ([0.5, 1.5, 1.5], 1.5)],
)
@pytest.mark.parametrize("cls", [CategoryOutput, BinaryOutput])
def test_predictions_have_the_original_type(cls: type, values: list, value: object) -> None:
    feature = cls(name="x").fit([pl.Series(values)])
    best = {"log_probs": feature.baseline(feature.encode(pl.Series(values)))["log_probs"]}
    answer = output_from_state(json.loads(json.dumps(feature.state()))).decode(best)[0]
    assert answer["value"] == value
    assert type(answer["value"]) is type(value)
    assert answer["confidence"] == pytest.approx(2 / 3)
    assert set(answer["probabilities"]) == set(feature.class_names)
    assert sum(answer["probabilities"].values()) == pytest.approx(1)


def test_the_five_most_probable_classes_are_returned() -> None:
    feature = CategoryOutput(name="x").fit([pl.Series(list("abcdefgh"))])
    probs = np.array([[0.3, 0.2, 0.1, 0.1, 0.1, 0.1, 0.05, 0.05]])
    answer = feature.decode({"log_probs": np.log(probs)})[0]
    assert answer["value"] == "a"
    assert list(answer["probabilities"]) == list("abcde")


def test_loss_is_cross_entropy() -> None:
    feature = CategoryOutput(name="x").fit([pl.Series(["a", "b", "c"])])
    smooth = CategoryOutput(name="x", label_smoothing=0.1).fit([pl.Series(["a", "b", "c"])])
    params = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([0, 1, 2, 0, 1])
    target = Field((labels + 1).int(), torch.ones(5, dtype=torch.bool))
    for f, smoothing in ((feature, 0.0), (smooth, 0.1)):
        expected = torch.nn.functional.cross_entropy(params, labels, reduction="none", label_smoothing=smoothing)
        torch.testing.assert_close(f.prediction(params).loss(target), expected)


def test_binary_loss_is_that_of_one_logit() -> None:
    feature = BinaryOutput(name="x").fit([pl.Series([0, 1])])
    logit = torch.tensor([[-3.0], [0.5], [40.0]], requires_grad=True)
    target = Field(torch.tensor([1, 2, 2], dtype=torch.int32), torch.ones(3, dtype=torch.bool))
    loss = feature.prediction(logit).loss(target)
    expected = torch.nn.functional.binary_cross_entropy_with_logits(
        logit[:, 0], torch.tensor([0.0, 1.0, 1.0]), reduction="none"
    )
    torch.testing.assert_close(loss, expected)


def test_ensemble_members_average_probabilities() -> None:
    feature = CategoryOutput(name="x").fit([pl.Series(["a", "b"])])
    params = torch.log(torch.tensor([[0.9, 0.1], [0.1, 0.9], [0.6, 0.4], [0.8, 0.2]]))
    mixed = feature.prediction(params).ensemble_mean(2).mode()["log_probs"].exp()
    torch.testing.assert_close(mixed, torch.tensor([[0.5, 0.5], [0.7, 0.3]]))


@pytest.mark.parametrize("cls", [CategoryOutput, BinaryOutput])
def test_one_class_is_rejected(cls: type) -> None:
    feature = cls(name="x").fit([pl.Series(["a", "a", None])])
    with pytest.raises(SourceError, match=r"\[one-class\] ships.csv: .*'x'.* only 'a'"):
        feature.check_target(feature.encode(pl.Series(["a", "a"])), "ships.csv")


@pytest.mark.parametrize("cls", [CategoryOutput, BinaryOutput])
def test_imbalance_gives_a_warning(cls: type) -> None:
    values = pl.Series(["a"] * 97 + ["b"] * 3)
    feature = cls(name="x").fit([values])
    assert feature.target_warnings(feature.encode(values)) == ["x: the class 'b' has only 3 of 100 rows"]
    assert feature.target_warnings(feature.encode(pl.Series(["a", "b"]))) == []


def test_temperature_is_used_if_it_improves_the_loss() -> None:
    generator = np.random.default_rng(0)
    feature = CategoryOutput(name="x").fit([pl.Series(["a", "b", "c"])])
    probs = generator.dirichlet([1, 1, 1], 1000)
    labels = (probs.cumsum(1) > generator.random((1000, 1))).argmax(1)
    logits = 3 * np.log(probs)
    best = {"log_probs": logits - np.log(np.exp(logits).sum(1, keepdims=True))}
    truth = feature.encode(pl.Series(np.array(["a", "b", "c"])[labels]))
    calibration = feature.calibrate(best, truth)
    assert calibration["temperature"] == pytest.approx(3, rel=0.15)
    before, after = feature.score(best, truth), feature.score(best, truth, calibration)
    assert after["log_loss"] < before["log_loss"]
    assert after["ece"] < before["ece"]
    assert after["accuracy"] == before["accuracy"]
    assert feature.decode(best, calibration)[0]["confidence"] < feature.decode(best)[0]["confidence"]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([True, False, True], ("false", "true")),
        ([1, 0, 1], ("0", "1")),
        (["yes", "no", "yes"], ("no", "yes")),
        (["<=50K", ">50K", "<=50K"], ("<=50K", ">50K")),
        (["No", "maybe", "maybe"], ("No", "maybe")),
        ([1, 2, 2], ("2", "1")),
        (["Yes", None], ("Yes",)),
        ([None, None], ()),
    ],
)
def test_the_positive_class(values: list, expected: tuple[str, ...]) -> None:
    assert BinaryOutput(name="x").fit([pl.Series(values)]).values_ == expected


def test_the_positive_class_can_be_set() -> None:
    values = [pl.Series(["cat", "dog", "dog"])]
    assert BinaryOutput(name="x", positive="dog").fit(values).values_ == ("cat", "dog")
    with pytest.raises(SourceError, match="'bird', but the values are"):
        BinaryOutput(name="x", positive="bird").fit(values)
    with pytest.raises(SourceError, match=r"expected two values, not 3: .*; try category"):
        BinaryOutput(name="x").fit([pl.Series(["a", "b", "c"])])


def test_binary_values_in_other_words() -> None:
    feature = BinaryOutput(name="x").fit([pl.Series([True, False])])
    for raw in (pl.Series(["TRUE", "0", "yes"]), pl.Series([1, 0, 1]), pl.Series(["true", "No", "1"])):
        assert feature.encode(raw).values.tolist() == [2, 1, 2]


def test_yes_and_no_in_any_spelling() -> None:
    raw = pl.Series(["yes"] * 5 + ["Yes", "YES", "No", "NO", "no", "no", None])
    assert infer_type(raw, "paid")[0] == "binary"
    feature = BinaryOutput(name="paid").fit([raw])
    assert (feature.values_, feature.counts_) == (("no", "yes"), (4, 7))
    assert feature.encode(pl.Series(["YES", "nO", "maybe", None])).values.tolist() == [2, 1, 0, 0]
    assert feature.count_anomalies(pl.Series(["YES", "maybe"])) == {"unseen category": 1}
    assert BinaryOutput(name="x").fit([pl.Series(["y", "Y", "y"])]).values_ == ("y", "Y"), "two values as they stand"
    with pytest.raises(SourceError, match="expected two values, not 3"):
        BinaryOutput(name="x").fit([pl.Series(["red", "Red", "blue"])])


def test_threshold_moves_for_a_rare_class() -> None:
    generator = np.random.default_rng(0)
    label = generator.random(2000) < 0.05
    seen = generator.normal(2.0 * label)
    logit = np.log(0.05 / 0.95) + 2.0 * seen - 2.0  # the true log odds
    feature = BinaryOutput(name="x").fit([pl.Series(label)])
    best = {"log_probs": np.stack([-np.log1p(np.exp(logit)), -np.log1p(np.exp(-logit))], 1)}
    truth = feature.encode(pl.Series(label))
    calibration = feature.calibrate(best, truth)
    figures = feature.score(best, truth, calibration)
    assert calibration["threshold"] < 0.5
    assert figures["f1_macro"] > figures["f1_macro_at_half"]
    assert "accuracy_at_half" in figures
    answers = feature.decode(best, calibration)
    assert all(a["value"] == (a["probability"] >= calibration["threshold"]) for a in answers)
    balanced = BinaryOutput(name="x").fit([pl.Series([True, False])])
    assert "threshold" not in balanced.calibrate(best, truth)
