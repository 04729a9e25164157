"""The Kolmogorov-Smirnov distance of two samples of a column, and the bounds of distances by chance.

Source: Massey, 1951, JASA 46 (the bound for numbers); Weissman et al., 2003, HPL-2003-97 (for shares of classes).
"""

import numpy as np


def kolmogorov_smirnov(a: np.ndarray, b: np.ndarray) -> float:
    """The Kolmogorov-Smirnov distance of two samples of numbers, from 0 to 1."""
    points = np.concatenate([a, b])
    below = [np.searchsorted(np.sort(x), points, side="right") / len(x) for x in (a, b)]
    return float(np.abs(below[0] - below[1]).max())


def kolmogorov_smirnov_bound(n: int, m: int, significance: float) -> float:
    """The distance that two samples of one distribution exceed with at most the probability `significance`.

    Args:
        n, m: sizes of the samples.
    """
    return float(np.sqrt(-np.log(significance / 2) / 2 * (1 / max(n, 1) + 1 / max(m, 1))))


def total_variation_bound(classes: int, n: int, m: int, significance: float) -> float:
    """As `kolmogorov_smirnov_bound`, for the total variation distance of the shares of classes."""
    return float(sum(np.sqrt((classes * np.log(2) - np.log(significance)) / (2 * size)) for size in (n, m)))
