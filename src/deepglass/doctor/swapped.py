"""Rows in which the values of two columns are exchanged, such as latitude and longitude."""

from collections.abc import Iterator
from itertools import combinations

import numpy as np

from deepglass.doctor.base import DataContext, Finding
from deepglass.doctor.media_summary import spread_evenly

MAX_COLUMNS = 40
MIN_ROWS, MIN_SWAPPED = 50, 2
MAX_SAMPLE = 50_000  # rows that a column's range is taken from
MAX_SHARE = 0.1  # of the rows
TAILS = 0.05  # of each column's values, beside its usual range, which the other's must not overlap
FAR = 2.5  # widths of a column's middle half, from its median
MIN_FACTOR = 8.0  # more rows than chance explains


def swapped(context: DataContext) -> Iterator[Finding]:
    """One finding per pair of columns whose usual ranges do not overlap."""
    numbers = [m for m in context.measures if m.names is None and not m.what][:MAX_COLUMNS]
    ranges = {m.column: _quantiles(m.values) for m in numbers}
    for a, b in combinations(numbers, 2):
        (low_a, *_, high_a), (low_b, *_, high_b) = ranges[a.column], ranges[b.column]
        if not (high_a < low_b or high_b < low_a):
            continue
        rows = exchanged_rows(a.values, b.values, ranges[a.column], ranges[b.column])
        if len(rows):
            count = "1 row has" if len(rows) == 1 else f"{len(rows):,} rows have"
            text = (
                f"{a.column} and {b.column}: {count} the value of each column in the range of the other "
                f"({a.format(low_a)} to {a.format(high_a)} and {b.format(low_b)} to {b.format(high_b)}): exchanged?"
            )
            yield context.finding("swapped", rows, [a.column, b.column], 0.85, text, "data.fix=[swapped]")


def exchanged_rows(a: np.ndarray, b: np.ndarray, of_a: np.ndarray, of_b: np.ndarray) -> np.ndarray:
    """Indices of rows where both values are like the other column's rather than their own.

    Args:
        of_a, of_b: quantiles of the columns, as `_quantiles` gives them.

    Shapes:
        a, b: (N,).
    """
    present = np.isfinite(a) & np.isfinite(b)
    count = present.sum()
    if count < MIN_ROWS:
        return np.zeros(0, np.int64)
    a_like_b, b_like_a = present & _nearer_to(a, of_a, of_b), present & _nearer_to(b, of_b, of_a)
    rows = np.flatnonzero(a_like_b & b_like_a)
    chance = a_like_b.sum() * b_like_a.sum() / count
    return rows if max(MIN_SWAPPED, MIN_FACTOR * chance) <= len(rows) <= MAX_SHARE * count else rows[:0]


def _quantiles(values: np.ndarray) -> np.ndarray:
    """Lower end, first quartile, median, third quartile and upper end of a column, from at most `MAX_SAMPLE` rows."""
    present = values[np.isfinite(values)]
    if not len(present):
        return np.full(5, np.nan)
    return np.quantile(present[spread_evenly(len(present), MAX_SAMPLE)], [TAILS, 0.25, 0.5, 0.75, 1 - TAILS])


def _nearer_to(values: np.ndarray, own: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Which values lie far from their own column's median and nearer to the other's, in units of each middle half."""
    distances = [np.abs(values - q[2]) / max(q[3] - q[1], 1e-300) for q in (own, other)]
    return (distances[0] > FAR) & (distances[1] < distances[0])
