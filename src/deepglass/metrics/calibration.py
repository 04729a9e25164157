"""Post-hoc calibration: temperature scaling, Platt scaling, conformal intervals.

Each is fitted to predictions and targets of the validation rows; the network does not change.
"""

import math
from typing import NamedTuple

import numpy as np

from deepglass.metrics.classes import ece, log_loss, row_blocks

MIN_FITTED_ROWS, MAX_FITTED_VALUES = 500, 5_000_000  # of a temperature

# -- classes: temperature ------------------------------------------------------------------------------------------


class Temperature(NamedTuple):
    """A fitted temperature, and the cross-fitted metrics before and after."""

    value: float  # 1 unless it improves the cross-fitted log loss
    improves: bool
    log_loss_before: float
    log_loss_after: float
    ece_before: float
    ece_after: float


def apply_temperature(log_probs: np.ndarray, temperature: float, bias: np.ndarray | None = None) -> np.ndarray:
    """Log probabilities of softmax(logits / temperature), (N, K); a temperature above 1 lowers the confidence.

    Args:
        bias: of each class, added after the division, (K,).
    """
    if temperature == 1:
        return log_probs
    scaled = np.empty_like(log_probs)
    for rows in row_blocks(log_probs.shape):
        logits = log_probs[rows].astype(np.float64) / temperature
        scaled[rows] = _log_softmax(logits, bias)
    return scaled


