"""Per-row scores: one metric of each prediction, for every output that a single row can be scored on."""

from typing import Any, NamedTuple

import numpy as np

from deepglass.features.base import Column
from deepglass.features.outputs.base import Calibration, Output, PredictionArrays
from deepglass.metrics.table import higher_is_better

MAX_SCORED = 2_000  # rows that are scored one by one
ROW_METRICS = ("f1_micro", "mae", "miou", "map50", "mse")  # metrics that one row alone has, by preference


class RowScores(NamedTuple):
    """One score per row.

    Args:
        metric: its name.
        values: (N,) float64; NaN where there is no label or the row was not scored.
    """

    metric: str
    values: np.ndarray

    @property
    def errors(self) -> np.ndarray:
        """The same as errors, (N,): 0 is right."""
        return 1 - self.values if higher_is_better(self.metric) else self.values


def row_scores(output: Output, best: PredictionArrays, truth: Column, calibration: Calibration) -> RowScores | None:
    """The scores of some rows; None for outputs without a metric of a single row, such as an identity."""
    if output.has_classes and "log_probs" in best:
        right = output.predicted_classes(best, calibration) == truth.values.reshape(-1).astype(np.int64) - 1
        return RowScores("accuracy", np.where(truth.mask, right, np.nan))
    if output.ordered and "value" in best and best["value"].size == len(truth):
        error = np.abs(best["value"].reshape(-1).astype(np.float64) - truth.values.reshape(-1))
        return RowScores("mae", np.where(truth.mask, error, np.nan))
    rows = np.flatnonzero(truth.mask)
    rows = rows[np.unique(np.linspace(0, len(rows) - 1, min(MAX_SCORED, len(rows))).astype(np.int64))]
    if (scores := output.row_scores(best, truth, rows)) is not None:
        return RowScores(*scores)
    return _one_by_one(output, best, truth, calibration, rows)


def _one_by_one(
    output: Output, best: PredictionArrays, truth: Column, calibration: Calibration, rows: np.ndarray
) -> RowScores | None:
    """The first of `ROW_METRICS` that the output's `score` gives for a single row."""
    best, truth = output.for_scoring(best, truth)
    values = np.full(len(truth), np.nan)
    metric = ""
    for i in rows:
        row: dict[str, Any] = {name: array[i : i + 1] for name, array in best.items()}
        scores = output.score(row, truth.take(np.array([i])), calibration)
        metric = metric or next((m for m in ROW_METRICS if m in scores), "")
        if not metric:
            return None
        values[i] = scores.get(metric, np.nan)
    return RowScores(metric, values)
