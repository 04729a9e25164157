"""Predicted boxes over their images, the worst rows first, and the rectangles that the page draws."""

import numpy as np

from deepglass.features.outputs.base import Calibration
from deepglass.features.outputs.boxes import DEFAULT_THRESHOLD, BoxesOutput
from deepglass.formatting import finite
from deepglass.introspect.rows import OutputRows, row_image
from deepglass.metrics import detection
from deepglass.report.overlays import Annotation, OutputOverlays, Overlay, OverlayBox
from deepglass.report.row_selection import MAX_WORST, worst_and_typical

MIN_CONFIDENCE = 0.05  # of a box that is drawn
MAX_BOXES = 80  # drawn in an image


def box_overlays(feature: BoxesOutput, rows: OutputRows, max_worst: int = MAX_WORST) -> OutputOverlays:
    """Test images with true and predicted boxes and the F1 score of each, the worst first."""
    threshold = float(rows.calibration.get("threshold", DEFAULT_THRESHOLD))
    boxes = [_row_boxes(feature, rows, i) for i in range(len(rows.rows))]
    score = np.array([_f1(true, predicted, threshold) for true, predicted in boxes])
    overlays = []
    for i, typical in worst_and_typical(score, rows.truth.mask, max_worst):
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
