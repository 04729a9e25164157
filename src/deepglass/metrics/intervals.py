"""How sure a figure is."""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import NormalDist
from typing import NamedTuple

import numpy as np


class Interval(NamedTuple):
    """Where a figure lies, at some level of confidence."""

    low: float
    high: float


def interval(
    metric: Callable[..., float], *rows: np.ndarray, level: float = 0.95, repeats: int = 200, seed: int = 0
) -> Interval:
    """The bootstrap's percentile interval of a metric: its spread when the rows are drawn again, with replacement.

    Args:
        metric: a function of the arrays, such as `r2`.
        rows: its arguments, all with the same rows first.
        repeats: how often the rows are drawn.

    Example:
        >>> interval(accuracy, np.array([0, 1, 1, 0]), np.array([0, 1, 0, 0]))
        Interval(low=0.25, high=1.0)

    Source: Efron, 1979.
    """
    n = len(rows[0])
    generator = np.random.default_rng(seed)
    figures = np.array([metric(*(r[pick] for r in rows)) for pick in generator.integers(0, n, (repeats, n))])
    figures = figures[np.isfinite(figures)]  # a draw without one of the classes says nothing
    if not len(figures):
        return Interval(math.nan, math.nan)
    low, high = np.quantile(figures, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high))


def share_interval(successes: int, total: int, level: float = 0.95) -> Interval:
    """Wilson's interval of a share, such as an accuracy: right near 0 and 1 as well.

    Source: Wilson, 1927.
    """
    if total == 0:
        return Interval(0.0, 1.0)
    z = NormalDist().inv_cdf((1 + level) / 2)
    p = successes / total
    centre = (p + z * z / (2 * total)) / (1 + z * z / total)
    half = z / (1 + z * z / total) * math.sqrt(p * (1 - p) / total + z * z / (4 * total * total))
    return Interval(max(0.0, centre - half), min(1.0, centre + half))
