"""Multi-label columns: formats, and metrics against scikit-learn."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import torch
from sklearn.metrics import average_precision_score, f1_score

from deepglass.errors import SourceError
from deepglass.features.base import Column, infer_type
from deepglass.features.outputs.multilabel import MultilabelOutput
from deepglass.nn.tokens import Field

GENRES = pl.Series([["drama"], ["comedy", "drama"], [], None, ["horror"], ["drama", "horror"]] * 5)


def test_empty_lists_are_not_missing() -> None:
    feature = MultilabelOutput(name="genres").fit([GENRES])
    column = feature.encode(GENRES[:4])
    assert feature.vocabulary_ == ("drama", "horror", "comedy")
    assert column.values.tolist() == [[1, 0, 0], [1, 0, 1], [0, 0, 0], [0, 0, 0]]
    assert column.mask.tolist() == [True, True, True, False]


@pytest.mark.parametrize("cells", [["a; b", "b", None, "c;a"], ["a | b", "b", None, "c|a"], ["a, b", "b", None, "c,a"]])
def test_text_is_split_into_labels(cells: list[str | None]) -> None:
    feature = MultilabelOutput(name="x").fit([pl.Series(cells)])
    assert feature.vocabulary_ == ("a", "b", "c")
    assert feature.encode(pl.Series(cells)).values.sum(1).tolist() == [2, 1, 0, 2]
    assert feature.encode(pl.Series(cells)).mask.tolist() == [True, True, False, True]


def test_a_semicolon_takes_precedence_over_commas_as_separator() -> None:
    feature = MultilabelOutput(name="x").fit([pl.Series(["Paris, France; Rome, Italy", "Rome, Italy"])])
    assert set(feature.vocabulary_) == {"Paris, France", "Rome, Italy"}


FILMS = ["Drama", "Comedy, Drama", "Sci-Fi", "Horror, Sci-Fi", "Drama, Horror, Comedy", "Comedy", "Sci-Fi, Drama", None]


def test_the_kind_is_inferred_for_lists_and_for_texts_of_few_labels() -> None:
    assert infer_type(GENRES, "genres")[0] == "multilabel"
    assert infer_type(pl.Series([*FILMS, "Horror", "Horror, Drama"] * 10), "genres")[0] == "multilabel"
    assert (
        infer_type(pl.Series([film and film.replace(", ", "|") for film in [*FILMS, "Horror"]] * 10), "x")[0]
        == "multilabel"
    )


@pytest.mark.parametrize(
    "cells",
    [
        ["a;b", "b", "a"],
        ["Paris, France", "Rome, Italy", "Nice, France", "Pisa, Italy", "Lyon, France", "Bari, Italy"],
        ["1,5", "2,5", "1,7", "3", "2", "2,7"],
        ["a, b, a", "b", "a, a", "b, a", "c", "c, b", "c, a"],
    ],
)
def test_other_texts_with_a_separator_are_not_inferred_as_labels(cells: list[str]) -> None:
    assert MultilabelOutput.infer_type(pl.Series(cells * 10), "x") is None


def test_array_columns_keep_their_order() -> None:
    array = np.array([[0, 1, 1], [0, 0, 1]])
    feature = MultilabelOutput(name="x", names=("sea", "sky", "sun")).fit([array])
    assert feature.class_names == ("sea", "sky", "sun")
    np.testing.assert_array_equal(feature.encode(array).values, array)
    missing = feature.encode(np.array([[np.nan, np.nan, np.nan], [1, 0, 0]]))
    assert missing.mask.tolist() == [False, True]


def test_errors_name_bad_values() -> None:
    with pytest.raises(SourceError, match=r"bad-value.*'x', row 1: expected 0 or 1, got 3"):
        MultilabelOutput(name="x").fit([np.array([[0, 1], [3, 0]])])
    with pytest.raises(SourceError, match=r"bad-value.*'x': has 2 labels, but `names` has 1"):
        MultilabelOutput(name="x", names=("a",)).fit([np.array([[0, 1], [1, 0]])])
    feature = MultilabelOutput(name="x").fit([pl.Series([["a"], ["a"]])])
    with pytest.raises(SourceError, match=r"one-class.*the same in each"):
        feature.check_target(feature.encode(pl.Series([["a"], ["a"]])), "films")


def test_unseen_labels_are_counted() -> None:
    feature = MultilabelOutput(name="genres").fit([GENRES])
    new = pl.Series([["drama", "western"], ["noir", "western"]])
    assert feature.count_anomalies(new) == {"unseen label": 3}
    assert feature.encode(new).values.tolist() == [[1, 0, 0], [0, 0, 0]]


def _made_up(rows: int = 400, seed: int = 0) -> tuple[MultilabelOutput, dict[str, np.ndarray], Column]:
    """Overconfident predictions of labels, one of which is rare."""
    random = np.random.default_rng(seed)
    logits = random.normal([0, -1, -2.5], 1.5, (rows, 3))
    true = (random.random((rows, 3)) < 1 / (1 + np.exp(-logits))).astype(np.uint8)
    feature = MultilabelOutput(name="x").fit([true])
    return feature, {"log_odds": (3 * logits).astype(np.float32)}, Column(true, np.ones(rows, bool))


def test_metrics_agree_with_scikit_learn() -> None:
    feature, best, truth = _made_up()
    figures = feature.score(best, truth)
    chosen, true = best["log_odds"] >= 0, truth.values
    assert figures["map"] == pytest.approx(average_precision_score(true, best["log_odds"], average="macro"), abs=1e-6)
    assert figures["f1_macro"] == pytest.approx(f1_score(true, chosen, average="macro"))
    assert figures["f1_micro"] == pytest.approx(f1_score(true, chosen, average="micro"))
    assert figures["accuracy"] == pytest.approx((true == chosen).all(1).mean())
    each = feature.per_class(best, truth)
    assert [each[n]["f1"] for n in feature.class_names] == pytest.approx(f1_score(true, chosen, average=None).tolist())


def test_calibrated_thresholds_and_temperature_improve_held_out_metrics() -> None:
    feature, valid, truth = _made_up()
    calibration = feature.calibrate(valid, truth)
    _, best, new = _made_up(seed=1)
    before, after = feature.score(best, new), feature.score(best, new, calibration)
    assert calibration["temperature"] == pytest.approx(3, rel=0.3)
    assert after["log_loss"] < before["log_loss"] - 0.1
    assert after["f1_macro"] > before["f1_macro"] + 0.02
    assert after["map"] == pytest.approx(before["map"])


def test_predictions_are_labels_most_probable_first() -> None:
    feature = MultilabelOutput(name="genres").fit([GENRES])
    answers = feature.decode({"log_odds": np.array([[1.0, 2.0, -3.0], [-4.0, -4.0, -4.0]])})
    assert answers[0]["value"] == ["horror", "drama"]
    assert answers[1]["value"] == []
    odds = 1 / (1 + np.exp(-np.array([1.0, 2.0, 3.0])))
    assert answers[0]["confidence"] == pytest.approx(odds.prod())
    assert answers[0]["probabilities"]["horror"] == pytest.approx(odds[1])


def test_ensemble_probabilities_are_averaged() -> None:
    params = torch.tensor([[4.0, 0.0], [-2.0, 1.0]])
    pooled = MultilabelOutput(name="x").prediction(params).ensemble_mean(2).mode()["log_odds"].sigmoid()
    torch.testing.assert_close(pooled, params.sigmoid().mean(0, keepdim=True))


def test_encoder_counts_the_labels() -> None:
    feature = MultilabelOutput(name="genres").fit([GENRES])
    column = feature.encode(GENRES[:4])
    encoder = feature.encoder(6)
    tokens = encoder(Field(torch.from_numpy(column.values), torch.from_numpy(column.mask))).values[:, 0]
    none, drama, both = tokens[2], tokens[0] - tokens[2], tokens[1] - tokens[2]
    torch.testing.assert_close(both - drama, encoder.linear.weight[:, 2])
    assert not torch.allclose(tokens[3], none)  # missing is not empty
