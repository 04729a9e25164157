"""Predicted masks over their images, the worst rows first."""

import numpy as np

from deepglass.features.outputs._dense import crop_to_frame
from deepglass.features.outputs.mask import MaskOutput
from deepglass.formatting import percent
from deepglass.introspect.rows import OutputRows, row_image
from deepglass.report.overlays import Annotation, OutputOverlays, Overlay
from deepglass.report.row_selection import MAX_WORST, worst_and_typical
from deepglass.web import encode_image
from deepglass.web.palette import colour, css

MIN_CONFUSION = 0.005  # share of an image, from which on its most frequent mistake is named
WRONG_COLOUR = (255, 60, 20)


def class_colours(feature: MaskOutput, rows: OutputRows) -> tuple[tuple[str, str], ...]:
    """The classes that occur in the test rows, and their CSS colours."""
    return _legend(feature, _confusions(feature, rows))


def mask_overlays(feature: MaskOutput, rows: OutputRows, max_worst: int = MAX_WORST) -> OutputOverlays:
    """Test images with true and predicted mask and the intersection over union of each, the worst first."""
    colours = tuple(colour(k) for k in range(len(feature.class_names)))
    counts = _confusions(feature, rows)
    right = np.diagonal(counts, axis1=1, axis2=2)
    union = counts.sum(2) + counts.sum(1) - right
    present = counts.sum(2) > 0
    iou = np.divide(right, union, out=np.zeros_like(right), where=union > 0)
    score = np.where(present, iou, 0).sum(1) / np.maximum(present.sum(1), 1)
    overlays = []
    for i, typical in worst_and_typical(score, rows.truth.mask & present.any(1), max_worst):
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


def _confusions(feature: MaskOutput, rows: OutputRows) -> np.ndarray:
    """Pixels of each row by true and predicted class, (N, K, K)."""
    counts: np.ndarray = feature.for_scoring(rows.best, rows.truth)[0]["counts"]
    return counts.astype(float)


def _legend(feature: MaskOutput, counts: np.ndarray) -> tuple[tuple[str, str], ...]:
    occurs = counts.sum((0, 2)) + counts.sum((0, 1)) > 0
    return tuple((name, css(colour(k))) for k, name in enumerate(feature.class_names) if occurs[k])


def _most_confused(counts: np.ndarray, names: tuple[str, ...]) -> str:
    """The most frequent mistake of an image, such as "road predicted as pavement, 12 % of the image"."""
    wrong = counts * (1 - np.eye(len(counts)))
    share = wrong.max(initial=0) / max(counts.sum(), 1)
    if share < MIN_CONFUSION:
        return ""
    true, predicted = divmod(int(wrong.argmax()), len(counts))
    return f"{names[true]} predicted as {names[predicted]}, {percent(share, 0)} of the image"
