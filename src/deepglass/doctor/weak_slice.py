"""Slices of the rows where a run errs more than elsewhere, beyond chance; see `understand.slices`."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from deepglass.doctor.base import Finding
from deepglass.doctor.base import DataContext
from deepglass.doctor.row_scores import RowScores
from deepglass.doctor.slices import FEWEST
from deepglass.doctor.slices import SliceResult, WeakSlice, find_slices
from deepglass.formatting import plain_number
from deepglass.metrics.table import metric_title
from deepglass.run.predictor import Predictor

HELP = "more such rows, mended labels or a column that tells them apart would help"
SUREST = 0.9999


def weak_slice(case: DataContext, cuts: Mapping[str, SliceResult]) -> list[Finding]:
    """One finding of all weak slices, the most evident of each output first; none where there are none.

    Args:
        case: the rows that were cut up.
        cuts: by the output's name.
    """
    weak = [w for cut in cuts.values() for w in cut.weak]
    if not weak:
        return []
    rows = np.flatnonzero(np.any([w.slice.inside for w in weak], 0))
    columns = list(dict.fromkeys(c for w in weak for c in w.slice.columns))
    sure = min(SUREST, 1 - max(w.chance for w in weak))
    said = "; ".join(f"{output}: {_said(cut)}" for output, cut in cuts.items() if cut.weak)
    return [case.finding("weak_slice", rows, columns, sure, f"{said}; {HELP}")]


def weak_slices_of(case: DataContext, predictor: Predictor) -> list[Finding]:
    """The weak slices of a run's answers to rows that it has not learned from."""
    there = [f for f in predictor.outputs if f.column in case.table.columns]
    if not there or len(case.table) < 3 * FEWEST:
        return []
    best = predictor.best(case.table)
    inputs = predictor.encode(case.table) if any(type(f).dense for f in there) else {}
    cuts: dict[str, SliceResult] = {}
    for feature in (f for f in there if f.name in best):
        truth = feature.to_input_frame(feature.encode(case.table[feature.column]), inputs)
        cut = find_slices(case, feature, best[feature.name], truth, predictor.calibration.get(feature.name, {}))
        cuts |= {feature.name: cut} if cut else {}
    return weak_slice(case, cuts)


def _said(cut: SliceResult) -> str:
    """The weak slices of one output in words, each beside the rows that are in none named before."""
    said = [f"where {w.slice.words} {_figures(cut.judged, w)}" for w in cut.weak]
    return "; of the other rows ".join([said[0], "; ".join(said[1:])]) if len(said) > 1 else said[0]


def _figures(judged: RowScores, weak: WeakSlice) -> str:
    """The figure of a slice beside that of the rest: `(112 rows) 31.0% of the answers are wrong, else 9.2%`."""
    inside, outside = weak.among & weak.slice.inside, weak.among & ~weak.slice.inside
    own, others = (float(judged.values[rows].mean()) for rows in (inside, outside))
    count = f"({int(inside.sum()):,} rows)"
    if judged.metric == "accuracy":
        return f"{count} {1 - own:.1%} of the answers are wrong, else {1 - others:.1%}"
    if judged.metric == "mae":
        return f"{count} the answers are off by {plain_number(own)}, else by {plain_number(others)}"
    return f"{count} {metric_title(judged.metric)} is {plain_number(own)}, else {plain_number(others)}"
