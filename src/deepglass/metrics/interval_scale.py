"""A scale of each row's residual, so that the width of a conformal interval follows the row.

    log scale = weight . embedding + bias            (a generalised linear model of |residual|, log link)
    interval  = value +- half width * scale          (half width: the conformal quantile of |residual| / scale)

Fitted to validation rows, after training. The scales that the half width is computed from are cross-fitted: those of
a fold come from the other folds.

Source: Lei et al., 2018, arXiv 1604.04173, section 5.2 (locally weighted conformal inference). Ours cross-fits the
scale on the calibration rows instead of training rows, whose residuals are too small.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from deepglass.metrics.calibration import conformal

MIN_ROWS = 100  # below which a scale is not fitted: cross-fitting makes its intervals wider and no better
MAX_ROWS = 10_000  # that a scale is fitted to, chosen at random
MAX_ENTRIES = 16  # of a vector; each takes 0.1 to 0.3 s
MIN_GAIN = (0.02, 3.0)  # of the interval score relative to one width: a share, and what is added, over the rows
PENALTIES = (1000.0, 300.0, 100.0, 30.0)  # of the squared weights of standardised embeddings, strongest first
FOLDS, MAX_STEPS, TOLERANCE = 5, 25, 1e-3


class LinearScale(NamedTuple):
    """The scale of a row's residual: exp(weight . embedding + bias), its logarithm within [low, high].

    Shapes:
        weight: (D,) float.
    """

    weight: np.ndarray
    bias: float
    low: float
    high: float

    def __call__(self, embeddings: np.ndarray) -> np.ndarray:
        """The scales of rows, (N,), from (N, D)."""
        return np.exp(np.clip(embeddings.astype(np.float64) @ self.weight + self.bias, self.low, self.high))


class ScaleFit(NamedTuple):
    """A fitted scale, and the cross-fitted scales of the rows that it was fitted to.

    Args:
        gain: share of the interval score of one width that intervals of this scale remove, cross-fitted.

    Shapes:
        scales: (N,) float.
    """

    scale: LinearScale
    scales: np.ndarray
    gain: float


def fit_scale(embeddings: np.ndarray, residuals: np.ndarray, level: float, seed: int = 0) -> ScaleFit | None:
    """The scale of the best cross-fitted interval score; None if no scale is better than one width for all rows.

    Args:
        level: coverage of the intervals, in (0, 1).

    Shapes:
        embeddings: (N, D) float; residuals: (N,) target minus prediction.
    """
    size = np.abs(residuals).astype(np.float64)
    if len(size) < MIN_ROWS or not size.mean() > 0:
        return None
    size /= size.mean()
    fold_of = np.random.default_rng(seed).permutation(len(size)) % FOLDS
    scales = np.empty((len(PENALTIES), len(size)))
    for fold in range(FOLDS):
        held = fold_of == fold
        for i, scale in enumerate(_fit(embeddings[~held], size[~held])):
            scales[i, held] = scale(embeddings[held])
    constant = interval_score(size, np.full(len(size), conformal(size, level)), level)
    scores = [interval_score(size, conformal(size / s, level) * s, level) for s in scales]
    best = int(np.argmin(scores))
    gain = 1 - scores[best] / constant
    if not gain >= MIN_GAIN[0] + MIN_GAIN[1] / len(size):  # few rows gain some by chance
        return None
    return ScaleFit(_fit(embeddings, size)[best], scales[best], gain)


def interval_score(size: np.ndarray, half_width: np.ndarray, level: float) -> float:
    """Mean of an interval's width plus 2 / (1 - level) times the distance of the target from it; lower is better.

    Args:
        size: (N,) absolute residuals.
        half_width: (N,) of symmetric intervals.

    Source: Gneiting and Raftery, 2007, J. Am. Stat. Assoc. 102, equation 43.
    """
    return float(np.mean(2 * half_width + 2 / (1 - level) * np.maximum(size - half_width, 0)))


def _fit(embeddings: np.ndarray, size: np.ndarray) -> list[LinearScale]:
    """A scale for each of `PENALTIES`, each begun at the last one.

    Fisher scoring of the quasi-likelihood sum(log scale + size / scale), whose information matrix is constant.
    """
    x = embeddings.astype(np.float64)
    mean, spread = x.mean(0), x.std(0)
    spread[spread < 1e-9 * max(float(spread.max()), 1e-30)] = np.inf  # constant entries have no weight
    x = (x - mean) / spread
    gram = x.T @ x
    weight, bias = np.zeros(x.shape[1]), 0.0
    scales = []
    for penalty in PENALTIES:
        solve = _solver(gram, penalty)
        for _ in range(MAX_STEPS):
            predicted = np.clip(x @ weight + bias, -20, 20)
            error = size * np.exp(-predicted) - 1
            step, shift = solve(x.T @ error - penalty * weight), float(error.mean())
            change = np.abs(x @ step + shift).max()
            damping = min(1.0, 1 / change) if change > 0 else 1.0
            weight, bias = weight + damping * step, bias + damping * shift
            if change < TOLERANCE:
                break
        predicted = x @ weight + bias
        own = weight / spread
        scales.append(LinearScale(own, bias - float(mean @ own), float(predicted.min()), float(predicted.max())))
    return scales


def _solver(gram: np.ndarray, penalty: float) -> Callable[[np.ndarray], np.ndarray]:
    inverse = np.linalg.inv(gram + penalty * np.eye(len(gram)))
    return lambda gradient: inverse @ gradient
