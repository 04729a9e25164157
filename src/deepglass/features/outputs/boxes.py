"""Predicts boxes with a class and a score each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from deepglass.errors import SourceError, SpecError
from deepglass.features._dense_outputs import first_picture
from deepglass.features.base import Column
from deepglass.features.boxes import SIDES, Boxes, _has_area
from deepglass.features.outputs.base import Calibration, ClassCurve, Output, Prediction, PredictionArrays
from deepglass.metrics import detection
from deepglass.metrics.table import METRICS, Metric

if TYPE_CHECKING:
    from torch import Tensor, nn

    from deepglass.nn.detect import PointPredictions
    from deepglass.nn.explanation_targets import ExplanationTarget
    from deepglass.nn.tokens import Field

NOTICED = 0.05  # score from which on a box takes part in calibration
SHOWN = 0.3  # score from which on a box is shown where nothing was calibrated
UNTRAINED_LOSS = 3.8  # about what a head begins with, whatever the data
_EXPLAINED = 6  # targets of an explanation, at most


@dataclass(frozen=True, kw_only=True)
class BoxesOutput(Boxes, Output):
    """Predicts boxes with a class and a score each.

    Args:
        max_detections: boxes of a prediction, at most.
        nms_iou: IoU above which the less likely box of a class is dropped (non-maximum suppression).
        dim: channels of the feature pyramid.
        num_levels: feature maps of the trunk in use, coarsest first; more levels find smaller objects.
    """

    max_detections: int = 100
    nms_iou: float = 0.6
    dim: int = 64
    num_levels: int = 3

    metric: ClassVar[Metric] = METRICS["map50"]
    trunk: ClassVar[str] = "resnet"
    longest_side: ClassVar[int] = 320  # small things are lost in smaller pictures

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, low, high in (("max_detections", 1, 1000), ("nms_iou", 0, 1), ("dim", 8, 1024), ("num_levels", 1, 5)):
            if not low <= getattr(self, name) <= high:
                value = getattr(self, name)
                raise SpecError("bad-value", f"outputs.{self.name}.{name}: expected {low} to {high}, got {value!r}")

    def to_input_frame(self, column: Column, inputs: Mapping[str, Column]) -> Column:
        """Boxes cut at the picture's border and brought into its letterbox, as shares of it."""
        picture = _picture(inputs)
        assert column.offsets is not None
        if picture is None:
            return column
        rows = np.repeat(np.arange(len(column)), np.diff(column.offsets))
        top, left, height, width, Y, X = picture[rows, :6].T
        y_whole, x_whole = picture[rows, 6:].T
        values = column.values.astype(np.float64)
        for axis, start, part, whole, side in ((1, left, width, x_whole, X), (2, top, height, y_whole, Y)):
            for end in (axis, axis + 2):
                values[:, end] = (start + values[:, end].clip(0, side) * part / side) / whole
        keep = _has_area(values[:, 1:])  # of a box beside the picture nothing is left
        counts = np.bincount(rows[keep], minlength=len(column))
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        return Column(values[keep].astype(np.float32), column.mask, offsets)

    def dense_head(self, dim: int, widths: Sequence[int], grid: tuple[int, int] | None = None) -> nn.Module:
        from deepglass.nn.detect import DetectHead

        return DetectHead(widths, max(len(self.vocabulary_ or ()), 1), dim=self.dim, levels=self.num_levels)

    def prediction(self, params: PointPredictions) -> Prediction:
        return BoxesPrediction(params, self.max_detections, self.nms_iou)

    def score(self, best: PredictionArrays, truth: Column, calibration: Calibration | None = None) -> dict[str, float]:
        """`map50`, `map50_95`; with a calibration also `ece`, of the boxes that have some score."""
        matches = self.matches(best, truth)
        figures = detection.figures(matches)
        if calibration and figures:
            seen = matches.scores >= NOTICED
            probs = _confidence(matches.scores[seen], calibration)
            figures["ece"] = detection.calibration_error(probs, matches.hits[seen, 0])
        return figures

    def matches(self, best: PredictionArrays, truth: Column) -> detection.Matches:
        """Each found box of the rows whose truth is known, and whether it is a hit: for curves and figures a class."""
        rows = np.flatnonzero(truth.mask)
        known = truth.take(rows)
        assert known.offsets is not None
        found = detection.Detections(*(best[name][rows] for name in ("boxes", "scores", "labels", "mask")))
        true = detection.Boxes(known.values[:, 1:], known.values[:, 0].astype(np.int64), known.offsets)
        return detection.match(found, true, len(self.vocabulary_ or ()))

    def per_class(
        self, best: PredictionArrays, truth: Column, calibration: Calibration | None = None
    ) -> dict[str, dict[str, float]]:
        """`rows`, `ap50`, `ap50_95`, and `recall` and `precision` of the boxes that `decode` gives."""
        matches = self.matches(best, truth)
        average = detection.average_precision(matches)  # (thresholds, K)
        shown = _confidence(matches.scores, calibration or {}) >= (calibration or {}).get("threshold", SHOWN)
        figures = {}
        for k, name in enumerate(self.class_names):
            chosen = shown & (matches.labels == k)
            hits, predicted, true = int(matches.hits[chosen, 0].sum()), int(chosen.sum()), int(matches.truths[k])
            if predicted or true:
                figures[name] = {
                    "rows": float(true),
                    "ap50": float(average[0, k]),
                    "ap50_95": float(average[:, k].mean()),
                    "recall": hits / true if true else float("nan"),
                    "precision": hits / predicted if predicted else float("nan"),
                }
        return figures

    def precision_recall(self, best: PredictionArrays, truth: Column) -> list[ClassCurve]:
        """At an IoU of one half."""
        matches = self.matches(best, truth)
        area = detection.average_precision(matches)[0]
        curves = []
        for k, name in enumerate(self.class_names):
            if matches.truths[k]:
                curve = detection.curve(matches, k)
                curves.append(ClassCurve(name, curve.precision, curve.recall, float(area[k]), int(matches.truths[k])))
        return curves

    def baseline(self, truth: Column) -> PredictionArrays:
        """Nothing anywhere: no box is right whatever the picture."""
        nothing = np.zeros((1, 1))
        return {
            "boxes": np.zeros((1, 1, 4), np.float32),
            "scores": nothing.astype(np.float32),
            "labels": nothing.astype(np.int64),
            "mask": nothing.astype(bool),
        }

    def baseline_loss(self, truth: Column) -> float:
        return UNTRAINED_LOSS

    def check_target(self, truth: Column, source: str) -> None:
        """Raises: SourceError: `constant-target` where there is no box at all."""
        if not len(truth.values):
            raise SourceError("constant-target", f"{source}: no training row has a box in {self.column!r}")

    def target_warnings(self, truth: Column) -> list[str]:
        assert truth.offsets is not None
        counts = np.bincount(truth.values[:, 0].astype(int), minlength=len(self.vocabulary_ or ()))
        few = [name for name, count in zip(self.vocabulary_ or (), counts, strict=True) if count < 10]
        empty = int((truth.mask & (np.diff(truth.offsets) == 0)).sum())
        target_warnings = []
        if few:
            shown = ", ".join(few[:5]) + (", ..." if len(few) > 5 else "")
            target_warnings.append(
                f"{self.name}: {len(few)} of {len(counts)} classes have fewer than ten boxes ({shown})"
            )
        if empty:
            target_warnings.append(f"{self.name}: {empty} pictures are known to hold nothing")
        return target_warnings

    def calibrate(self, best: PredictionArrays, truth: Column) -> Calibration:
        """Scores as probabilities of a hit, and from which of them on a box is shown.

        `slope` and `shift` of Platt's rule, the calibration error without and with it, and `threshold`, a confidence.
        """
        matches = self.matches(best, truth)
        seen = matches.scores >= NOTICED
        scores, hits = matches.scores[seen], matches.hits[seen, 0]
        if not len(scores):
            return {}
        platt = detection.fit_platt(scores, hits, matches.rows[seen])
        cut = detection.best_score(scores, hits, int(matches.truths.sum()))
        threshold = float(detection.apply_platt(np.array([cut]), platt.slope, platt.shift)[0])
        return {**platt._asdict(), "threshold": threshold}

    def explanation_target(
        self, prediction: Any, best: Any, decoded: Mapping[str, Any], calibration: Calibration
    ) -> ExplanationTarget:
        from deepglass.nn.explanation_targets import object_target

        count = max(1, min(len(decoded["value"]), _EXPLAINED))
        slots = best["scores"][0].masked_fill(~best["mask"][0], -1).topk(count).indices
        labels = best["labels"][0, slots].tolist()
        names = [self.class_names[k] for k in labels]
        names = names if decoded["value"] else [f"{name}, which was not found" for name in names]
        cells = prediction.cells
        return object_target(
            cells.boxes[0], cells.logits[0], best["boxes"][0, slots], labels, best["scores"][0, slots], names
        )

    def decode(self, best: PredictionArrays, calibration: Calibration | None = None) -> list[dict[str, Any]]:
        """`value`: the boxes that are worth showing, the surest first, in pixels of the picture as it came.

        `confidence` is the mean of theirs; of an empty answer, that there is nothing.
        """
        confidence = _confidence(best["scores"], calibration or {})
        shown = best["mask"] & (confidence >= (calibration or {}).get("threshold", SHOWN))
        boxes = _pixels(best)
        return [self._row(*row) for row in zip(boxes, best["labels"], confidence, shown, best["mask"], strict=True)]

    def context(self, inputs: Mapping[str, Column]) -> PredictionArrays:
        """The frame of the first picture, and the size of the encoded one: (N, 8)."""
        picture = _picture(inputs)
        return {} if picture is None else {"letterbox": picture}

    def _row(
        self, boxes: np.ndarray, labels: np.ndarray, confidence: np.ndarray, shown: np.ndarray, mask: np.ndarray
    ) -> dict[str, Any]:
        places = [i for i in np.argsort(-confidence, kind="stable") if shown[i] and labels[i] < len(self.class_names)]
        value = [
            {
                "label": self.class_names[labels[i]],
                **{side: round(float(at), 2) for side, at in zip(SIDES, boxes[i], strict=True)},
                "confidence": round(float(confidence[i]), 4),
            }
            for i in places
        ]
        sure = confidence[places].mean() if places else 1 - confidence[mask].max(initial=0.0)
        return {"value": value, "confidence": round(float(sure), 4)}


