"""Predicts a class for each pixel."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from deepglass import metrics
from deepglass.constraints import Share
from deepglass.errors import SourceError
from deepglass.features.base import Column
from deepglass.features.mask import DEFAULT_MAX_SIDE, Mask, paste, resize_nearest
from deepglass.features.outputs._calibrations import PixelCalibration
from deepglass.features.outputs._dense import crop_to_frame, encode_runs, relative_frames
from deepglass.features.outputs.base import Calibration, Output, PredictedRow, Prediction, PredictionArrays
from deepglass.formatting import first_names
from deepglass.metrics.table import METRICS, Metric

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor, nn

    from deepglass.nn.explanation_targets import ExplanationTarget
    from deepglass.nn.tokens import Field

MAX_CLASSES = 1000  # classes
_BINS = 20  # of confidence, in calibration


@dataclass(frozen=True, kw_only=True)
class MaskOutput(Mask, Output):
    """Predicts a class for each pixel.

    Args:
        class_weights: exponent of the class weights in the loss, 0 to 1: a class has the weight
            (share of the pixels) ** -class_weights. 0 weights all pixels equally and keeps confidences calibrated.
    """

    class_weights: Share = 0.0

    metric: ClassVar[Metric] = METRICS["miou"]
    calibration_fields: ClassVar[type | None] = PixelCalibration
    trunk: ClassVar[str | None] = "unet"
    longest_side: ClassVar[int | None] = DEFAULT_MAX_SIDE

    def to_input_frame(self, column: Column, inputs: Mapping[str, Column]) -> Column:
        """Masks moved into the letterbox of the first image, where the two differ."""
        image_frames = relative_frames(inputs)
        if image_frames is None or column.letterbox is None:
            return column
        Y, X = self.size_
        mask_frames = column.letterbox[:, :4] / np.array([Y, X, Y, X], np.float32)
        misplaced = np.flatnonzero((np.abs(mask_frames - image_frames[:, :4]) > 0.75 / min(Y, X)).any(1) & column.mask)
        if not len(misplaced):
            return column
        values, letterbox = column.values.copy(), column.letterbox.copy()
        for i in misplaced:
            top, left, height, width = column.letterbox[i, :4].astype(int)
            content = column.values[i, top : top + height, left : left + width]
            box = np.round(image_frames[i, :4] * [Y, X, Y, X]).astype(int)
            values[i] = paste(resize_nearest(content, (max(box[2], 1), max(box[3], 1))), box[0], box[1], (Y, X))
            letterbox[i, :4] = box
        return Column(values, column.mask, None, letterbox)

    def dense_head(self, dim: int, widths: Sequence[int], grid: tuple[int, int] | None = None) -> nn.Module:
        from deepglass.nn.dense import DenseHead

        total = sum(self.counts_)
        return DenseHead(dim, widths, [math.log(n / total) for n in self.counts_])

    def prediction(self, params: Tensor) -> Prediction:
        weight = params.new_tensor(self._weights()) if self.class_weights else None
        return MaskPrediction(params, (self.size_[0], self.size_[1]), weight)

    def score(self, mode: PredictionArrays, truth: Column, calibration: Calibration | None = None) -> dict[str, float]:
        return metrics.segmentation(self._confusion(mode, truth).sum(0))

    def per_class(
        self, mode: PredictionArrays, truth: Column, calibration: Calibration | None = None
    ) -> dict[str, dict[str, float]]:
        """IoU, precision, recall and share of the pixels of each class."""
        values = metrics.class_metrics(self._confusion(mode, truth).sum(0))
        return {name: {m: float(v[k]) for m, v in values.items()} for k, name in enumerate(self.class_names)}

    def for_scoring(self, mode: PredictionArrays, truth: Column) -> tuple[PredictionArrays, Column]:
        """Confusion matrix of each row, (N, K, K)."""
        counts = np.zeros((len(truth), len(self.values_), len(self.values_)), np.int64)
        counts[truth.mask] = self._confusion(mode, truth)
        return {"counts": counts}, Column(truth.mask, truth.mask)

    def selection_value(self, mode: PredictionArrays, truth: Column) -> float | None:
        """1 - mean IoU: masks may still improve while a few confident mistakes raise the loss."""
        scores = self.score(mode, truth)
        return 1 - scores["miou"] if "miou" in scores else None

    def check_target(self, truth: Column, source: str) -> None:
        """Raises: SourceError: `one-class`; `bad-value` for more than 1000 class numbers."""
        if len(self.values_) < 2:
            got = f"got only {self.class_names[0]!r}" if self.values_ else "got only unlabelled pixels"
            raise SourceError("one-class", f"{source}: expected two classes or more in {self.column!r}, {got}")
        if len(self.values_) > MAX_CLASSES:
            raise SourceError(
                "bad-value",
                f"{source}: expected a mask of at most {MAX_CLASSES} classes in {self.column!r}, got "
                f"{len(self.values_):,} class numbers; an image has kind image",
            )

    def target_warnings(self, truth: Column) -> list[str]:
        total = sum(self.counts_)
        rare = [n for n, c in zip(self.class_names, self.counts_, strict=True) if c < 0.01 * total]
        if not rare:
            return []
        return [f"{self.name}: less than 1 % of the pixels are {first_names(rare, 3)}"]

    def baseline(self, truth: Column) -> PredictionArrays:
        """The most frequent class everywhere."""
        counts = self._shares(truth)
        shape = (1, *self.size_)
        confidence = round(255 * counts.max() / max(counts.sum(), 1e-12))
        return {
            "classes": np.full(shape, counts.argmax() + 1, truth.values.dtype),
            "confidence": np.full(shape, confidence, np.uint8),
        }

    def baseline_loss(self, truth: Column) -> float:
        """Entropy of the class shares, with equal weight for each row."""
        shares = np.maximum(self._shares(truth), 1e-12)
        return float(-(shares * np.log(shares / shares.sum())).sum() / shares.sum())

    @property
    def calibration_length(self) -> int:
        return _BINS

    def calibrate(self, mode: PredictionArrays, truth: Column) -> Calibration:
        """Accuracy of the pixels in each of 20 bins of confidence.

        Source: Zadrozny & Elkan, 2001 (histogram binning).
        """
        labelled = (truth.values > 0) & truth.mask[:, None, None]
        correct = (mode["classes"] == truth.values)[labelled]
        if not len(correct):
            return {}
        bins = np.minimum(mode["confidence"][labelled].astype(np.int64) * _BINS // 255, _BINS - 1)
        rows = np.bincount(bins, minlength=_BINS)
        hits = np.bincount(bins, weights=correct, minlength=_BINS)
        middle = (np.arange(_BINS) + 0.5) / _BINS
        return {
            "accuracy": [round(float(v), 4) for v in (hits + _BINS * middle) / (rows + _BINS)]
        }  # with a prior of _BINS pixels

    def explanation_target(self, row: PredictedRow) -> ExplanationTarget:
        from deepglass.nn.explanation_targets import mask_target

        return mask_target(row.prediction.params[0], self.class_names)

    def decode(self, mode: PredictionArrays, calibration: Calibration | None = None) -> list[dict[str, Any]]:
        """`value`, `shares` of the classes, and `confidence`, the mean over the pixels.

        `value` is {"size": [rows, columns], "runs": [[class, length], ...]} in the size of the image file, row by row,
        with class numbers as in the files; `features.outputs._dense.decode_runs` makes an array of it.
        """
        classes, confidence = mode["classes"], mode["confidence"]
        frames = mode.get("letterbox")
        accuracy = np.array((calibration or {}).get("accuracy", [])) if calibration else np.zeros(0)
        return [
            self._decode_row(classes[i], confidence[i], None if frames is None else frames[i], accuracy)
            for i in range(len(classes))
        ]

    def context(self, inputs: Mapping[str, Column]) -> PredictionArrays:
        """Frame of the first image, as in `relative_frames`."""
        frames = relative_frames(inputs)
        return {} if frames is None else {"letterbox": frames}

    def _decode_row(
        self, classes: np.ndarray, confidence: np.ndarray, frame: np.ndarray | None, accuracy: np.ndarray
    ) -> dict[str, Any]:
        size = classes.shape if frame is None else (int(frame[4]), int(frame[5]))
        classes, confidence = crop_to_frame(classes, frame), crop_to_frame(confidence, frame)
        counts = np.bincount(classes.ravel(), minlength=len(self.values_) + 1)[1:]
        shares = {n: float(c / classes.size) for n, c in zip(self.class_names, counts, strict=True) if c}
        confidence = confidence.astype(np.float64) / 255
        if len(accuracy):
            confidence = accuracy[np.minimum((confidence * _BINS).astype(int), _BINS - 1)]
        numbers = np.array((0, *self.values_))[resize_nearest(classes, size)]
        return {
            "value": encode_runs(numbers),
            "confidence": float(confidence.mean()),
            "shares": dict(sorted(shares.items(), key=lambda pair: -pair[1])),
        }

    def _confusion(self, mode: PredictionArrays, truth: Column) -> np.ndarray:
        """Of each known row the true (first) and answered classes' pixels, (N, K, K) int64."""
        if "counts" in mode:
            return mode["counts"][truth.mask]
        K, rows = len(self.values_), np.flatnonzero(truth.mask)
        counts = np.zeros((len(rows), K, K), np.int64)
        for n, i in enumerate(rows):
            true = truth.values[i].ravel()
            labelled = true > 0
            counts[n] = metrics.confusion_matrix(true[labelled] - 1, mode["classes"][i].ravel()[labelled] - 1, K)
        return counts

    def _shares(self, truth: Column) -> np.ndarray:
        """Sum over the rows of the class shares, (K,)."""
        counts = np.array([np.bincount(v.ravel(), minlength=len(self.values_) + 1) for v in truth.values[truth.mask]])
        counts = counts.reshape(-1, len(self.values_) + 1)[:, 1:]
        return (counts / np.maximum(counts.sum(1, keepdims=True), 1)).sum(0)

    def _weights(self) -> list[float]:
        """Class weights of the loss; their mean over the pixels is 1."""
        shares = np.array(self.counts_) / sum(self.counts_)
        weights = shares**-self.class_weights
        return (weights / (weights * shares).sum()).tolist()


