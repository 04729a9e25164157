"""Rows in which the values of two columns are exchanged, such as latitude and longitude."""

from collections.abc import Iterator
from itertools import combinations

import numpy as np

from deepglass.doctor.base import DataContext, Finding
from deepglass.doctor.measures import Measure

MAX_COLUMNS = 40
MIN_ROWS, MIN_SWAPPED = 50, 2
MAX_SHARE = 0.1  # of the rows
TAILS = 0.05  # of each column's values, beside its usual range, which the other's must not overlap
FAR = 2.5  # widths of a column's middle half, from its median
MIN_FACTOR = 8.0  # more rows than chance explains


def swapped(context: DataContext) -> Iterator[Finding]:
    """One finding per pair of columns whose usual ranges do not overlap."""
    numbers = [m for m in context.measures if m.names is None and not m.what][:MAX_COLUMNS]
    for a, b in combinations(numbers, 2):
        rows = exchanged_rows(a.values, b.values)
        if len(rows):
            count = "1 row has" if len(rows) == 1 else f"{len(rows):,} rows have"
            text = (
                f"{a.column} and {b.column}: {count} the value of each column in the range of the other "
                f"({_range(a)} and {_range(b)}): exchanged?"
            )
            yield context.finding("swapped", rows, [a.column, b.column], 0.85, text, "data.fix=[swapped]")


def exchanged_rows(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Indices of rows where both values are like the other column's rather than their own; (N,) each."""
    present = np.isfinite(a) & np.isfinite(b)
    if present.sum() < MIN_ROWS:
        return np.zeros(0, np.int64)
    (low_a, high_a), (low_b, high_b) = (np.quantile(v[present], [TAILS, 1 - TAILS]) for v in (a, b))
    if not (high_a < low_b or high_b < low_a):
        return np.zeros(0, np.int64)
    a_like_b, b_like_a = (
        present & _nearer_to(v, own[present], other[present]) for v, own, other in ((a, a, b), (b, b, a))
    )
    rows, count = np.flatnonzero(a_like_b & b_like_a), present.sum()
    chance = a_like_b.sum() * b_like_a.sum() / count
    return rows if max(MIN_SWAPPED, MIN_FACTOR * chance) <= len(rows) <= MAX_SHARE * count else rows[:0]


def _nearer_to(values: np.ndarray, own: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Which values lie far from their own column's median and nearer to the other's, in units of each middle half."""
    distances = []
    for sample in (own, other):
        low, middle, high = np.quantile(sample, [0.25, 0.5, 0.75])
        distances.append(np.abs(values - middle) / max(high - low, 1e-300))
    return (distances[0] > FAR) & (distances[1] < distances[0])


def _range(measure: Measure) -> str:
    low, high = np.nanquantile(measure.values, [TAILS, 1 - TAILS])
    return f"{measure.format(low)} to {measure.format(high)}"
