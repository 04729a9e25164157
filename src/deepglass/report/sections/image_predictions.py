"""Predicted masks and boxes drawn over their images: a wipe between truth and prediction, a slider for confidence.

Without the page's script masks stand side by side, and boxes are drawn from one confidence on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from deepglass.features.outputs._dense import crop_to_frame
from deepglass.features.outputs.base import Calibration, Output
from deepglass.features.outputs.boxes import DEFAULT_THRESHOLD, BoxesOutput
from deepglass.features.outputs.mask import MaskOutput
from deepglass.formatting import confidence, finite, percent
from deepglass.introspect.rows import OutputRows, row_image
from deepglass.metrics import detection
from deepglass.report.data import ReportData
from deepglass.report.overlays import Annotation, ClassColour, OverlayBox
from deepglass.report.row_selection import worst_and_typical
from deepglass.report.sections.base import Section
from deepglass.report.templates import shorten
from deepglass.web import encode_image
from deepglass.web.palette import colour, css

MAX_BYTES = 3_000_000  # of all images together: base64 adds a third, and a report is at most 10 MB
SHOWN_AT_FIRST = (6, 3)  # of the worst and of the typical ones; the others open on a click
MAX_NAMED_BOXES = 10  # true ones and predictions each; of more boxes in an image none is named
MIN_CONFIDENCE = 0.05  # of a box that is drawn
MAX_BOXES = 80  # drawn in an image
MIN_CONFUSION = 0.005  # share of an image, from which on its most frequent mistake is named
WRONG_COLOUR = (255, 60, 20)
BOX_KEYS = (("right", "right"), ("alarm", "false alarm"), ("missed", "missed"), ("found", "true, found"))


@dataclass(frozen=True, kw_only=True)
class Overlay:
    """An image with truth and prediction drawn over it.

    Args:
        row: its index in the source.
        image: PNG or JPEG.
        size: its height and width in pixels.
        wrong: a PNG that is opaque where a predicted mask is wrong.
        score: how good the prediction is, by the metric `score_name`.
        caption: one line of text about it.
        typical: one of the ordinary rows, not of the worst.
    """

    row: int
    image: bytes
    size: tuple[int, int]
    truth: Annotation
    prediction: Annotation
    wrong: bytes | None = None
    score: float | None = None
    score_name: str = ""
    caption: str = ""
    typical: bool = False

    @property
    def num_bytes(self) -> int:
        return len(self.image) + len(self.truth.mask or b"") + len(self.prediction.mask or b"")


@dataclass(frozen=True, kw_only=True)
class OutputOverlays:
    """The overlays of one output.

    Args:
        threshold: boxes are drawn from this confidence on at first.
        legend: the classes of masks and their colours.
    """

    name: str
    overlays: tuple[Overlay, ...]
    threshold: float = 0.5
    legend: tuple[ClassColour, ...] = ()

    def without_rows(self) -> None:
        """There is nothing but rows."""


class ImagePredictionsSection(Section):
    """The images of each output that lies over its input image; None where there is none."""

    title, nav, position = "Predictions on images", "Images", 160
    assets = ("overlays",)
    requires = ("test_predictions",)

    def collect(self, report: ReportData) -> tuple[OutputOverlays, ...]:
        outputs = (output_overlays(feature, rows) for feature, rows in report.tested_outputs)
        return tuple(o for o in outputs if o is not None and o.overlays)

    def view(self, facts: tuple[OutputOverlays, ...], report: ReportData) -> Mapping[str, Any] | None:
        left, outputs = MAX_BYTES, []
        for i, output in enumerate(facts):
            overlays = []
            for overlay in output.overlays:
                left -= overlay.num_bytes
                if left > 0:
                    overlays.append(overlay)
            of_masks = any(o.truth.mask is not None or o.prediction.mask is not None for o in overlays)
            outputs.append(_mask_view(i, output, overlays) if of_masks else _box_view(output, overlays))
        settings = {"first": SHOWN_AT_FIRST, "box_keys": BOX_KEYS, "several": len(report.outputs) > 1}
        return {"outputs": outputs, **settings} if outputs else None


def output_overlays(feature: Output, rows: OutputRows) -> OutputOverlays | None:
    """The worst rows and some typical ones, as images; None for outputs that do not lie over an image."""
    if not rows.truth.mask.any():
        return None
    if isinstance(feature, MaskOutput):
        return _mask_overlays(feature, rows)
    return _box_overlays(feature, rows) if isinstance(feature, BoxesOutput) else None


def class_colours(feature: MaskOutput, rows: OutputRows) -> tuple[ClassColour, ...]:
    """The classes that are in the test rows, and their colours."""
    return _legend(feature, _confusions(feature, rows))


# -- masks -----------------------------------------------------------------------------------------------------------


def _confusions(feature: MaskOutput, rows: OutputRows) -> np.ndarray:
    """Pixels of each row by true and predicted class, (N, K, K)."""
    counts: np.ndarray = feature.for_scoring(rows.best, rows.truth)[0]["counts"]
    return counts.astype(float)


def _legend(feature: MaskOutput, counts: np.ndarray) -> tuple[ClassColour, ...]:
    occurs = counts.sum((0, 2)) + counts.sum((0, 1)) > 0
    return tuple(ClassColour(name, colour(k)) for k, name in enumerate(feature.class_names) if occurs[k])


def _mask_overlays(feature: MaskOutput, rows: OutputRows) -> OutputOverlays:
    colours = tuple(colour(k) for k in range(len(feature.class_names)))
    counts = _confusions(feature, rows)
    right = np.diagonal(counts, axis1=1, axis2=2)
    union = counts.sum(2) + counts.sum(1) - right
    present = counts.sum(2) > 0
    iou = np.divide(right, union, out=np.zeros_like(right), where=union > 0)
    score = np.where(present, iou, 0).sum(1) / np.maximum(present.sum(1), 1)
    overlays = []
    for i, typical in worst_and_typical(score, rows.truth.mask & present.any(1)):
        image = row_image(rows, i)
        if image is None:
            return OutputOverlays(name=feature.name, overlays=())
        true, predicted = (
            crop_to_frame(v[i].astype(int) - 1, np.array(image.part)) for v in (rows.truth.values, rows.best["classes"])
        )
        wrong = np.where((true >= 0) & (true != predicted), 0, -1)
        overlays.append(
            Overlay(
                row=rows.place(i),
                image=image.encoded,
                size=image.size,
                truth=Annotation(encode_image.classes(true, colours)),
                prediction=Annotation(encode_image.classes(predicted, colours)),
                wrong=encode_image.classes(wrong, (WRONG_COLOUR,)),
                score=float(score[i]),
                score_name="miou",
                caption=_most_confused(counts[i], feature.class_names),
                typical=typical,
            )
        )
    return OutputOverlays(name=feature.name, overlays=tuple(overlays), legend=_legend(feature, counts))


def _most_confused(counts: np.ndarray, names: tuple[str, ...]) -> str:
    """The most frequent mistake of an image, such as "road predicted as pavement, 12 % of the image"."""
    wrong = counts * (1 - np.eye(len(counts)))
    share = wrong.max(initial=0) / max(counts.sum(), 1)
    if share < MIN_CONFUSION:
        return ""
    true, predicted = divmod(int(wrong.argmax()), len(counts))
    return f"{names[true]} predicted as {names[predicted]}, {percent(share, 0)} of the image"


# -- boxes -----------------------------------------------------------------------------------------------------------


def _box_overlays(feature: BoxesOutput, rows: OutputRows) -> OutputOverlays:
    threshold = float(rows.calibration.get("threshold", DEFAULT_THRESHOLD))
    boxes = [_row_boxes(feature, rows, i) for i in range(len(rows.rows))]
    score = np.array([_f1(true, predicted, threshold) for true, predicted in boxes])
    overlays = []
    for i, typical in worst_and_typical(score, rows.truth.mask):
        image = row_image(rows, i)
        if image is None:
            break
        true, predicted = (tuple(_in_image(b, image.part) for b in some) for some in boxes[i])
        overlays.append(
            Overlay(
                row=rows.place(i),
                image=image.encoded,
                size=image.size,
                truth=Annotation(boxes=true),
                prediction=Annotation(boxes=predicted),
                score=float(score[i]),
                score_name="f1",
                typical=typical,
            )
        )
    return OutputOverlays(name=feature.name, overlays=tuple(overlays), threshold=threshold)


def _calibrated(scores: np.ndarray, calibration: Calibration) -> np.ndarray:
    if "slope" not in calibration:
        return scores
    return detection.apply_platt(scores, calibration["slope"], calibration["shift"])


def _row_boxes(feature: BoxesOutput, rows: OutputRows, i: int) -> tuple[tuple[OverlayBox, ...], tuple[OverlayBox, ...]]:
    """The true and the predicted boxes of a row, matched at an IoU of one half."""
    assert rows.truth.offsets is not None
    names, best = feature.class_names, rows.best
    true = rows.truth.values[rows.truth.offsets[i] : rows.truth.offsets[i + 1]]
    slots = np.flatnonzero(best["mask"][i])
    scores = _calibrated(best["scores"][i, slots], rows.calibration)
    order = np.argsort(-scores, kind="stable")[:MAX_BOXES]
    order = order[scores[order] >= MIN_CONFIDENCE]
    slots, scores = slots[order], scores[order]
    overlap = detection.iou(best["boxes"][i, slots], true[:, 1:])
    overlap[best["labels"][i, slots][:, None] != true[None, :, 0].astype(int)] = 0
    matched: dict[int, float] = {}  # true box -> confidence of its prediction
    predicted = []
    for n, slot in enumerate(slots):
        free = [-1.0 if j in matched else o for j, o in enumerate(overlap[n])]
        match = int(np.argmax(free)) if free else -1
        hit = match >= 0 and free[match] >= 0.5
        if hit:
            matched[match] = float(scores[n])
        left, top, right, bottom = map(float, best["boxes"][i, slot])
        name = names[int(best["labels"][i, slot])]
        predicted.append(OverlayBox(name, left, top, right, bottom, float(scores[n]), hit))
    truths = []
    for j, (label, left, top, right, bottom) in enumerate(true.tolist()):
        truths.append(OverlayBox(names[int(label)], left, top, right, bottom, matched.get(j)))
    return tuple(truths), tuple(predicted)


def _f1(truth: tuple[OverlayBox, ...], prediction: tuple[OverlayBox, ...], threshold: float) -> float:
    counted = [b for b in prediction if b.confidence is not None and b.confidence >= threshold]
    if not counted and not truth:
        return 1.0
    return 2 * sum(b.correct for b in counted) / (len(counted) + len(truth))


def _in_image(box: OverlayBox, part: tuple[float, float, float, float]) -> OverlayBox:
    """From shares of the encoded input to shares of the image without its letterbox."""
    top, left, height, width = part
    x = [min(max((v - left) / width, 0.0), 1.0) for v in (box.left, box.right)]
    y = [min(max((v - top) / height, 0.0), 1.0) for v in (box.top, box.bottom)]
    return box._replace(left=x[0], top=y[0], right=x[1], bottom=y[1])


# -- view ------------------------------------------------------------------------------------------------------------


def _mask_view(index: int, output: OutputOverlays, overlays: list[Overlay]) -> dict[str, Any]:
    return {
        "name": output.name,
        "of_masks": True,
        "overlays": [(f"o{index}-{i}", overlay) for i, overlay in enumerate(overlays)],
        "legend": [(shorten(k.name, 30), css(k.colour)) for k in output.legend],
        "marks_wrong": any(o.wrong is not None for o in overlays),
    }


def _box_view(output: OutputOverlays, overlays: list[Overlay]) -> dict[str, Any]:
    threshold = round(output.threshold, 2)
    true = [b for o in overlays for b in o.truth.boxes]
    return {
        "name": output.name,
        "of_masks": False,
        "threshold": threshold,
        "num_true": len(true),
        "num_found": sum(_is_shown(b, threshold) for b in true),
        "num_alarms": sum(_is_shown(b, threshold) and not b.correct for o in overlays for b in o.prediction.boxes),
        "overlays": [(_rectangles(overlay, threshold), overlay) for overlay in overlays],
    }


def _is_shown(box: OverlayBox, threshold: float) -> bool:
    return finite(box.confidence) and box.confidence >= threshold


class Rectangle(NamedTuple):
    """A box as it is drawn, in pixels of the image.

    Args:
        css: its classes.
        data: name and value of the attribute that the slider reads: "true" (confidence of the prediction that matches
            it) or "sure" (its own confidence).
        label: its name with the place and the height of the letters; None in crowded images.
    """

    css: str
    data: tuple[str, str]
    tooltip: str
    x: float
    y: float
    width: float
    height: float
    label: tuple[str, float, float, float] | None


def _rectangles(overlay: Overlay, threshold: float) -> list[Rectangle]:
    """True boxes first, so that predictions lie above them."""
    num_true = len(overlay.truth.boxes)
    crowded = num_true + len(overlay.prediction.boxes) > 2 * MAX_NAMED_BOXES
    true = [_true_box(b, overlay, threshold, num_true <= 2 * MAX_NAMED_BOXES) for b in overlay.truth.boxes]
    return true + [_predicted_box(b, overlay, threshold, not crowded) for b in overlay.prediction.boxes]


def _true_box(box: OverlayBox, overlay: Overlay, threshold: float, named: bool) -> Rectangle:
    state = "found" if _is_shown(box, threshold) else "missed"
    matched = f"{box.confidence:.3f}" if finite(box.confidence) else ""
    label = _label(shorten(box.name, 16), box, overlay, below=True) if named else None
    return Rectangle(state, ("true", matched), f"true: {shorten(box.name)}", *_sides(box, overlay), label)


def _predicted_box(box: OverlayBox, overlay: Overlay, threshold: float, named: bool) -> Rectangle:
    score = box.confidence if finite(box.confidence) else 1.0
    state = ("right" if box.correct else "alarm") + ("" if score >= threshold else " away")
    tooltip = f"{shorten(box.name)} {confidence(score)}" + ("" if box.correct else ", false alarm")
    label = _label(f"{shorten(box.name, 16)} {confidence(score)}", box, overlay) if named else None
    return Rectangle(state, ("sure", f"{score:.3f}"), tooltip, *_sides(box, overlay), label)


def _sides(box: OverlayBox, overlay: Overlay) -> tuple[float, float, float, float]:
    Y, X = overlay.size
    width, height = max((box.right - box.left) * X, 1), max((box.bottom - box.top) * Y, 1)
    return round(box.left * X, 1), round(box.top * Y, 1), round(width, 1), round(height, 1)


def _label(text: str, box: OverlayBox, overlay: Overlay, *, below: bool = False) -> tuple[str, float, float, float]:
    """A name at the upper edge of its box, or at the lower one; inside the image."""
    Y, X = overlay.size
    size = max(X, Y) / 26
    y = min(box.bottom * Y + size, Y - 2) if below else max(box.top * Y - size / 4, size)
    x = min(max(box.left * X, 1), max(X - len(text) * size * 0.55, 1))
    return text, round(x, 1), round(y, 1), round(size, 1)