class MaskPrediction(Prediction):
    """Class probabilities of each pixel; params: (B, K, y, x) logits on the trunk's finest feature map.

    The loss takes the label in the middle of each cell of the map, at a fraction of the cost of full size; `mode` has
    full size.
    """

    def __init__(self, params: Tensor, size: tuple[int, int], weight: Tensor | None = None) -> None:
        self.params, self.size, self.weight = params, size, weight

    def loss(self, target: Field) -> Tensor:
        """Mean cross-entropy over the labelled cells of a row."""
        from deepglass.nn.dense import dense_cross_entropy

        return dense_cross_entropy(self.params.float(), target.values, self.weight)

    def mode(self) -> dict[str, Tensor]:
        """Code of the most likely class of each pixel, and its probability from 0 to 255, both (B, Y, X)."""
        from deepglass.nn.dense import resize

        logits = resize(self.params, self.size)
        top, index = logits.max(1)
        probability = (top - logits.logsumexp(1)).exp()
        codes = index + 1
        return {
            "classes": codes.byte() if logits.shape[1] < 256 else codes.short(),
            "confidence": (255 * probability).round().byte(),
        }

    def ensemble_mean(self, members: int) -> MaskPrediction:
        """Averages the members' probabilities, not their logits."""
        log_probs = self.params.float().log_softmax(1)
        mixed = log_probs.reshape(-1, members, *log_probs.shape[1:]).logsumexp(1) - math.log(members)
        return MaskPrediction(mixed, self.size, self.weight)
