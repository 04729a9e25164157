"""How right each answer is: one figure a row, for every kind whose score can be taken of a single row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from deepglass.features.base import Column
from deepglass.features.outputs.base import Calibration, Output, PredictionArrays
from deepglass.features.outputs.tags import TagsOutput
from deepglass.features.outputs.text import TextOutput
from deepglass.metrics import error_rate
from deepglass.metrics.table import higher_is_better

LOOKED_AT = 2_000  # rows that are scored one by one, at most
OF_ONE_ROW: Mapping[str, str] = {
    "multilabel": "f1_micro",
    "vector": "mae",
    "sequence": "mae",
    "mask": "miou",
    "boxes": "map50",
    "image": "mse",
}
"""A kind -> the figure by which one answer of it is judged, for those that have no shorter way to it."""


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


def judged(feature: Output, best: PredictionArrays, truth: Column, calibration: Calibration) -> Judged | None:
    """How right the answers to some rows are; None for kinds that no single row tells, such as who it is."""
    if feature.has_classes and "log_probs" in best:
        right = said(feature, best, calibration) == truth.values.reshape(-1).astype(np.int64) - 1
        return Judged("accuracy", np.where(truth.mask, right, np.nan))
    if feature.kind == "number" and "value" in best:
        off = np.abs(best["value"].reshape(-1).astype(np.float64) - truth.values.reshape(-1))
        return Judged("mae", np.where(truth.mask, off, np.nan))
    if isinstance(feature, TagsOutput):
        return _of_tags(feature, best, truth)
    if isinstance(feature, TextOutput):
        return _of_texts(feature, best, truth)
    if feature.kind in OF_ONE_ROW:
        return _one_by_one(feature, best, truth, calibration, OF_ONE_ROW[feature.kind])
    return None


def said(feature: Output, best: PredictionArrays, calibration: Calibration) -> np.ndarray:
    """The place of the class that each row is answered with, (N,) int, by the run's own threshold where it has one."""
    if feature.kind != "binary":
        return best["log_probs"].argmax(1)
    threshold = calibration.get("threshold", 0.5)
    return np.array([d["probability"] >= threshold for d in feature.decode(best, calibration)], np.int64)


def _of_tags(feature: TagsOutput, best: PredictionArrays, truth: Column) -> Judged:
    """The share of a row's words whose tag is right."""
    log_probs, labels, rows = feature.words_of(best, truth)
    right, words = (np.bincount(rows, w, len(truth)) for w in (log_probs.argmax(1) == labels, None))
    return Judged("accuracy", np.where(words > 0, right / np.maximum(words, 1), np.nan))


def _of_texts(feature: TextOutput, best: PredictionArrays, truth: Column) -> Judged:
    """The changes that lead from what was written to the truth, a word of the truth."""
    values, bounds = np.full(len(truth), np.nan), truth.offsets
    assert bounds is not None
    rows = _some(np.flatnonzero(truth.mask))
    said = feature.decode({name: array[rows] for name, array in best.items()})
    for i, answer in zip(rows, said, strict=True):
        true = feature.text_of(truth.values[bounds[i] : bounds[i + 1]].tolist())
        values[i] = error_rate([true.split()], [answer["value"].split()])
    return Judged("word_error_rate", values)


def _some(rows: np.ndarray) -> np.ndarray:
    """At most `LOOKED_AT` of some rows, evenly over them."""
    return rows[np.unique(np.linspace(0, len(rows) - 1, min(LOOKED_AT, len(rows))).astype(np.int64))]


def _one_by_one(
    feature: Output, best: PredictionArrays, truth: Column, calibration: Calibration, metric: str
) -> Judged:
    best, truth = feature.for_scoring(best, truth)
    values = np.full(len(truth), np.nan)
    for i in _some(np.flatnonzero(truth.mask)):
        row: dict[str, Any] = {name: array[i : i + 1] for name, array in best.items()}
        values[i] = feature.score(row, truth.take(np.array([i])), calibration).get(metric, np.nan)
    return Judged(metric, values)