def fit_temperature(
    log_probs: np.ndarray,
    labels: np.ndarray,
    folds: int = 5,
    seed: int = 0,
    *,
    weights: np.ndarray | None = None,
    log_weights: np.ndarray | None = None,
) -> Temperature:
    """Temperature scaling: the temperature of least log loss, if it also improves the cross-fitted log loss.

    Each fold is scored with the temperature fitted to the others. Of thousands of classes it is fitted to some of the
    rows, chosen at random: `MAX_FITTED_VALUES` probabilities in all.

    Args:
        weights: of the rows.
        log_weights: logarithms of the class weights that the network was trained with, which `log_probs` are corrected
            for. The temperature is that of the logits before the correction.

    Shapes:
        log_probs: (N, K) float, any logits; labels: (N,) int; weights: (N,) float; log_weights: (K,) float.

    Source: Guo et al., 2017, arXiv 1706.04599, section 4.2. Ours fits log T, so that T is positive,
    with a weak prior at T = 1, so that a few rows, all correct, do not lead to certainty.
    """
    if (count := max(MIN_FITTED_ROWS, MAX_FITTED_VALUES // max(log_probs.shape[1], 1))) < len(labels):
        rows = np.sort(np.random.default_rng(seed).choice(len(labels), count, replace=False))
        log_probs, labels = log_probs[rows], labels[rows]
        weights = None if weights is None else weights[rows]
    labels = labels.astype(np.int64)
    weights = None if weights is None else weights / weights.mean()
    logits = np.maximum(log_probs.astype(np.float64), -1e4)  # avoids 0 * infinity for probabilities of 0
    logits, shift = (logits, None) if log_weights is None else (logits + log_weights, -log_weights)
    before = _log_softmax(logits, shift)
    loss, error = _log_loss_and_ece(labels, before, weights)
    unchanged = Temperature(1.0, False, loss, loss, error, error)
    folds = min(folds, len(labels))
    if folds < 2 or logits.shape[1] < 2:
        return unchanged
    whole = _log_temperature(logits, labels, 0.0, weights, shift)
    fold_of = np.random.default_rng(seed).permutation(len(labels)) % folds
    fitted = []
    for f in range(folds):
        rest = fold_of != f
        some = None if weights is None else weights[rest]
        fitted.append(_log_temperature(logits[rest], labels[rest], whole, some, shift))
    after = _log_softmax(logits / np.exp(fitted)[fold_of][:, None], shift)
    loss, error = _log_loss_and_ece(labels, after, weights)
    if loss >= unchanged.log_loss_before:
        return unchanged
    return Temperature(math.exp(whole), True, unchanged.log_loss_before, loss, unchanged.ece_before, error)


def _log_loss_and_ece(labels: np.ndarray, log_probs: np.ndarray, weights: np.ndarray | None) -> tuple[float, float]:
    return log_loss(labels, log_probs, weights), ece(labels, np.exp(log_probs), weights=weights)


def _log_softmax(logits: np.ndarray, shift: np.ndarray | None) -> np.ndarray:
    """Of logits (N, K), plus `shift` (K,) where there is one."""
    logits = logits if shift is None else logits + shift
    shifted = logits - logits.max(1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(1, keepdims=True))


def _log_temperature(
    logits: np.ndarray,
    labels: np.ndarray,
    start: float,
    weights: np.ndarray | None = None,
    shift: np.ndarray | None = None,
    steps: int = 30,
) -> float:
    """Newton's method on s = log T for sum(-log p(label)) + s^2 / 2, its steps no longer than 1.

    Args:
        weights: of the rows.
        shift: of each class, added to the logits after the division by T.
    """
    s = start
    true_logits = logits[np.arange(len(labels)), labels]
    for _ in range(steps):
        b = math.exp(-s)
        p = np.exp(_log_softmax(logits / (1 / b), shift))
        mean = (p * logits).sum(1)
        spread = (p * logits**2).sum(1) - mean**2
        error = mean - true_logits
        if weights is not None:
            spread, error = spread * weights, error * weights
        slope = -b * error.sum() + s
        curve = b * b * spread.sum() + b * error.sum() + 1
        step = -slope / curve if curve > 0 else -math.copysign(1.0, slope)
        step = max(-1.0, min(1.0, step))
        s = max(-4.0, min(4.0, s + step))
        if abs(step) < 1e-6:
            break
    return s


# -- pairs: from a similarity to a probability ---------------------------------------------------------------------


class Logistic(NamedTuple):
    """p = 1 / (1 + exp(-(slope * x + offset)))."""

    slope: float
    offset: float

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(1 / (1 + np.exp(-np.clip(self.slope * x.astype(np.float64) + self.offset, -50, 50))))

    @property
    def threshold(self) -> float:
        """The x with p = 0.5."""
        return -self.offset / self.slope


def fit_logistic(x: np.ndarray, label: np.ndarray, evidence: int | None = None) -> Logistic | None:
    """Platt scaling with equal class weights: probability of "positive" from one score; None if it is decreasing.

    Args:
        evidence: number of independent cases of each label, at most; None takes all. Pairs of a few rows are not
            independent, and must not lead to certainty.

    Shapes:
        x: (N,) float; label: (N,) int, 1 = positive.

    Source: Platt, 1999, with its targets a little inside 0 and 1, by Newton's method as in Lin et al., 2007. Ours
    has equal class weights, as nearly all pairs of rows are of two identities, which those to verify are not.
    """
    positive = label == 1
    P, N = int(positive.sum()), int((~positive).sum())
    if not P or not N:
        return None
    max_cases = evidence or len(x)
    target = np.where(positive, 1 - 1 / (min(P, max_cases) + 2), 1 / (min(N, max_cases) + 2))
    weight = np.where(positive, 0.5 / P, 0.5 / N) * (P + N)
    mean, spread = float(x.mean()), float(x.std()) or 1.0
    design = np.stack([(x.astype(np.float64) - mean) / spread, np.ones(len(x))], 1)  # (N, 2)
    coefficients = np.zeros(2)
    for _ in range(50):
        p = 1 / (1 + np.exp(-np.clip(design @ coefficients, -50, 50)))
        slope = design.T @ (weight * (p - target)) + 1e-3 * coefficients
        curve = (design * (weight * p * (1 - p))[:, None]).T @ design + 1e-3 * np.eye(2)
        step = np.linalg.solve(curve, slope)
        step *= min(1.0, 2 / max(float(np.abs(step).max()), 1e-12))  # damped, as Newton overshoots where p is flat
        coefficients -= step
        if np.abs(step).max() < 1e-8:
            break
    if coefficients[0] <= 0:
        return None
    return Logistic(float(coefficients[0] / spread), float(coefficients[1] - coefficients[0] * mean / spread))


# -- numbers: conformal intervals ----------------------------------------------------------------------------------


def conformal(residuals: np.ndarray, level: float = 0.9) -> float:
    """Half width of the split conformal interval that covers a new row's target with at least this probability.

    Valid for rows exchangeable with those of `residuals`, which were not trained on; infinite for too few rows.

    Args:
        residuals: (N,) target minus prediction.

    Source: Vovk et al., 2005; Lei et al., 2018, arXiv 1604.04173, algorithm 2 (split conformal, absolute residuals).
    """
    n = len(residuals)
    rank = math.ceil((n + 1) * level)
    if rank > n:
        return math.inf
    return float(np.partition(np.abs(residuals), rank - 1)[rank - 1])
