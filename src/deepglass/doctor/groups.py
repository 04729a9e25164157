"""Rows of one person, device, document or recording on both sides of a random split.

Each test row's nearest training row, by the inputs, is of the same group, or near it in the source, far more often than
by chance: the test then measures recognising the group.
"""

from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np
import polars as pl

from deepglass.doctor.base import DataContext, Finding
from deepglass.doctor.measures import Measure
from deepglass.formatting import plain_percent

MAX_TEST, MAX_TRAIN = 2_000, 10_000  # rows that are compared
MIN_TEST = 30
MAX_SEARCHED = 200  # columns that may name groups
MAX_COLUMNS = 60  # of the distance
MIN_GROUPS, MAX_GROUP_SHARE = 10, 0.1  # of a column of groups: how many, and the largest one's share of the rows
MIN_GROUP_SIZE = 2.0  # mean
MIN_SHARE, MIN_FACTOR = 0.4, 5.0  # of test rows whose nearest row is of the same group; times what chance gives
MAX_VALUES = 20  # of a category, the most frequent
BLOCK = 5  # positions in the source
MAX_TREE_COLUMNS, CHUNK = 15, 250  # of a tree, beyond which all pairs are compared; rows compared at a time
NEARER = 0.35  # distance to the nearest row of the block, as a share of that to the nearest row elsewhere


def group_leak(context: DataContext) -> Iterator[Finding]:
    """One finding: the column of groups that explains most, or blocks of neighbouring rows."""
    if context.split is None or context.split_source:
        return
    test, train = (np.flatnonzero(context.split == name) for name in ("test", "train"))
    random = np.random.default_rng(0)
    test, train = (np.sort(random.permutation(rows)[:most]) for rows, most in ((test, MAX_TEST), (train, MAX_TRAIN)))
    if len(test) < MIN_TEST or len(train) < 2 * MIN_TEST:
        return
    rows = np.concatenate([test, train])
    measures = list(islice((m for m in context.measures if m.what != "time" and not m.monotonic), MAX_COLUMNS))
    parts = _parts(context, measures, rows)
    neighbours: dict[str, np.ndarray | None] = {}  # by the input that the distance leaves out
    best: tuple[float, float, str] | None = None
    for column, codes in _group_columns(context):
        left_out = column if any(name == column for name, _ in parts) else ""
        if left_out not in neighbours:
            x = _joined(parts, left_out)
            neighbours[left_out] = None if x is None else train[_nearest(x[: len(test)], x[len(test) :])[0]]
        nearest = neighbours[left_out]
        if nearest is None:
            continue
        present = codes[test] >= 0
        if present.sum() < MIN_TEST:
            continue
        same = float((codes[nearest] == codes[test])[present].mean())
        sizes = np.bincount(codes[train][codes[train] >= 0], minlength=codes.max() + 1) / len(train)
        chance = float(sizes[codes[test][present]].mean())
        if same >= max(MIN_SHARE, MIN_FACTOR * chance) and (best is None or same > best[0]):
            best = (same, chance, column)
    if best is not None:
        same, chance, column = best
        text = (
            f"rows of one {column} lie in training and test: {plain_percent(same, 0)} of the test rows have a "
            f"training row of the same {column} as their nearest (by chance {plain_percent(chance)}), so the test "
            f"measures recognising it; if new rows are of other values of {column}, divide the rows by it"
        )
        fix = f"data.split.by=group:{column}"
        yield context.finding("group_leak", [], [column], min(0.5 + same / 2, 0.95), text, fix)
        return
    yield from _blocks(context, _joined(parts), test, train)


def _blocks(context: DataContext, x: np.ndarray | None, test: np.ndarray, train: np.ndarray) -> Iterator[Finding]:
    """Neighbouring rows of the source that are far nearer to each other than to any other row.

    Args:
        x: of the test rows, then the training rows, (n, F).
    """
    assert context.split is not None
    if x is None or len(train) < (context.split == "train").sum():  # neighbours are left out of a sample
        return
    positions = context.source_rows
    index, distance = _nearest(x[: len(test)], x[len(test) :], 12 * BLOCK)
    gap = np.abs(positions[train][index] - positions[test][:, None])
    inside, outside = gap <= BLOCK, gap > 10 * BLOCK
    own = np.where(inside, distance, np.inf).min(1)
    other = np.where(outside, distance, np.inf).min(1)
    other = np.where(np.isfinite(other), other, distance.max(1))
    share = float((own < NEARER * other).mean())  # not where both are 0, of rows that are equal throughout the source
    if share >= MIN_SHARE:
        text = (
            f"the rows stand in blocks: {plain_percent(share, 0)} of the test rows have a training row within "
            f"{BLOCK} lines of them that is far nearer than any other, as of one person, device or recording; the "
            "random split puts them on both sides, so the test measures recognising them"
        )
        yield context.finding("group_leak", [], [], min(0.4 + share / 2, 0.9), text, "data.split.by=order")