class BoxesPrediction(Prediction):
    """The postprocess boxes, suppressed where they repeat each other.

    Args:
        cells: what the head says at each cell.
        max_detections: boxes an answer.
        nms_iou: of boxes of one class, from which on the less likely one goes.
    """

    def __init__(self, cells: PointPredictions, max_detections: int, nms_iou: float) -> None:
        self.cells, self.max_detections, self.nms_iou = cells, max_detections, nms_iou

    def loss(self, target: Field) -> Tensor:
        from deepglass.nn.detect import loss

        return loss(self.cells, target)

    def mode(self) -> dict[str, Tensor]:
        """`boxes` (B, S, 4) as shares of the picture, `scores`, `labels` and `mask` (B, S)."""
        from deepglass.nn.detect import postprocess

        return postprocess(
            self.cells.boxes.float(), self.cells.logits.float().sigmoid(), self.max_detections, self.nms_iou
        )._asdict()

    def ensemble_mean(self, members: int) -> BoxesPrediction:
        """The mean of the members' probabilities and boxes at each cell."""
        mean = lambda x: x.view(-1, members, *x.shape[1:]).mean(1)  # noqa: E731
        cells = self.cells
        logits = mean(cells.logits.sigmoid()).logit(1e-6)
        return BoxesPrediction(
            type(cells)(logits, mean(cells.boxes), cells.points[::members]), self.max_detections, self.nms_iou
        )


