"""How right each answer is: one figure a row, for every kind whose score can be taken of a single row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from deepglass.features.base import Best, Calibration, Column, Feature
from deepglass.understand.report.numerals import higher_is_better

LOOKED_AT = 2_000  # rows that are scored one by one, at most
OF_ONE_ROW: Mapping[str, str] = {
    "set": "f1_micro",
    "vector": "mae",
    "sequence": "mae",
    "text": "word_error_rate",
    "tags": "accuracy",
    "mask": "miou",
    "boxes": "map50",
    "image": "mse",
}
"""A kind -> the figure by which one answer of it is judged; that of classes is `accuracy`, of a number `mae`."""


class Judged(NamedTuple):
    """One figure a row.

    Args:
        metric: its name.
        values: (N,) float64; NaN where the truth is not known or nobody looked.
    """

    metric: str
    values: np.ndarray

    @property
    def errors(self) -> np.ndarray:
        """The same as errors, (N,): 0 is right."""
        return 1 - self.values if higher_is_better(self.metric) else self.values


def judged(feature: Feature, best: Best, truth: Column, calibration: Calibration) -> Judged | None:
    """How right the answers to some rows are; None for kinds that no single row tells, such as who it is."""
    if feature.kind in ("category", "binary") and "log_probs" in best:
        right = said(feature, best, calibration) == truth.values.reshape(-1).astype(np.int64) - 1
        return Judged("accuracy", np.where(truth.mask, right, np.nan))
    if feature.kind == "number" and "value" in best:
        off = np.abs(best["value"].reshape(-1).astype(np.float64) - truth.values.reshape(-1))
        return Judged("mae", np.where(truth.mask, off, np.nan))
    if feature.kind in OF_ONE_ROW:
        return _one_by_one(feature, best, truth, calibration, OF_ONE_ROW[feature.kind])
    return None


def said(feature: Feature, best: Best, calibration: Calibration) -> np.ndarray:
    """The place of the class that each row is answered with, (N,) int, by the run's own threshold where it has one."""
    if feature.kind != "binary":
        return best["log_probs"].argmax(1)
    threshold = calibration.get("threshold", 0.5)
    return np.array([d["probability"] >= threshold for d in feature.decode(best, calibration)], np.int64)


def _one_by_one(feature: Feature, best: Best, truth: Column, calibration: Calibration, metric: str) -> Judged:
    best, truth = feature.condensed(best, truth)
    values = np.full(len(truth), np.nan)
    known = np.flatnonzero(truth.mask)
    for i in known[np.unique(np.linspace(0, len(known) - 1, min(LOOKED_AT, len(known))).astype(int))]:
        row: dict[str, Any] = {name: array[i : i + 1] for name, array in best.items()}
        values[i] = feature.score(row, truth.take(np.array([i])), calibration).get(metric, np.nan)
    return Judged(metric, values)
