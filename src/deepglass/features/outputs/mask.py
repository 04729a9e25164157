"""Predicts a class for each pixel."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from deepglass import metrics
from deepglass.errors import SourceError, SpecError
from deepglass.features._dense_outputs import MaskPrediction, cut, nearest, pack, relative_frames, set_in
from deepglass.features.base import Column
from deepglass.features.mask import LONGEST_SIDE, Mask
from deepglass.features.outputs.base import Calibration, Output, Prediction, PredictionArrays
from deepglass.metrics.table import METRICS, Metric

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor, nn

    from deepglass.nn.explanation_targets import ExplanationTarget

MOST = 1000  # classes
_BINS = 20  # of confidence, in calibration


@dataclass(frozen=True, kw_only=True)
class MaskOutput(Mask, Output):
    """Predicts a class for each pixel.

    Args:
        class_weights: exponent of the class weights of the loss, 0 to 1: a class weighs its share of the pixels to the
            power of minus this. 0 weighs all pixels alike and keeps confidences calibrated.
    """

    class_weights: float = 0.0

    metric: ClassVar[Metric] = METRICS["miou"]
    trunk: ClassVar[str | None] = "unet"
    longest_side: ClassVar[int | None] = LONGEST_SIDE

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.class_weights <= 1:
            where = f"outputs.{self.name}.class_weights"
            raise SpecError("bad-value", f"{where}: expected a number from 0 to 1, got {self.class_weights!r}")

    def to_input_frame(self, column: Column, inputs: Mapping[str, Column]) -> Column:
        """The masks moved into the letterbox of the first picture, where the two differ."""
        where = relative_frames(inputs)
        if where is None or column.letterbox is None:
            return column
        Y, X = self.size_
        own = column.letterbox[:, :4] / np.array([Y, X, Y, X], np.float32)
        moved = np.flatnonzero((np.abs(own - where[:, :4]) > 0.75 / min(Y, X)).any(1) & column.mask)
        if not len(moved):
            return column
        values, frame = column.values.copy(), column.letterbox.copy()
        for i in moved:
            top, left, height, width = column.letterbox[i, :4].astype(int)
            seen = column.values[i, top : top + height, left : left + width]
            box = np.round(where[i, :4] * [Y, X, Y, X]).astype(int)
            values[i] = set_in(nearest(seen, (max(box[2], 1), max(box[3], 1))), box[0], box[1], (Y, X))
            frame[i, :4] = box
        return Column(values, column.mask, None, frame)

    def dense_head(self, dim: int, widths: Sequence[int], grid: tuple[int, int] | None = None) -> nn.Module:
        from deepglass.nn.dense import DenseHead

        total = sum(self.counts_)
        return DenseHead(dim, widths, [math.log(n / total) for n in self.counts_])

    def prediction(self, params: Tensor) -> Prediction:
        weight = params.new_tensor(self._weights()) if self.class_weights else None
        return MaskPrediction(params, (self.size_[0], self.size_[1]), weight)

    def score(self, best: PredictionArrays, truth: Column, calibration: Calibration | None = None) -> dict[str, float]:
        return metrics.segmentation(self._confusion(best, truth).sum(0))

    def per_class(
        self, best: PredictionArrays, truth: Column, calibration: Calibration | None = None
    ) -> dict[str, dict[str, float]]:
        """For each class its intersection over union, precision, recall, and share of the pixels."""
        counts = self._confusion(best, truth).sum(0)
        figures = metrics.class_figures(counts)
        return {name: {m: float(v[k]) for m, v in figures.items()} for k, name in enumerate(self.class_names)}

    def for_scoring(self, best: PredictionArrays, truth: Column) -> tuple[PredictionArrays, Column]:
        """Each row's confusion matrix, (N, K, K), which is all that `score` needs."""
        counts = np.zeros((len(truth), len(self.values_), len(self.values_)), np.int64)
        counts[truth.mask] = self._confusion(best, truth)
        return {"counts": counts}, Column(truth.mask, truth.mask)

    def selection_value(self, best: PredictionArrays, truth: Column) -> float | None:
        """By intersection over union: masks may still improve when the loss grows from a few sure mistakes."""
        figures = self.score(best, truth)
        return 1 - figures["miou"] if "miou" in figures else None

    def check_target(self, truth: Column, source: str) -> None:
        """Raises: SourceError: `one-class`; `bad-value` for so many numbers that it is hardly a mask."""
        if len(self.values_) < 2:
            came = f"found only {self.class_names[0]!r}" if self.values_ else "found only unlabelled pixels"
            raise SourceError("one-class", f"{source}: expected two classes or more in {self.column!r}, {came}")
        if len(self.values_) > MOST:
            raise SourceError(
                "bad-value",
                f"{source}: expected a mask of at most {MOST} classes in {self.column!r}, found {len(self.values_):,} "
                "different numbers; is it a picture?",
            )

    def target_warnings(self, truth: Column) -> list[str]:
        total = sum(self.counts_)
        rare = [n for n, c in zip(self.class_names, self.counts_, strict=True) if c < 0.01 * total]
        if not rare:
            return []
        more = f" and {len(rare) - 3} more" if len(rare) > 3 else ""
        return [f"{self.name}: less than a hundredth of the pixels are {', '.join(rare[:3])}{more}"]

    def baseline(self, truth: Column) -> PredictionArrays:
        """The most frequent class everywhere."""
        counts = self._shares(truth)
        shape = (1, *self.size_)
        sure = round(255 * counts.max() / max(counts.sum(), 1e-12))
        return {
            "classes": np.full(shape, counts.argmax() + 1, truth.values.dtype),
            "confidence": np.full(shape, sure, np.uint8),
        }

    def baseline_loss(self, truth: Column) -> float:
        """Of the classes' shares, each row counting the same."""
        shares = np.maximum(self._shares(truth), 1e-12)
        return float(-(shares * np.log(shares / shares.sum())).sum() / shares.sum())

    def calibrate(self, best: PredictionArrays, truth: Column) -> Calibration:
        """How often pixels of a confidence are right, in twenty bins.

        Source: Zadrozny & Elkan, 2001 (histogram binning).
        """
        known = (truth.values > 0) & truth.mask[:, None, None]
        right = (best["classes"] == truth.values)[known]
        if not len(right):
            return {}
        bins = np.minimum(best["confidence"][known].astype(np.int64) * _BINS // 255, _BINS - 1)
        rows = np.bincount(bins, minlength=_BINS)
        hits = np.bincount(bins, weights=right, minlength=_BINS)
        middle = (np.arange(_BINS) + 0.5) / _BINS
        return {"accuracy": [round(float(v), 4) for v in (hits + _BINS * middle) / (rows + _BINS)]}  # a few of its own

    def explanation_target(
        self, prediction: Any, best: Any, decoded: Mapping[str, Any], calibration: Calibration
    ) -> ExplanationTarget:
        from deepglass.nn.explanation_targets import mask_target

        return mask_target(prediction.params[0], self.class_names)

    def decode(self, best: PredictionArrays, calibration: Calibration | None = None) -> list[dict[str, Any]]:
        """`value`, in the size of the picture as it came: {"size": [rows, columns], "runs": [[class, length], ...]},
        row by row, the class as the masks' files number it (`unpack` makes an array of it); `shares` of the picture by
        class; `confidence`, the mean over its pixels.
        """
        classes, sure = best["classes"], best["confidence"]
        frames = best.get("letterbox")
        accuracy = np.array((calibration or {}).get("accuracy", [])) if calibration else np.zeros(0)
        return [
            self._decoded(classes[i], sure[i], None if frames is None else frames[i], accuracy)
            for i in range(len(classes))
        ]

    def context(self, inputs: Mapping[str, Column]) -> PredictionArrays:
        """Where the first picture stands in its letterbox, as shares of its sides, and its size as it came."""
        where = relative_frames(inputs)
        return {} if where is None else {"letterbox": where}

    def _decoded(
        self, classes: np.ndarray, sure: np.ndarray, frame: np.ndarray | None, accuracy: np.ndarray
    ) -> dict[str, Any]:
        size = classes.shape if frame is None else (int(frame[4]), int(frame[5]))
        classes, sure = cut(classes, frame), cut(sure, frame)
        counts = np.bincount(classes.ravel(), minlength=len(self.values_) + 1)[1:]
        shares = {n: float(c / classes.size) for n, c in zip(self.class_names, counts, strict=True) if c}
        sure = sure.astype(np.float64) / 255
        if len(accuracy):
            sure = accuracy[np.minimum((sure * _BINS).astype(int), _BINS - 1)]
        numbers = np.array((0, *self.values_))[nearest(classes, size)]
        return {
            "value": pack(numbers),
            "confidence": float(sure.mean()),
            "shares": dict(sorted(shares.items(), key=lambda pair: -pair[1])),
        }

    def _confusion(self, best: PredictionArrays, truth: Column) -> np.ndarray:
        """Of each known row the true (first) and answered classes' pixels, (N, K, K) int64."""
        if "counts" in best:
            return best["counts"][truth.mask]
        K, rows = len(self.values_), np.flatnonzero(truth.mask)
        counts = np.zeros((len(rows), K, K), np.int64)
        for n, i in enumerate(rows):
            true = truth.values[i].ravel()
            known = true > 0
            counts[n] = metrics.confusion_matrix(true[known] - 1, best["classes"][i].ravel()[known] - 1, K)
        return counts

    def _shares(self, truth: Column) -> np.ndarray:
        """The classes' shares, (K,), each row counting the same."""
        counts = np.array([np.bincount(v.ravel(), minlength=len(self.values_) + 1) for v in truth.values[truth.mask]])
        counts = counts.reshape(-1, len(self.values_) + 1)[:, 1:]
        return (counts / np.maximum(counts.sum(1, keepdims=True), 1)).sum(0)

    def _weights(self) -> list[float]:
        """Of the classes in the loss; their mean over the pixels is 1."""
        shares = np.array(self.counts_) / sum(self.counts_)
        weights = shares**-self.class_weights
        return (weights / (weights * shares).sum()).tolist()