def _picture(inputs: Mapping[str, Column]) -> np.ndarray | None:
    """Frame (6) and size (2) of each row's first picture, (N, 8) float32; None without pictures."""
    column = first_picture(inputs)
    if column is None or column.letterbox is None:
        return None
    size = np.broadcast_to(np.array(column.values.shape[-2:], np.float32), (len(column), 2))
    return np.concatenate([column.letterbox, size], 1).astype(np.float32)


def _pixels(best: PredictionArrays) -> np.ndarray:
    """Boxes (N, S, 4) in pixels of the pictures as they came, cut at their borders; shares where there is no frame."""
    boxes = best["boxes"].astype(np.float64)
    if "letterbox" not in best:
        return boxes
    top, left, height, width, Y, X, y_whole, x_whole = best["letterbox"].astype(np.float64).T[..., None]
    x = (boxes[..., 0::2] * x_whole[..., None] - left[..., None]) * (X / width)[..., None]
    y = (boxes[..., 1::2] * y_whole[..., None] - top[..., None]) * (Y / height)[..., None]
    x, y = np.clip(x, 0, X[..., None]), np.clip(y, 0, Y[..., None])
    return np.stack([x[..., 0], y[..., 0], x[..., 1], y[..., 1]], -1)


def _confidence(scores: np.ndarray, calibration: Calibration) -> np.ndarray:
    if "slope" not in calibration:
        return scores
    return detection.apply_platt(scores, calibration["slope"], calibration["shift"])
