"""Predicts boxes with a class and a score each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np

from deepglass.constraints import Ge, Le, Share
from deepglass.errors import SourceError
from deepglass.features.base import Column
from deepglass.features.boxes import SIDES, Boxes, has_area
from deepglass.features.outputs._calibrations import ScoreCalibration
from deepglass.features.outputs._dense import first_image_column
from deepglass.features.outputs.base import Calibration, Output, PredictedRow, Prediction, PredictionArrays
from deepglass.metrics import detection
from deepglass.metrics.classes import ClassCurve
from deepglass.metrics.table import METRICS, Metric

if TYPE_CHECKING:
    from torch import Tensor, nn

    from deepglass.nn.detect import PointPredictions
    from deepglass.nn.explanation_targets import ExplanationTarget
    from deepglass.nn.tokens import Field

MIN_CALIBRATION_SCORE = 0.05  # boxes of a lower score take no part in the calibration
DEFAULT_THRESHOLD = 0.3  # minimum score of a decoded box without a calibration
UNTRAINED_LOSS = 3.8  # about the initial loss, for any data
_MAX_EXPLAINED = 6  # boxes


@dataclass(frozen=True, kw_only=True)
class BoxesOutput(Boxes, Output):
    """Predicts boxes with a class and a score each.

    Args:
        max_detections: boxes per image, at most; 1 to 1000.
        nms_iou: IoU above which non-maximum suppression drops the less likely box of a class, 0 to 1.
        dim: channels of the feature pyramid, 8 to 1024.
        num_levels: feature maps of the trunk that are used, coarsest first, 1 to 5; more levels find smaller objects.
    """

    max_detections: Annotated[int, Ge(1), Le(1000)] = 100
    nms_iou: Share = 0.6
    dim: Annotated[int, Ge(8), Le(1024)] = 64
    num_levels: Annotated[int, Ge(1), Le(5)] = 3

    metric: ClassVar[Metric] = METRICS["map50"]
    calibration_fields: ClassVar[type | None] = ScoreCalibration
    trunk: ClassVar[str] = "resnet"
    longest_side: ClassVar[int] = 320  # small objects are lost in smaller images

    def to_input_frame(self, column: Column, inputs: Mapping[str, Column]) -> Column:
        """Boxes clipped at the border of the image, relative to the encoded image with its letterbox."""
        frames = _image_frames(inputs)
        assert column.offsets is not None
        if frames is None:
            return column
        rows = np.repeat(np.arange(len(column)), np.diff(column.offsets))
        top, left, height, width, Y, X = frames[rows, :6].T
        y_whole, x_whole = frames[rows, 6:].T
        values = column.values.astype(np.float64)
        for axis, start, inner, whole, side in ((1, left, width, x_whole, X), (2, top, height, y_whole, Y)):
            for end in (axis, axis + 2):
                values[:, end] = (start + values[:, end].clip(0, side) * inner / side) / whole
        inside = has_area(values[:, 1:])  # boxes outside of the image have no area left
        counts = np.bincount(rows[inside], minlength=len(column))
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        return Column(values[inside].astype(np.float32), column.mask, offsets)

    def dense_head(self, dim: int, widths: Sequence[int], grid: tuple[int, int] | None = None) -> nn.Module:
        from deepglass.nn.detect import DetectHead

        return DetectHead(widths, max(len(self.class_names), 1), dim=self.dim, levels=self.num_levels)

    def prediction(self, params: PointPredictions) -> Prediction:
        return BoxesPrediction(params, self.max_detections, self.nms_iou)

    def score(self, mode: PredictionArrays, truth: Column, calibration: Calibration | None = None) -> dict[str, float]:
        """`map50`, `map50_95`, and with a calibration `ece` of the boxes above `MIN_CALIBRATION_SCORE`."""
        matches = self.matches(mode, truth)
        scores = detection.mean_average_precision(matches)
        if calibration and scores:
            likely = matches.scores >= MIN_CALIBRATION_SCORE
            probs = _confidence(matches.scores[likely], calibration)
            scores["ece"] = detection.calibration_error(probs, matches.hits[likely, 0])
        return scores

    def matches(self, mode: PredictionArrays, truth: Column) -> detection.Matches:
        """Predicted boxes of the rows with a target, and whether each is a true positive."""
        rows = np.flatnonzero(truth.mask)
        if "hits" in mode:
            return detection.joined_matches({name: array[rows] for name, array in mode.items()})
        boxes = truth.take(rows)
        assert boxes.offsets is not None
        predicted = detection.ScoredBoxes(*(mode[name][rows] for name in ("boxes", "scores", "labels", "mask")))
        true = detection.BoxAnnotations(boxes.values[:, 1:], boxes.values[:, 0].astype(np.int64), boxes.offsets)
        return detection.match(predicted, true, len(self.class_names))

    def for_scoring(self, mode: PredictionArrays, truth: Column) -> tuple[PredictionArrays, Column]:
        """Each image's boxes as of `matches_by_image`, and its target boxes of each class, (N, K)."""
        matches, rows = self.matches(mode, truth), np.flatnonzero(truth.mask)
        assert truth.offsets is not None
        truths = np.zeros((len(truth), len(self.class_names)), np.int64)
        np.add.at(truths, (np.repeat(rows, np.diff(truth.offsets)[rows]), truth.take(rows).values[:, 0].astype(int)), 1)
        images = detection.matches_by_image(matches, rows, len(truth))
        return {**images, "truths": truths}, Column(truth.mask, truth.mask)

    def per_class(
        self, mode: PredictionArrays, truth: Column, calibration: Calibration | None = None
    ) -> dict[str, dict[str, float]]:
        """`rows`, `ap50`, `ap50_95`, and `recall` and `precision` of the boxes that `decode` returns."""
        matches = self.matches(mode, truth)
        average = detection.average_precision(matches)  # (thresholds, K)
        decoded = _confidence(matches.scores, calibration or {}) >= (calibration or {}).get(
            "threshold", DEFAULT_THRESHOLD
        )
        scores = {}
        for k, name in enumerate(self.class_names):
            predictions = decoded & (matches.labels == k)
            num_hits, num_predicted, num_true = (
                int(matches.hits[predictions, 0].sum()),
                int(predictions.sum()),
                int(matches.truths[k]),
            )
            if num_predicted or num_true:
                scores[name] = {
                    "rows": float(num_true),
                    "ap50": float(average[0, k]),
                    "ap50_95": float(average[:, k].mean()),
                    "recall": num_hits / num_true if num_true else float("nan"),
                    "precision": num_hits / num_predicted if num_predicted else float("nan"),
                }
        return scores

    def precision_recall(self, mode: PredictionArrays, truth: Column) -> list[ClassCurve]:
        """At an IoU threshold of 0.5."""
        matches = self.matches(mode, truth)
        area = detection.average_precision(matches)[0]
        curves = []
        for k, name in enumerate(self.class_names):
            if matches.truths[k]:
                curve = detection.curve(matches, k)
                curves.append(ClassCurve(name, curve.precision, curve.recall, float(area[k]), int(matches.truths[k])))
        return curves

    def baseline(self, truth: Column) -> PredictionArrays:
        """No box."""
        return {
            "boxes": np.zeros((1, 1, 4), np.float32),
            "scores": np.zeros((1, 1), np.float32),
            "labels": np.zeros((1, 1), np.int64),
            "mask": np.zeros((1, 1), bool),
        }

    def baseline_loss(self, truth: Column) -> float:
        return UNTRAINED_LOSS

    def check_target(self, truth: Column, source: str) -> None:
        """Raises: SourceError: `constant-target` if there is no box."""
        if not len(truth.values):
            raise SourceError("constant-target", f"{source}: no training row has a box in {self.column!r}")

    def target_warnings(self, truth: Column) -> list[str]:
        assert truth.offsets is not None
        counts = np.bincount(truth.values[:, 0].astype(int), minlength=len(self.class_names))
        few = [name for name, count in zip(self.class_names, counts, strict=True) if count < 10]
        empty = int((truth.mask & (np.diff(truth.offsets) == 0)).sum())
        warnings = []
        if few:
            listing = ", ".join(few[:5]) + (", ..." if len(few) > 5 else "")
            warnings.append(f"{self.name}: {len(few)} of {len(counts)} classes have fewer than ten boxes ({listing})")
        if empty:
            warnings.append(f"{self.name}: {empty} images have no box")
        return warnings

    def calibrate(self, mode: PredictionArrays, truth: Column) -> Calibration:
        """Platt scaling of the scores to probabilities of a true positive, and a threshold.

        `slope` and `shift`, the calibration error before and after, and `threshold`, the confidence of maximal F1.
        """
        matches = self.matches(mode, truth)
        likely = matches.scores >= MIN_CALIBRATION_SCORE
        scores, hits = matches.scores[likely], matches.hits[likely, 0]
        if not len(scores):
            return {}
        platt = detection.fit_platt(scores, hits, matches.rows[likely])
        score = detection.best_score(scores, hits, int(matches.truths.sum()))
        threshold = float(detection.apply_platt(np.array([score]), platt.slope, platt.shift)[0])
        return {**platt._asdict(), "threshold": threshold}

    def explanation_target(self, row: PredictedRow) -> ExplanationTarget:
        from deepglass.nn.explanation_targets import object_target

        count = max(1, min(len(row.decoded["value"]), _MAX_EXPLAINED))
        slots = row.mode["scores"][0].masked_fill(~row.mode["mask"][0], -1).topk(count).indices
        labels = row.mode["labels"][0, slots].tolist()
        names = [self.class_names[k] for k in labels]
        names = names if row.decoded["value"] else [f"{name}, not predicted" for name in names]
        cells = row.prediction.cells
        return object_target(
            cells.boxes[0], cells.logits[0], row.mode["boxes"][0, slots], labels, row.mode["scores"][0, slots], names
        )

    def decode(self, mode: PredictionArrays, calibration: Calibration | None = None) -> list[dict[str, Any]]:
        """`value`: the boxes above the threshold, most confident first, in pixels of the image file.

        `confidence` is their mean; for an empty prediction, the probability that there is no object.
        """
        confidence = _confidence(mode["scores"], calibration or {})
        decoded = mode["mask"] & (confidence >= (calibration or {}).get("threshold", DEFAULT_THRESHOLD))
        boxes = _to_pixels(mode)
        return [
            self._decode_row(*row) for row in zip(boxes, mode["labels"], confidence, decoded, mode["mask"], strict=True)
        ]

    def context(self, inputs: Mapping[str, Column]) -> PredictionArrays:
        """Frame of the first image, and size of the encoded one: (N, 8)."""
        frames = _image_frames(inputs)
        return {} if frames is None else {"letterbox": frames}

    def _decode_row(
        self, boxes: np.ndarray, labels: np.ndarray, confidence: np.ndarray, decoded: np.ndarray, mask: np.ndarray
    ) -> dict[str, Any]:
        slots = [i for i in np.argsort(-confidence, kind="stable") if decoded[i] and labels[i] < len(self.class_names)]
        value = [
            {
                "label": self.class_names[labels[i]],
                **{side: round(float(at), 2) for side, at in zip(SIDES, boxes[i], strict=True)},
                "confidence": round(float(confidence[i]), 4),
            }
            for i in slots
        ]
        row_confidence = confidence[slots].mean() if slots else 1 - confidence[mask].max(initial=0.0)
        return {"value": value, "confidence": round(float(row_confidence), 4)}