def _group_columns(context: DataContext) -> Iterator[tuple[str, np.ndarray]]:
    """Columns whose values repeat, and their codes (N,), -1 = missing; outputs left out."""
    outputs = {f.column for f in context.outputs}
    n = len(context.table)
    for name in context.table.names[:MAX_SEARCHED]:
        raw = context.table[name]
        if name in outputs or not isinstance(raw, pl.Series) or not (raw.dtype == pl.String or raw.dtype.is_integer()):
            continue
        distinct = raw.n_unique()
        if not MIN_GROUPS <= distinct <= n / MIN_GROUP_SIZE:
            continue
        codes = raw.cast(pl.String).rank("dense").cast(pl.Int64).fill_null(0).to_numpy() - 1
        if np.bincount(codes[codes >= 0]).max() <= MAX_GROUP_SHARE * n:
            yield name, codes


def _parts(context: DataContext, measures: Sequence[Measure], rows: np.ndarray) -> list[tuple[str, np.ndarray]]:
    """Column and its standardised values, (n, F) each: numbers by their ranks, codes as one column a value, media.

    Args:
        rows: (n,) indices.
    """
    parts = []
    for measure in measures:
        own = measure.values[rows]
        if measure.names is not None:
            values, counts = np.unique(own[np.isfinite(own)], return_counts=True)
            frequent = values[np.argsort(-counts, kind="stable")][:MAX_VALUES]
            parts.append((measure.column, (own[:, None] == frequent).astype(np.float32)))
        elif np.isfinite(own).any():
            filled = np.where(np.isfinite(own), own, np.nanmedian(own))
            ranks = pl.Series(filled).rank().to_numpy() / len(filled)
            parts.append((measure.column, ranks.astype(np.float32)[:, None] * 12**0.5))  # of unit variance
    for summary in context.media.values():
        full = np.zeros((len(context.table), summary.values.shape[1]), np.float32)
        full[summary.rows] = (summary.values - summary.values.mean(0)) / max(float(summary.values.std()), 1e-9)
        parts.append(("", full[rows]))  # of media no column is left out
    return parts


def _joined(parts: Sequence[tuple[str, np.ndarray]], left_out: str = "") -> np.ndarray | None:
    """All parts but those of a column side by side; None for fewer than two columns."""
    chosen = [values for column, values in parts if not left_out or column != left_out]
    return np.concatenate(chosen, 1) if sum(values.shape[1] for values in chosen) >= 2 else None


def _nearest(queries: np.ndarray, rows: np.ndarray, count: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Indices and distances of the nearest rows, (Q,) or with a `count` (Q, count)."""
    count = min(count, len(rows))
    if rows.shape[1] <= MAX_TREE_COLUMNS:
        from scipy.spatial import cKDTree  # not scikit-learn's, which takes a second to import

        distance, index = cKDTree(rows).query(queries, count)
        return np.asarray(index), np.asarray(distance)
    nearest = [_compared(chunk, rows, count) for chunk in np.array_split(queries, max(1, len(queries) // CHUNK))]
    index, distance = (np.concatenate(parts) for parts in zip(*nearest, strict=True))
    return (index[:, 0], distance[:, 0]) if count == 1 else (index, distance)


def _compared(queries: np.ndarray, rows: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """As `_nearest`, (Q, count), of all pairs."""
    a, b = queries.astype(np.float64), rows.astype(np.float64)
    squared = (a**2).sum(1)[:, None] + (b**2).sum(1) - 2 * a @ b.T  # (Q, N)
    index = np.argpartition(squared, count - 1, axis=1)[:, :count]
    distance = np.sqrt(np.take_along_axis(squared, index, 1).clip(0))
    order = np.argsort(distance, axis=1, kind="stable")
    return np.take_along_axis(index, order, 1), np.take_along_axis(distance, order, 1)
