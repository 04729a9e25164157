"""Drift: columns whose distribution differs between test and training rows, where the split is not random.

Numbers: the Kolmogorov-Smirnov distance. Categories: the total variation distance. Both run from 0 to 1 and must be
large and significant (`doctor.distances`). All columns together, outputs included: a classifier two-sample test.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from deepglass.doctor.base import DataContext, Finding, join_limited
from deepglass.doctor.distances import kolmogorov_smirnov, kolmogorov_smirnov_bound, total_variation_bound
from deepglass.doctor.measures import Measure
from deepglass.doctor.two_sample_test import two_sample_test
from deepglass.features.base import take_raw
from deepglass.formatting import plain_percent

MIN_DISTANCE = 0.15
SIGNIFICANCE = 1e-3  # for all columns together
MIN_ROWS = 50  # of a split
MAX_VALUES = 200  # of a category; the rarest others are merged
MIN_AUC = 0.6  # of the two-sample test; 0.5 is chance
MIN_DROP = 0.02  # of the AUC, from which a column is named


def drift(context: DataContext) -> Iterator[Finding]:
    """One finding per column, and one for all together."""
    if context.split is None or not context.split_source:
        return
    train, test = (np.flatnonzero(context.split == split) for split in ("train", "test"))
    if min(len(train), len(test)) < MIN_ROWS:
        return
    split_column = context.split_source.partition(":")[2]
    targets = (Measure(t.column, "", t.values, t.classes) for t in context.targets if not context.hidden_labels)
    measures = [m for m in (*context.measures, *targets) if m.column != split_column]
    measures = [m for m in measures if m.what != "time" and not m.monotonic]  # there later rows must differ
    for measure in measures:
        a, b = (measure.values[rows][np.isfinite(measure.values[rows])] for rows in (train, test))
        if min(len(a), len(b)) < MIN_ROWS:
            continue
        significance = SIGNIFICANCE / len(measures)
        if measure.names is None:
            distance, bound = kolmogorov_smirnov(a, b), kolmogorov_smirnov_bound(len(a), len(b), significance)
        else:
            distance, bound = _total_variation(a, b, significance)
        if distance >= max(MIN_DISTANCE, bound):
            text = f"{measure.title}: {_difference(measure, a, b)} (distance {distance:.2f} of 1)"
            confidence = min(distance / MIN_DISTANCE / 2, 1.0)
            yield context.finding("drift", [], [measure.column], confidence, text)
    if len(measures) > 1:
        yield from _all_columns(context, measures, train, test)


def _all_columns(
    context: DataContext, measures: Sequence[Measure], train: np.ndarray, test: np.ndarray
) -> Iterator[Finding]:
    """The two-sample test on all columns."""
    rows = np.concatenate([train, test])
    second = np.repeat([False, True], [len(train), len(test)])
    x = np.stack([m.values[rows] for m in measures], 1)
    unordered = np.array([m.names is not None for m in measures])
    held_out = _held_out(context, train, test)
    if min(np.bincount(2 * second + held_out, minlength=4)) < MIN_ROWS // 2:
        return
    auc, bound, drops = two_sample_test(x, unordered, second, held_out, SIGNIFICANCE)
    if auc < max(MIN_AUC, bound):  # chance, or too weak
        return
    important = [measures[k] for k in np.argsort(-drops, kind="stable") if drops[k] >= MIN_DROP]
    titles = join_limited(list(dict.fromkeys(m.title for m in important)), 3)
    text = (
        f"a classifier separates test rows from training rows that it was not fitted on (AUC {auc:.2f}; 0.50 is "
        f"guessing, chance stays below {bound:.2f})" + (f", most by {titles}" if important else "")
    )
    columns = list(dict.fromkeys(m.column for m in important))
    yield context.finding("drift", [], columns, min((auc - 0.5) / (MIN_AUC - 0.5) / 2, 1.0), text)


def _held_out(context: DataContext, *splits: np.ndarray) -> np.ndarray:
    """Which rows of the concatenated splits are held out: half of each, with groups and periods on one side."""
    by, _, column = context.split_source.partition(":")
    random = np.random.default_rng(0)
    if by == "group":
        halves = []
        for rows in splits:
            names, index = np.unique([str(v) for v in take_raw(context.table[column], rows)], return_inverse=True)
            halves.append((random.permutation(len(names)) % 2 == 1)[index])
        return np.concatenate(halves)
    if by == "predefined":
        return np.concatenate([random.permutation(len(rows)) % 2 == 1 for rows in splits])
    order = context.source_rows.astype(np.float64)
    time = next((m.values for m in context.measures if m.column == column), order)
    return np.concatenate([time[rows].argsort(kind="stable").argsort() >= len(rows) / 2 for rows in splits])


def _total_variation(a: np.ndarray, b: np.ndarray, significance: float) -> tuple[float, float]:
    """Distance of two samples of codes, and its bound by chance."""
    values, codes = np.unique(np.concatenate([a, b]), return_inverse=True)
    counts = [np.bincount(part, minlength=len(values)) for part in (codes[: len(a)], codes[len(a) :])]
    order = np.argsort(-(counts[0] + counts[1]), kind="stable")
    rare = order[MAX_VALUES:]
    shares = [np.append(c[order[:MAX_VALUES]], c[rare].sum()) / c.sum() for c in counts]
    bound = total_variation_bound(len(shares[0]), len(a), len(b), significance)
    return float(np.abs(shares[0] - shares[1]).sum() / 2), bound


def _difference(measure: Measure, a: np.ndarray, b: np.ndarray) -> str:
    """The medians of a number, or the class with the largest difference."""
    if measure.names is None:
        return f"median {np.median(a):.4g} in training, {np.median(b):.4g} in the test"
    share = [np.bincount(x.astype(int), minlength=len(measure.names)) / len(x) for x in (a, b)]
    k = int(np.abs(share[0] - share[1]).argmax())
    return f"{measure.names[k]!r} is {plain_percent(share[0][k])} of training, {plain_percent(share[1][k])} of the test"
