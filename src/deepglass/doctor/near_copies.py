"""Rows of a table that are equal in all but small noise."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from deepglass.doctor.base import DataContext, Finding
from deepglass.doctor.near_duplicates import connected_groups

MIN_COLUMNS = 3  # of measured numbers
MAX_SEARCHED, MAX_COLUMNS = 200, 30  # columns of numbers that are looked at, and of which rows must be near
MIN_DISTINCT = 0.5  # share of distinct values of a measured number
MAX_ROWS = 20_000
RADIUS = 0.01  # in standard deviations of each column
WIDER = 8.0  # times the radius, in which pairs by chance are counted
MIN_PAIRS = 3
MIN_FACTOR = 20.0  # more pairs than chance explains
MAX_GROUPS = 3  # that are named
SEARCH_WIDTHS = (3, 6, 12)  # columns that rows are searched by, more where too many are near in fewer


def near_copy(context: DataContext) -> Iterator[Finding]:
    """One finding for the rows whose numbers all are nearly those of another row, and whose other values are equal."""
    pairs = near_rows(context)
    if len(pairs) < MIN_PAIRS:
        return
    groups = connected_groups(pairs, len(context.table))
    copies = sum(len(g) - 1 for g in groups)
    rows = context.source_rows
    examples = ", ".join(" and ".join(str(rows[i]) for i in g[:3]) for g in groups[:MAX_GROUPS])
    across = 0
    if context.split is not None:
        across = sum(len({s for s in context.split[g] if s}) > 1 for g in groups)
    leaking = f"; {across:,} of these groups lie on both sides of the split" if across else ""
    text = f"{copies:,} rows are another row with small noise: rows {examples}{leaking}"
    yield context.finding("near_copy", np.concatenate(groups), [], 0.85, text, "data.fix=[near_copy]")


def near_rows(context: DataContext) -> np.ndarray:
    """Pairs of such rows, (P, 2); none where chance explains as many."""
    n, nothing = len(context.table), np.zeros((0, 2), np.int64)
    if n > MAX_ROWS or context.media:
        return nothing
    numbers = [m for m in context.measures if m.names is None and not m.what and not m.monotonic]
    distinct = [len(np.unique(m.values)) >= MIN_DISTINCT * n for m in numbers[:MAX_SEARCHED]]
    measured = [m.values for m, varies in zip(numbers, distinct, strict=False) if varies][:MAX_COLUMNS]
    if len(measured) < MIN_COLUMNS:
        return nothing
    x = np.stack(measured, 1)
    rows = np.flatnonzero(np.isfinite(x).all(1))
    spread = x[rows].std(0)
    if len(rows) < 2 or not (spread > 0).all():
        return nothing
    codes = [m.values for m in context.measures if m.names is not None]
    exact = {m.column for m, varies in zip(numbers, distinct, strict=False) if not varies}
    others = [m.values for m in numbers if m.column in exact]
    wider = _pairs_within((x[rows] - x[rows].mean(0)) / spread, WIDER * RADIUS, 100 * n)
    if wider is None:
        return nothing  # a lattice, in which all rows have neighbours
    near = wider.distances <= RADIUS
    pairs, by_chance = rows[wider.pairs[near]], np.count_nonzero(~near)
    expected = by_chance * float(WIDER) ** -len(measured)  # 0 for a thousand columns
    for values in (*codes, *others):
        a, b = values[pairs[:, 0]], values[pairs[:, 1]]
        pairs = pairs[(a == b) | (np.isnan(a) & np.isnan(b))]
    equal = (x[pairs[:, 0]] == x[pairs[:, 1]]).all(1)  # which the check of duplicates tells
    pairs = pairs[~equal]
    return pairs if len(pairs) >= max(MIN_PAIRS, MIN_FACTOR * expected) else nothing


class _Pairs(NamedTuple):
    """Pairs of rows (P, 2), and their largest distance in a column (P,)."""

    pairs: np.ndarray
    distances: np.ndarray


def _pairs_within(x: np.ndarray, radius: float, max_pairs: int) -> _Pairs | None:
    """All pairs of rows that are at most `radius` apart in every column; None where there are more than `max_pairs`.

    A tree of thousands of rows in ten columns or more can leave out no part of them. So the rows that are near in the
    first few columns are searched, and compared in the others.

    Shapes:
        x: (N, F) float.
    """
    from scipy.spatial import cKDTree

    for width in (*(w for w in SEARCH_WIDTHS if w < x.shape[1]), x.shape[1]):
        tree = cKDTree(x[:, :width])
        if tree.count_neighbors(tree, radius, p=np.inf) <= len(x) + 2 * max_pairs:  # each with itself, and twice
            pairs = tree.query_pairs(radius, p=np.inf, output_type="ndarray").reshape(-1, 2)
            distances = np.abs(x[pairs[:, 0]] - x[pairs[:, 1]]).max(1, initial=0)
            return _Pairs(pairs[distances <= radius], distances[distances <= radius])
    return None
