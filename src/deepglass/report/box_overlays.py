"""Predicted boxes over their images, the worst rows first, and the rectangles that the page draws."""

from typing import NamedTuple

import numpy as np

from deepglass.features.outputs.base import Calibration
from deepglass.features.outputs.boxes import DEFAULT_THRESHOLD, BoxesOutput
from deepglass.formatting import confidence, finite
from deepglass.introspect.rows import OutputRows, row_image
from deepglass.metrics import detection
from deepglass.report.overlays import Annotation, OutputOverlays, Overlay, OverlayBox
from deepglass.report.row_selection import worst_and_typical
from deepglass.report.templates import shorten

MAX_NAMED_BOXES = 10  # true and predicted ones each; in an image of more boxes none is named
MIN_CONFIDENCE = 0.05  # of a box that is drawn
MAX_BOXES = 80  # drawn in an image


def box_overlays(feature: BoxesOutput, rows: OutputRows) -> OutputOverlays:
    """Test images with true and predicted boxes and the F1 score of each, the worst first."""
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


def is_visible(box: OverlayBox, threshold: float) -> bool:
    """Whether a predicted box, or the match of a true box, reaches the confidence."""
    return finite(box.confidence) and box.confidence >= threshold


class Rectangle(NamedTuple):
    """A box as it is drawn, in pixels of the image.

    Args:
        css: its classes.
        data: name and value of the attribute that the slider reads: "match" (confidence of the prediction that matches
            a true box) or "confidence" (that of a predicted box).
        label: its name with the position and the height of the letters; None in crowded images.
    """

    css: str
    data: tuple[str, str]
    tooltip: str
    x: float
    y: float
    width: float
    height: float
    label: tuple[str, float, float, float] | None


def rectangles(overlay: Overlay, threshold: float) -> list[Rectangle]:
    """True boxes first, so that predictions lie above them."""
    num_true = len(overlay.truth.boxes)
    crowded = num_true + len(overlay.prediction.boxes) > 2 * MAX_NAMED_BOXES
    true = [_true_box(b, overlay, threshold, num_true <= 2 * MAX_NAMED_BOXES) for b in overlay.truth.boxes]
    return true + [_predicted_box(b, overlay, threshold, not crowded) for b in overlay.prediction.boxes]


def _true_box(box: OverlayBox, overlay: Overlay, threshold: float, named: bool) -> Rectangle:
    state = "matched" if is_visible(box, threshold) else "missed"
    matched = f"{box.confidence:.3f}" if finite(box.confidence) else ""
    label = _label(shorten(box.name, 16), box, overlay, below=True) if named else None
    return Rectangle(state, ("match", matched), f"true: {shorten(box.name)}", *_sides(box, overlay), label)


def _predicted_box(box: OverlayBox, overlay: Overlay, threshold: float, named: bool) -> Rectangle:
    score = box.confidence if finite(box.confidence) else 1.0
    state = ("correct" if box.correct else "false-alarm") + ("" if score >= threshold else " below-threshold")
    tooltip = f"{shorten(box.name)} {confidence(score)}" + ("" if box.correct else ", false alarm")
    label = _label(f"{shorten(box.name, 16)} {confidence(score)}", box, overlay) if named else None
    return Rectangle(state, ("confidence", f"{score:.3f}"), tooltip, *_sides(box, overlay), label)


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
