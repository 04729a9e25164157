"""Weak slices: groups of rows where the predictions are significantly worse; see `doctor.slices`."""

from collections.abc import Mapping

import numpy as np

from deepglass.doctor.base import DataContext, Finding
from deepglass.doctor.row_scores import RowScores
from deepglass.doctor.slices import MIN_ROWS, SliceResult, WeakSlice, find_slices
from deepglass.formatting import plain_number, plain_percent
from deepglass.metrics.table import metric_title
from deepglass.run.predictor import Predictor

ADVICE = "add more such rows, corrected labels or a column that distinguishes them"
MAX_CONFIDENCE = 0.9999


def weak_slice(context: DataContext, results: Mapping[str, SliceResult]) -> list[Finding]:
    """One finding of all weak slices, the most significant of each output first; empty without any.

    Args:
        results: output name -> slices of the context's rows.
    """
    weak = [w for result in results.values() for w in result.weak]
    if not weak:
        return []
    rows = np.flatnonzero(np.any([w.slice.inside for w in weak], 0))
    columns = list(dict.fromkeys(c for w in weak for c in w.slice.columns))
    confidence = min(MAX_CONFIDENCE, 1 - max(w.chance for w in weak))
    text = "; ".join(_text(output, result) for output, result in results.items() if result.weak)
    return [context.finding("weak_slice", rows, columns, confidence, f"{text}; {ADVICE}")]


def weak_slices_of_run(context: DataContext, predictor: Predictor) -> list[Finding]:
    """The weak slices of a run's predictions for rows that it was not trained on."""
    outputs = [f for f in predictor.outputs if f.column in context.table.columns]
    if not outputs or len(context.table) < 3 * MIN_ROWS:
        return []
    best = predictor.predict_arrays(context.table)
    inputs = predictor.reader.encode(context.table) if any(f.dense for f in outputs) else {}
    results: dict[str, SliceResult] = {}
    for output in (f for f in outputs if f.name in best):
        truth = output.to_input_frame(output.encode(context.table[output.column]), inputs)
        calibration = predictor.calibration.get(output.name, {})
        result = find_slices(context, output, best[output.name], truth, calibration)
        results |= {output.name: result} if result else {}
    return weak_slice(context, results)


def _text(output: str, result: SliceResult) -> str:
    """The weak slices of one output, each compared with the rows of none before."""
    texts = [f"where {w.slice.description} {_comparison(output, result.scores, w)}" for w in result.weak]
    return "; of the other rows ".join([texts[0], "; ".join(texts[1:])]) if len(texts) > 1 else texts[0]


def _comparison(output: str, scores: RowScores, weak: WeakSlice) -> str:
    """The metric of a slice and of the rest: `(112 rows) 31.0 % of the predictions of y are wrong, else 9.2 %`."""
    inside, outside = weak.among & weak.slice.inside, weak.among & ~weak.slice.inside
    own, others = (float(scores.values[rows].mean()) for rows in (inside, outside))
    count = f"({int(inside.sum()):,} rows)"
    if scores.metric == "accuracy":
        wrong, wrong_else = plain_percent(1 - own), plain_percent(1 - others)
        return f"{count} {wrong} of the predictions of {output} are wrong, else {wrong_else}"
    if scores.metric == "mae":
        return f"{count} the mean absolute error of {output} is {plain_number(own)}, else {plain_number(others)}"
    return f"{count} {metric_title(scores.metric)} of {output} is {plain_number(own)}, else {plain_number(others)}"
