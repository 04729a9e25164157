"""Boxes over their pictures, matched with the true ones, and the figures and curve of each class."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from deepglass.features.base import Calibration
from deepglass.features.boxes import SHOWN, Boxes
from deepglass.introspect.rows import OutputRows, row_image
from deepglass.metrics import detection
from deepglass.report.facts_of.cases import cases
from deepglass.report.facts_of.curves import curves, line
from deepglass.report.image_facts import Box, Curves, Drawn, Overlay

NOTICED = 0.05  # boxes below this confidence are not drawn
MOST = 80  # a picture


def boxes(feature: Boxes, seen: OutputRows) -> dict[str, Any]:
    calibrated = lambda scores: _confidence(scores, seen.calibration)  # noqa: E731
    at = float(seen.calibration.get("threshold", SHOWN))
    matches = feature.matches(seen.best, seen.truth)
    drawn = [_row_boxes(feature, seen, i, calibrated) for i in range(len(seen.rows))]
    score = np.array([_f1(truth, answer, at) for truth, answer in drawn])
    overlays = []
    for i, typical in cases(score, seen.truth.mask):
        picture = row_image(seen, i)
        if picture is None:
            break
        truth, answer = (tuple(_moved(b, picture.part) for b in found) for found in drawn[i])
        overlays.append(
            Overlay(
                row=seen.place(i),
                picture=picture.encoded,
                size=picture.size,
                truth=Drawn(boxes=truth),
                answer=Drawn(boxes=answer),
                score=float(score[i]),
                score_name="f1",
                typical=typical,
            )
        )
    precision = detection.average_precision(matches)  # (thresholds, K)
    return {
        "overlays": tuple(overlays),
        "show_from": at,
        "per_class": _box_figures(feature, matches, precision, calibrated(matches.scores) >= at),
        "curves": _box_curves(feature, matches, precision[0]),
    }


def _confidence(scores: np.ndarray, calibration: Calibration) -> np.ndarray:
    if "slope" not in calibration:
        return scores
    return detection.apply_platt(scores, calibration["slope"], calibration["shift"])


def _row_boxes(
    feature: Boxes, seen: OutputRows, i: int, calibrated: Callable[[np.ndarray], np.ndarray]
) -> tuple[tuple[Box, ...], tuple[Box, ...]]:
    """The true and the found boxes of a row, matched at an overlap of one half."""
    assert seen.truth.offsets is not None
    names = feature.class_names
    true = seen.truth.values[seen.truth.offsets[i] : seen.truth.offsets[i + 1]]
    best = seen.best
    slots = np.flatnonzero(best["mask"][i])
    sure = calibrated(best["scores"][i, slots])
    order = np.argsort(-sure, kind="stable")[:MOST]
    slots, sure = slots[order], sure[order]
    keep = sure >= NOTICED
    slots, sure = slots[keep], sure[keep]
    overlap = detection.iou(best["boxes"][i, slots], true[:, 1:])
    overlap[best["labels"][i, slots][:, None] != true[None, :, 0].astype(int)] = 0
    found: dict[int, float] = {}  # true box -> confidence of the answer that found it
    answers = []
    for n, slot in enumerate(slots):
        free = [-1.0 if j in found else o for j, o in enumerate(overlap[n])]
        match = int(np.argmax(free)) if free else -1
        hit = match >= 0 and free[match] >= 0.5
        if hit:
            found[match] = float(sure[n])
        left, top, right, bottom = map(float, best["boxes"][i, slot])
        answers.append(Box(names[int(best["labels"][i, slot])], left, top, right, bottom, float(sure[n]), hit))
    truths = []
    for j, (label, left, top, right, bottom) in enumerate(true.tolist()):
        truths.append(Box(names[int(label)], left, top, right, bottom, found.get(j)))
    return tuple(truths), tuple(answers)


def _f1(truth: tuple[Box, ...], answer: tuple[Box, ...], at: float) -> float:
    said = [b for b in answer if b.confidence is not None and b.confidence >= at]
    if not said and not truth:
        return 1.0
    return 2 * sum(b.correct for b in said) / (len(said) + len(truth))


def _moved(box: Box, part: tuple[float, float, float, float]) -> Box:
    """From shares of the encoded picture to shares of the part that is shown."""
    top, left, height, width = part
    x = [min(max((v - left) / width, 0.0), 1.0) for v in (box.left, box.right)]
    y = [min(max((v - top) / height, 0.0), 1.0) for v in (box.top, box.bottom)]
    return box._replace(left=x[0], top=y[0], right=x[1], bottom=y[1])


def _box_figures(
    feature: Boxes, matches: detection.Matches, precision: np.ndarray, row_image: np.ndarray
) -> dict[str, dict[str, float]]:
    figures = {}
    for k, name in enumerate(feature.class_names):
        mine = row_image & (matches.labels == k)
        hits, said, true = int(matches.hits[mine, 0].sum()), int(mine.sum()), int(matches.truths[k])
        if not said and not true:
            continue
        figures[name] = {
            "rows": float(true),
            "ap50": float(precision[0, k]),
            "ap50_95": float(precision[:, k].mean()),
            "recall": hits / true if true else float("nan"),
            "precision": hits / said if said else float("nan"),
        }
    return figures


def _box_curves(feature: Boxes, matches: detection.Matches, area: np.ndarray) -> Curves | None:
    lines = []
    for k, name in enumerate(feature.class_names):
        if matches.truths[k]:
            found = detection.curve(matches, k)
            lines.append(line(name, found.precision, found.recall, float(area[k]), int(matches.truths[k])))
    return curves(lines)
