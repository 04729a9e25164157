"""Tests of two models: paired on the same rows, or of the means of two samples."""

import math
from collections.abc import Callable
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from deepglass.metrics.intervals import mean_interval

MIN_ROWS = 20  # below which the interval of a mean is not given
PERMUTED_ROWS = 2_000  # with more, the normal approximation of the permutation distribution
PERMUTATIONS = 4_000
SCORE_PERMUTATIONS = 300  # of a metric that is no mean over rows: each computes it twice
SCORE_RESAMPLES = 100  # for the interval of such a metric's difference


class PairedTest(NamedTuple):
    """How much better the first model is than the second one.

    Args:
        difference: mean over the rows; positive where the first model is better.
        low, high: its 95 % interval; NaN with too few rows.
        p_value: two-sided, of models that are equally good.
    """

    difference: float
    low: float
    high: float
    p_value: float


class SampleStats(NamedTuple):
    """A sample: its mean, its standard deviation, and its size, at least 2."""

    mean: float
    std: float
    size: int


def compare_shares(first: np.ndarray, second: np.ndarray) -> PairedTest:
    """McNemar's exact test of two accuracies.

    Args:
        first, second: whether each model is right in each row.

    Shapes:
        first, second: (N,) bool, N at least 1.

    Source: McNemar, 1947, Psychometrika 12; for the interval Bonett & Price, 2012, J. Educ. Behav. Statist. 37.
    """
    n, better, worse = len(first), int((first & ~second).sum()), int((~first & second).sum())
    p_value = binomial_p_value(better, better + worse) if better + worse else 1.0
    p, q = (better + 1) / (n + 2), (worse + 1) / (n + 2)
    half = NormalDist().inv_cdf(0.975) * math.sqrt((p + q - (p - q) ** 2) / (n + 2))
    return PairedTest((better - worse) / n, max(-1.0, p - q - half), min(1.0, p - q + half), p_value)


def compare_errors(first: np.ndarray, second: np.ndarray, seed: int = 0) -> PairedTest:
    """Permutation test of two mean errors: the models' names are exchanged in random rows.

    Args:
        first, second: error of each model in each row.

    Shapes:
        first, second: (N,) float, N at least 1.

    Source: Fisher, 1935, The Design of Experiments, section 21.
    """
    gains = second.astype(np.float64) - first.astype(np.float64)
    n, total, squares = len(gains), abs(float(gains.sum())), float((gains**2).sum())
    if squares == 0:
        p_value = 1.0
    elif n > PERMUTED_ROWS:
        p_value = 2 * (1 - NormalDist().cdf(total / math.sqrt(squares)))
    else:
        signs = np.random.default_rng(seed).integers(0, 2, (PERMUTATIONS, n), dtype=np.int8)
        sums = np.abs(2 * (signs @ gains) - gains.sum())
        p_value = float((1 + (sums >= total * (1 - 1e-9)).sum()) / (1 + PERMUTATIONS))
    low, high = mean_interval(gains) if n >= MIN_ROWS else (math.nan, math.nan)
    return PairedTest(float(gains.mean()), low, high, p_value)


def compare_means(first: SampleStats, second: SampleStats) -> PairedTest:
    """Welch's test of two means of separate samples, such as the returns of two policies.

    Source: Welch, 1947, Biometrika 34.
    """
    from scipy.special import stdtr, stdtrit

    difference = first.mean - second.mean
    variances = [s.std**2 / s.size for s in (first, second)]
    error = math.sqrt(sum(variances))
    if error == 0:
        return PairedTest(difference, difference, difference, float(difference == 0))
    degrees = error**4 / sum(v**2 / (s.size - 1) for v, s in zip(variances, (first, second), strict=True))
    p_value, half = 2 * stdtr(degrees, -abs(difference) / error), stdtrit(degrees, 0.975) * error
    return PairedTest(difference, difference - half, difference + half, float(p_value))


def compare_scores(
    score: Callable[[np.ndarray], float], rows: int, higher_is_better: bool = True, seed: int = 0
) -> PairedTest | None:
    """Approximate randomisation test of a metric that is no mean over rows, such as a mean IoU: the models' names are
    exchanged in random rows. The interval has the standard error of a paired bootstrap over the rows.

    Args:
        score: the metric of some predictions by index, of the first model in 0 to rows - 1, of the second in rows to
            2 * rows - 1. None is the result where it is undefined for all rows.
        rows: at least 1.

    Source: Noreen, 1989, Computer-intensive methods for testing hypotheses; Efron, 1979, for the bootstrap.
    """
    sign, random, every = 1 if higher_is_better else -1, np.random.default_rng(seed), np.arange(rows)

    def difference(index: np.ndarray) -> float:
        return sign * (score(index) - score((index + rows) % (2 * rows)))

    value = difference(every)
    if not math.isfinite(value):
        return None
    exchanged = [difference(every + rows * random.integers(0, 2, rows)) for _ in range(SCORE_PERMUTATIONS)]
    less = int((np.abs(exchanged) < abs(value) - 1e-9 * max(abs(value), 1e-3)).sum())
    p_value = (1 + SCORE_PERMUTATIONS - less) / (1 + SCORE_PERMUTATIONS)
    if rows < MIN_ROWS:
        return PairedTest(value, math.nan, math.nan, p_value)
    resampled = np.array([difference(random.integers(0, rows, rows)) for _ in range(SCORE_RESAMPLES)])
    resampled = resampled[np.isfinite(resampled)]  # undefined without one of the classes
    half = NormalDist().inv_cdf(0.975) * float(resampled.std(ddof=1)) if len(resampled) > 1 else math.nan
    return PairedTest(value, value - half, value + half, p_value)


def binomial_p_value(successes: int, trials: int, probability: float = 0.5) -> float:
    """Two-sided p-value of the exact binomial test: of all counts that are no more probable than this one.

    As `scipy.stats.binomtest`, which takes half a second to import.

    Args:
        trials: at least 1.
        probability: of a success, in [0, 1].
    """
    from scipy.special import gammaln, xlog1py, xlogy

    k = np.arange(trials + 1)
    ways = gammaln(trials + 1) - gammaln(k + 1) - gammaln(trials - k + 1)
    log_probs = ways + xlogy(k, probability) + xlog1py(trials - k, -probability)
    return min(1.0, float(np.exp(log_probs[log_probs <= log_probs[successes] + 1e-7]).sum()))
