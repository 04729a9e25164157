"""Metrics of weighted rows: a weight of 2 is the same as the row twice, and weight 0 as no row."""

import numpy as np
import pytest

from deepglass import metrics
from deepglass.metrics.calibration import apply_temperature, fit_temperature

RANDOM = np.random.default_rng(0)
COUNTS = RANDOM.integers(0, 4, 200)
REPEATED = np.repeat(np.arange(200), COUNTS)


def _log_probs(classes: int) -> np.ndarray:
    logits = RANDOM.normal(size=(200, classes))
    return logits - np.log(np.exp(logits).sum(1, keepdims=True))


@pytest.mark.parametrize("classes", [2, 4])
def test_classes(classes: int) -> None:
    labels, log_probs = RANDOM.integers(0, classes, 200), _log_probs(classes)
    weighted = metrics.weighted_classification(labels, log_probs, log_probs.argmax(1), COUNTS)
    assert weighted == pytest.approx(metrics.classification(labels[REPEATED], log_probs[REPEATED]))


@pytest.mark.parametrize("shape", [(200,), (200, 3)])
def test_numbers(shape: tuple[int, ...]) -> None:
    truth, predicted = RANDOM.normal(size=shape), RANDOM.normal(size=shape)
    assert metrics.weighted_regression(truth, predicted, COUNTS) == pytest.approx(
        metrics.regression(truth[REPEATED], predicted[REPEATED])
    )


def test_several_labels() -> None:
    truth, scores = RANDOM.random((200, 5)) < 0.3, RANDOM.random((200, 5))
    weighted = metrics.weighted_multi_label(truth, scores, scores > 0.6, COUNTS)
    assert weighted == pytest.approx(metrics.multi_label(truth[REPEATED], scores[REPEATED], scores[REPEATED] > 0.6))


def test_no_weight_is_no_metric() -> None:
    nothing, labels = np.zeros(200), RANDOM.integers(0, 2, 200)
    assert metrics.weighted_classification(labels, _log_probs(2), labels, nothing) == {}
    assert metrics.weighted_regression(RANDOM.normal(size=200), RANDOM.normal(size=200), nothing) == {}


def test_the_temperature_of_a_network_with_class_weights_is_that_of_its_own_logits() -> None:
    """Logits twice as large as right, then corrected for class weights: dividing the corrected ones is not right."""
    n, log_weights = 20_000, np.log([0.6, 3.0])
    logit = RANDOM.normal(-2.0, 1.0, n)
    labels = (RANDOM.random(n) < 1 / (1 + np.exp(-logit))).astype(int)
    true = np.stack([np.zeros(n), logit], 1)
    corrected = 2 * (true + log_weights) - log_weights
    fit = fit_temperature(corrected, labels, log_weights=log_weights)
    assert fit.value == pytest.approx(2, abs=0.1)
    after = apply_temperature(corrected, fit.value, (1 / fit.value - 1) * log_weights)
    assert np.exp(after[:, 1]).mean() == pytest.approx(labels.mean(), abs=0.01)
    plain = apply_temperature(corrected, fit_temperature(corrected, labels).value)
    assert metrics.log_loss(labels, after) < metrics.log_loss(labels, plain) - 0.005
