"""Temperature, threshold and conformal intervals recover known values and leave calibrated predictions unchanged."""

import math

import numpy as np
import pytest

from deepglass.metrics import balanced_accuracy, best_threshold, f1_macro, log_loss
from deepglass.metrics.calibration import apply_temperature, conformal, fit_temperature


def _answers(rows: int, sharpness: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Log probabilities that are calibrated after division by `sharpness`."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(size=(rows, 5)) * 2
    probs = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    labels = (probs.cumsum(1) > generator.random((rows, 1))).argmax(1)
    return apply_temperature(np.log(probs), 1 / sharpness).astype(np.float32), labels


@pytest.mark.parametrize("sharpness", [0.5, 3.0])
def test_the_true_temperature_is_recovered(sharpness: float) -> None:
    log_probs, labels = _answers(4000, sharpness)
    found = fit_temperature(log_probs, labels)
    assert found.improves
    assert found.value == pytest.approx(sharpness, rel=0.07)
    assert found.log_loss_after < found.log_loss_before
    assert found.ece_after < found.ece_before
    assert log_loss(labels, apply_temperature(log_probs, found.value)) <= found.log_loss_after + 1e-3


def test_temperature_minimises_the_log_loss() -> None:
    log_probs, labels = _answers(2000, 2.0)
    found = fit_temperature(log_probs, labels).value
    losses = [log_loss(labels, apply_temperature(log_probs, found * f)) for f in (0.97, 1.0, 1.03)]
    assert losses[1] == min(losses)


def test_calibrated_probabilities_are_not_changed() -> None:
    kept = [fit_temperature(*_answers(300, 1.0, seed)) for seed in range(10)]
    assert all(abs(math.log(t.value)) < 0.3 for t in kept)
    assert any(not t.improves and t.value == 1 for t in kept)


def test_few_correct_rows_do_not_give_certainty() -> None:
    log_probs = np.log(np.tile([0.9, 0.1], (20, 1)))
    found = fit_temperature(log_probs, np.zeros(20, int))
    sure = np.exp(apply_temperature(log_probs, found.value))[0, 0]
    assert 0.9 < sure < 0.995


def test_odd_rows() -> None:
    hard = np.array([[0.0, -np.inf], [-np.inf, 0.0], [0.0, -np.inf]])
    assert math.isfinite(fit_temperature(hard, np.array([0, 1, 1])).value)
    assert not fit_temperature(np.zeros((1, 2)), np.zeros(1, int)).improves
    assert not fit_temperature(np.zeros((5, 1)), np.zeros(5, int)).improves


def test_conformal_intervals_have_their_coverage() -> None:
    generator = np.random.default_rng(0)
    held = []
    for _ in range(400):
        width = conformal(generator.standard_t(3, 99), 0.9)
        held.append(np.mean(np.abs(generator.standard_t(3, 200)) <= width))
    # The mean coverage is between 0.9 and 0.9 + 1 / 100; its standard error here is 0.0016.
    assert 0.895 <= np.mean(held) <= 0.915


def test_conformal_by_hand() -> None:
    assert conformal(np.array([-3.0, 1.0, 2.0, 4.0]), 0.6) == 3  # the third of four
    assert conformal(np.arange(8.0), 0.9) == math.inf
    assert conformal(np.arange(9.0), 0.9) == 8


def test_threshold_maximises_the_metric() -> None:
    generator = np.random.default_rng(0)
    label = (generator.random(500) < 0.08).astype(int)
    prob = np.clip(0.1 * label + 0.15 * generator.random(500), 0, 1).round(3)
    for metric, function in (("f1_macro", f1_macro), ("balanced_accuracy", balanced_accuracy)):
        found = best_threshold(prob, label, metric)
        every = max(function(label, (prob >= t).astype(int)) for t in np.linspace(0, 1, 1001))
        assert function(label, (prob >= found).astype(int)) == pytest.approx(every)


def test_threshold_stays_near_one_half_without_a_preference() -> None:
    assert best_threshold(np.array([0.1, 0.2, 0.7, 0.9]), np.array([0, 0, 1, 1])) == pytest.approx(0.45)
    assert best_threshold(np.array([0.3, 0.6]), np.array([1, 1])) == 0.5
