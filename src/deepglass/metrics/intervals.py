"""Confidence intervals of metrics."""

import math
from collections.abc import Callable
from statistics import NormalDist
from typing import NamedTuple

import numpy as np


class Interval(NamedTuple):
    """A confidence interval."""

    low: float
    high: float


def interval(
    metric: Callable[..., float], *rows: np.ndarray, level: float = 0.95, repeats: int = 200, seed: int = 0
) -> Interval:
    """Percentile bootstrap interval of a metric.

    Args:
        metric: a function of the arrays, such as `r2`.
        rows: its arguments, all with the same rows first.
        level: confidence level, in (0, 1).
        repeats: number of bootstrap samples.

    Example:
        >>> interval(accuracy, np.array([0, 1, 1, 0]), np.array([0, 1, 0, 0]))
        Interval(low=0.25, high=1.0)

    Source: Efron, 1979.
    """
    n = len(rows[0])
    generator = np.random.default_rng(seed)
    values = np.array([metric(*(r[sample] for r in rows)) for sample in generator.integers(0, n, (repeats, n))])
    values = values[np.isfinite(values)]  # undefined for a sample without one of the classes
    if not len(values):
        return Interval(math.nan, math.nan)
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high))


def share_interval(successes: int, total: int, level: float = 0.95) -> Interval:
    """Wilson score interval of a share, such as an accuracy; valid near 0 and 1.

    Source: Wilson, 1927.
    """
    if total == 0:
        return Interval(0.0, 1.0)
    z = NormalDist().inv_cdf((1 + level) / 2)
    p = successes / total
    centre = (p + z * z / (2 * total)) / (1 + z * z / total)
    half = z / (1 + z * z / total) * math.sqrt(p * (1 - p) / total + z * z / (4 * total * total))
    return Interval(max(0.0, centre - half), min(1.0, centre + half))


def mean_interval(values: np.ndarray, level: float = 0.95) -> Interval:
    """Confidence interval of a mean by the t distribution.

    Args:
        values: at least 20; with fewer the approximation of the t quantile is off by more than 0.002.
    """
    return interval_of_mean(float(values.mean()), float(np.std(values, ddof=1)), len(values), level)


def interval_of_mean(mean: float, std: float, size: int, level: float = 0.95) -> Interval:
    """As `mean_interval`, of a sample whose mean and standard deviation are given.

    Source: Abramowitz & Stegun, 1964, 26.7.5, for the quantile.
    """
    degrees, z = size - 1, NormalDist().inv_cdf((1 + level) / 2)
    t = z + (z**3 + z) / (4 * degrees) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * degrees**2)
    margin = t * std / math.sqrt(size)
    return Interval(mean - margin, mean + margin)
