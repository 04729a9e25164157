"""Rows that drift along a time, or along the file, while the split is random.

The test rows then lie among the training rows in time, and the test does not measure how later rows are predicted.

A column drifts where its values in the last third of the rows differ from those in the first third (Kolmogorov-Smirnov
distance, large, and beyond chance with Bonferroni's correction for all columns and orders), and where they move
steadily from tenth to tenth, which blocks of other groups do not.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from deepglass.doctor.base import DataContext, Finding, join_limited
from deepglass.doctor.distances import kolmogorov_smirnov, kolmogorov_smirnov_bound
from deepglass.doctor.measures import Measure

MIN_ROWS = 200
MIN_DISTANCE = 0.25  # Kolmogorov-Smirnov, of 1
SIGNIFICANCE = 1e-4  # for all columns and orders together
NUM_BLOCKS, MIN_TREND = 10, 0.9  # Spearman's correlation of the blocks' mean ranks with their order; by chance 4e-4
MAX_SORTED = 3  # changes of the label a class, up to which the file is sorted by it


def order_drift(context: DataContext) -> Iterator[Finding]:
    """One finding: the order along which most columns drift, a time before the file itself."""
    if context.split is None or context.split_source or len(context.table) < MIN_ROWS:
        return
    targets = [Measure(t.column, "", t.values, t.classes) for t in context.targets if not context.hidden_labels]
    times = [m for m in context.measures if m.what == "time"]
    columns = [m for m in (*context.measures, *targets) if m.names is None and m.what != "time" and not m.monotonic]
    shares = [m._replace(names=None) for m in targets if m.names is not None and len(m.names) == 2]
    orders = [(m.column, m.values) for m in times if not any(_is_sorted(t, m.values) for t in targets)]
    if not any(_is_sorted(t, context.source_rows.astype(np.float64)) for t in targets):
        orders.append(("", context.source_rows.astype(np.float64)))
    significance = SIGNIFICANCE / max((len(columns) + len(shares)) * len(orders), 1)
    for name, values in orders:
        compared = [*columns, *(shares if name else ())]  # files often begin with one of the classes
        drifting = [(d, m) for m in compared if m.column != name and (d := _drift(m.values, values, significance))]
        if drifting:
            yield _finding(context, name, drifting)
            return


class _Drift(NamedTuple):
    """Distance, its bound by chance, and the means of the first and the last third."""

    distance: float
    bound: float
    first: float
    last: float


def _drift(values: np.ndarray, order: np.ndarray, significance: float) -> _Drift | None:
    """How values (N,) drift along an order (N,); None where they do not."""
    present = np.flatnonzero(np.isfinite(values) & np.isfinite(order))
    if len(present) < MIN_ROWS:
        return None
    ordered = values[present[np.argsort(order[present], kind="stable")]]
    first, last = ordered[: len(ordered) // 3], ordered[-(len(ordered) // 3) :]
    distance = kolmogorov_smirnov(first, last)
    bound = kolmogorov_smirnov_bound(len(first), len(last), significance)
    if distance < max(MIN_DISTANCE, bound):
        return None
    ranks = ordered.argsort(kind="stable").argsort()
    means = np.array([block.mean() for block in np.array_split(ranks, NUM_BLOCKS)])
    trend = np.corrcoef(means.argsort().argsort(), np.arange(NUM_BLOCKS))[0, 1]
    if abs(trend) < MIN_TREND:
        return None
    return _Drift(distance, bound, float(first.mean()), float(last.mean()))


def _is_sorted(target: Measure, order: np.ndarray) -> bool:
    """Whether the rows in this order are sorted by a label: all columns that depend on it then follow the order."""
    present = np.flatnonzero(np.isfinite(target.values) & np.isfinite(order))
    values = target.values[present[np.argsort(order[present], kind="stable")]]
    if target.names is None:
        steps = np.diff(values)
        return bool((steps >= 0).all() or (steps <= 0).all())
    return int((np.diff(values) != 0).sum()) <= MAX_SORTED * len(target.names)


def _finding(context: DataContext, name: str, drifting: list[tuple[_Drift, Measure]]) -> Finding:
    drifting.sort(key=lambda pair: -pair[0].distance)
    (distance, bound, first, last), measure = drifting[0]
    more = join_limited([m.title for _, m in drifting[1:]], 3)
    along = f"sorted by {name}" if name else "along the file"
    text = (
        f"the rows drift in time: {along}, {measure.title} moves from a mean of {first:.4g} in the first third of the "
        f"rows to {last:.4g} in the last (distance {distance:.2f} of 1; chance stays below {bound:.2f})"
        f"{f', also {more}' if more else ''}; the random split mixes early and late rows, so the test does not measure "
        f"later ones; if new rows are later ones, divide the rows by {name or 'their order'}"
    )
    fix = f"data.split.by=time:{name}" if name else "data.split.by=order"
    columns = list(dict.fromkeys([*([name] if name else []), *(m.column for _, m in drifting)]))
    return context.finding("order_drift", [], columns, min(0.5 + distance / 2, 0.95), text, fix)