class BoxesPrediction(Prediction):
    """Boxes after non-maximum suppression; params: logits and boxes at each cell of the feature maps.

    Args:
        cells: the params.
        max_detections: boxes per image, at most.
        nms_iou: IoU above which the less likely box of a class is dropped.
    """

    def __init__(self, cells: PointPredictions, max_detections: int, nms_iou: float) -> None:
        self.cells, self.max_detections, self.nms_iou = cells, max_detections, nms_iou

    def loss(self, target: Field) -> Tensor:
        from deepglass.nn.detect import loss

        return loss(self.cells, target)

    def mode(self) -> dict[str, Tensor]:
        """`boxes` (B, S, 4) relative to the image, `scores`, `labels` and `mask` (B, S)."""
        from deepglass.nn.detect import postprocess

        return postprocess(
            self.cells.boxes.float(), self.cells.logits.float().sigmoid(), self.max_detections, self.nms_iou
        )._asdict()

    def ensemble_mean(self, members: int) -> BoxesPrediction:
        """Means of the members' probabilities and boxes at each cell."""
        mean = lambda x: x.view(-1, members, *x.shape[1:]).mean(1)  # noqa: E731
        cells = self.cells
        logits = mean(cells.logits.sigmoid()).logit(1e-6)
        return BoxesPrediction(
            type(cells)(logits, mean(cells.boxes), cells.points[::members]), self.max_detections, self.nms_iou
        )


