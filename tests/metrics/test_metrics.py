"""Metrics against scikit-learn and closed forms."""

import math

import numpy as np
import pytest
import sklearn.metrics as oracle

from deepglass import metrics
from deepglass.metrics.table import METRICS, metric_of
from deepglass.objectives.base import OBJECTIVES

GENERATOR = np.random.default_rng(0)
LABELS = GENERATOR.integers(0, 4, 300)
LOGITS = GENERATOR.normal(size=(300, 4)) + 1.5 * np.eye(4)[LABELS]
LOG_PROBS = LOGITS - np.log(np.exp(LOGITS).sum(1, keepdims=True))
PROBS, PREDICTED = np.exp(LOG_PROBS), LOG_PROBS.argmax(1)
TRUTH = GENERATOR.normal(size=(300, 2)) * [1, 50] + 7
VALUES = TRUTH + GENERATOR.normal(size=(300, 2))


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (metrics.accuracy(LABELS, PREDICTED), oracle.accuracy_score(LABELS, PREDICTED)),
        (metrics.balanced_accuracy(LABELS, PREDICTED), oracle.balanced_accuracy_score(LABELS, PREDICTED)),
        (metrics.f1_macro(LABELS, PREDICTED), oracle.f1_score(LABELS, PREDICTED, average="macro")),
        (metrics.roc_auc(LABELS, PROBS), oracle.roc_auc_score(LABELS, PROBS, multi_class="ovr")),
        (metrics.roc_auc(LABELS == 1, PROBS[:, 1]), oracle.roc_auc_score(LABELS == 1, PROBS[:, 1])),
        (metrics.roc_auc(LABELS == 1, PROBS[:, 1].round(1)), oracle.roc_auc_score(LABELS == 1, PROBS[:, 1].round(1))),
        (metrics.log_loss(LABELS, LOG_PROBS), oracle.log_loss(LABELS, PROBS)),
        (metrics.brier(LABELS, PROBS), oracle.brier_score_loss(LABELS, PROBS)),
        (metrics.brier(LABELS == 1, PROBS[:, 1]), oracle.brier_score_loss(LABELS == 1, PROBS[:, 1])),
        (metrics.mse(TRUTH, VALUES), oracle.mean_squared_error(TRUTH, VALUES)),
        (metrics.rmse(TRUTH[:, 0], VALUES[:, 0]), oracle.root_mean_squared_error(TRUTH[:, 0], VALUES[:, 0])),
        (metrics.mae(TRUTH, VALUES), oracle.mean_absolute_error(TRUTH, VALUES)),
        (metrics.r2(TRUTH, VALUES), oracle.r2_score(TRUTH, VALUES)),
    ],
)
def test_metrics_equal_scikit_learn(ours: float, theirs: float) -> None:
    assert ours == pytest.approx(theirs, rel=1e-9)


def test_confusion_matrix() -> None:
    counts = metrics.confusion_matrix(LABELS, PREDICTED, 4)
    np.testing.assert_array_equal(counts, oracle.confusion_matrix(LABELS, PREDICTED))


def test_binary_and_two_class_metrics_agree() -> None:
    labels, p = (LABELS == 1).astype(int), PROBS[:, 1]
    both = np.stack([1 - p, p], 1)
    assert metrics.brier(labels, both) == pytest.approx(metrics.brier(labels, p))
    assert metrics.roc_auc(labels, both) == pytest.approx(metrics.roc_auc(labels, p))


def test_ece_of_a_constant_gap() -> None:
    probs = np.tile([0.9, 0.1], (10, 1))
    labels = np.array([0] * 6 + [1] * 4)  # 90 % sure, 60 % right
    assert metrics.ece(labels, probs) == pytest.approx(0.3)
    assert metrics.ece(np.zeros(5, int), np.tile([1.0, 0.0], (5, 1))) == 0


def test_undefined_metrics_are_nan_and_left_out() -> None:
    none = np.zeros(0, int)
    assert math.isnan(metrics.accuracy(none, none))
    assert math.isnan(metrics.r2(np.ones(5), np.zeros(5)))
    one_class = metrics.classification(np.zeros(4, int), LOG_PROBS[:4, :2])
    assert "roc_auc" not in one_class
    assert "accuracy" in one_class
    assert metrics.classification(none, np.zeros((0, 2))) == {}
    assert metrics.regression(np.zeros(0), np.zeros(0)) == {}


def test_an_absent_class_is_left_out_of_the_mean() -> None:
    rows = LABELS != 3
    expected = np.mean([oracle.roc_auc_score(LABELS[rows] == k, PROBS[rows, k]) for k in range(3)])
    assert metrics.roc_auc(LABELS[rows], PROBS[rows]) == pytest.approx(expected)


def test_intervals() -> None:
    low, high = metrics.interval(metrics.accuracy, LABELS, PREDICTED)
    assert low < metrics.accuracy(LABELS, PREDICTED) < high
    assert (low, high) == metrics.interval(metrics.accuracy, LABELS, PREDICTED)
    wilson = metrics.share_interval(10, 10)
    assert wilson.high == 1
    assert wilson.low == pytest.approx(0.7225, abs=1e-4)
    assert metrics.share_interval(0, 0) == (0, 1)


def test_frechet_distance_in_closed_form() -> None:
    random = np.random.default_rng(3)
    a, b = random.normal(1, 2, (500, 1)), random.normal(-1, 0.5, (400, 1))
    expected = (a.mean() - b.mean()) ** 2 + (a.std(ddof=1) - b.std(ddof=1)) ** 2
    assert metrics.frechet_distance(a, b) == pytest.approx(expected, rel=1e-9)
    rows = random.normal(size=(300, 5)) @ random.normal(size=(5, 5))
    assert metrics.frechet_distance(rows, rows) == pytest.approx(0, abs=1e-8)
    assert metrics.frechet_distance(rows, rows + np.array([3, 0, 4, 0, 0])) == pytest.approx(25, rel=1e-6)
    assert metrics.frechet_distance(rows, 2 * rows) == pytest.approx(
        (rows.mean(0) ** 2).sum() + np.trace(np.cov(rows, rowvar=False)), rel=1e-6
    )
    assert math.isnan(metrics.frechet_distance(rows[:1], rows))


def test_every_objective_monitors_a_metric_with_a_direction() -> None:
    for name, kind in OBJECTIVES:
        assert METRICS[kind.monitor.name] == kind.monitor, name
        assert kind.monitor.higher_is_better is not None, name


@pytest.mark.parametrize(
    ("name", "direction"),
    [
        ("character_error_rate", False),
        ("word_error_rate", False),
        ("reconstruction_nll", False),
        ("kl", None),
        ("elbo", True),
        ("interval_coverage", None),
        ("density_coverage", True),
        ("a_metric_of_a_plugin", None),
    ],
)
def test_the_direction_of_a_metric(name: str, direction: bool | None) -> None:
    assert metric_of(name).higher_is_better is direction


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("accuracy", 0.981, "98.1\N{NO-BREAK SPACE}%"),
        ("roc_auc", 0.5, "0.500"),
        ("psnr", 24.31, "24.3\N{NO-BREAK SPACE}dB"),
        ("rmse", 48211.0, "48,211"),
        ("rmse", None, "–"),
    ],
)
def test_a_value_in_its_format(name: str, value: float | None, text: str) -> None:
    assert metric_of(name).text(value) == text