def _image_frames(inputs: Mapping[str, Column]) -> np.ndarray | None:
    """Frame (6) and encoded size (2) of each row's first image, (N, 8) float32; None without images."""
    image = first_image_column(inputs)
    if image is None or image.letterbox is None:
        return None
    size = np.broadcast_to(np.array(image.values.shape[-2:], np.float32), (len(image), 2))
    return np.concatenate([image.letterbox, size], 1).astype(np.float32)


def _to_pixels(mode: PredictionArrays) -> np.ndarray:
    """Boxes (N, S, 4) in pixels of the image files, clipped at the borders; relative ones without a frame."""
    boxes = mode["boxes"].astype(np.float64)
    if "letterbox" not in mode:
        return boxes
    top, left, height, width, Y, X, y_whole, x_whole = mode["letterbox"].astype(np.float64).T[..., None]
    x = (boxes[..., 0::2] * x_whole[..., None] - left[..., None]) * (X / width)[..., None]
    y = (boxes[..., 1::2] * y_whole[..., None] - top[..., None]) * (Y / height)[..., None]
    x, y = np.clip(x, 0, X[..., None]), np.clip(y, 0, Y[..., None])
    return np.stack([x[..., 0], y[..., 0], x[..., 1], y[..., 1]], -1)


def _confidence(scores: np.ndarray, calibration: Calibration) -> np.ndarray:
    if "slope" not in calibration:
        return scores
    return detection.apply_platt(scores, calibration["slope"], calibration["shift"])
