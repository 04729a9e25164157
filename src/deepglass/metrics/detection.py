"""Object detection metrics: average precision, precision-recall curves, and calibration of scores.

    predicted = ScoredBoxes(boxes, scores, labels, mask)     # (N, S, 4), (N, S), (N, S), (N, S)
    truth = BoxAnnotations(boxes, labels, offsets)           # concatenated, row i is offsets[i]:offsets[i + 1]
    average_precision(match(predicted, truth, classes=3))    # (10, K): IoU thresholds 0.5, 0.55 ... 0.95 by classes

Boxes are left, top, right, bottom, in the same unit for both.
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from deepglass.metrics.classes import binned_error

THRESHOLDS = np.linspace(0.5, 0.95, 10)  # of the IoU of a true positive
RECALLS = np.linspace(0, 1, 101)
BINS = 15  # of the calibration error, as in `metrics.ece`


class ScoredBoxes(NamedTuple):
    """Predicted boxes, S slots per image.

    Shapes:
        boxes: (N, S, 4) float; scores: (N, S) float; labels: (N, S) int; mask: (N, S) bool, True = in use.
    """

    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray
    mask: np.ndarray


class BoxAnnotations(NamedTuple):
    """Concatenated target boxes of images.

    Shapes:
        boxes: (total, 4) float; labels: (total,) int; offsets: (N + 1,) int.
    """

    boxes: np.ndarray
    labels: np.ndarray
    offsets: np.ndarray


class Matches(NamedTuple):
    """All predicted boxes by falling score, and whether each is a true positive.

    Shapes:
        scores, labels, rows: (M,); hits: (M, thresholds) bool; truths: (K,) int, target boxes per class.
    """

    scores: np.ndarray
    labels: np.ndarray
    rows: np.ndarray
    hits: np.ndarray
    truths: np.ndarray


class Curve(NamedTuple):
    """Precision-recall curve: precision and recall at each score, in falling order; (M,) each."""

    precision: np.ndarray
    recall: np.ndarray
    scores: np.ndarray


def iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Intersection over union of each box with each, (M, 4) and (T, 4) -> (M, T)."""
    low, high = np.maximum(a[:, None, :2], b[None, :, :2]), np.minimum(a[:, None, 2:], b[None, :, 2:])
    intersection = np.maximum(high - low, 0).prod(-1)
    union = (a[:, 2:] - a[:, :2]).prod(-1)[:, None] + (b[:, 2:] - b[:, :2]).prod(-1)[None] - intersection
    return intersection / np.maximum(union, 1e-12)


def match(detections: ScoredBoxes, truth: BoxAnnotations, classes: int, thresholds: np.ndarray = THRESHOLDS) -> Matches:
    """Greedy matching in each image: boxes by falling score take the free target of their class with the largest IoU; a
    true positive has at least the threshold.

    Source: Everingham et al., 2010 (VOC); Lin et al., 2014, arXiv 1405.0312 (COCO), its rule for ties and order.
    """
    rows, slots = np.nonzero(detections.mask)
    scores, labels, boxes = (
        detections.scores[rows, slots],
        detections.labels[rows, slots],
        detections.boxes[rows, slots],
    )
    order = np.argsort(-scores, kind="stable")
    rows, scores, labels, boxes = rows[order], scores[order], labels[order], boxes[order]
    hits = np.zeros((len(rows), len(thresholds)), bool)
    of_row = np.argsort(rows, kind="stable")
    starts = np.searchsorted(rows[of_row], np.arange(len(detections.mask) + 1))
    for row in range(len(detections.mask)):
        predicted, targets = of_row[starts[row] : starts[row + 1]], slice(truth.offsets[row], truth.offsets[row + 1])
        if len(predicted) and targets.stop > targets.start:
            overlap = iou(boxes[predicted], truth.boxes[targets])
            overlap[labels[predicted][:, None] != truth.labels[targets][None]] = 0
            hits[predicted] = _greedy(overlap, thresholds)
    return Matches(scores, labels, rows, hits, np.bincount(truth.labels.astype(np.int64), minlength=classes))


def _greedy(overlap: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """Which boxes (rows of `overlap`, by falling score) match a target (columns), for each threshold."""
    hits = np.zeros((len(overlap), len(thresholds)), bool)
    free = np.ones((len(thresholds), overlap.shape[1]), bool)
    every = np.arange(len(thresholds))
    for i in np.flatnonzero(overlap.max(1) >= thresholds[0]):
        available = np.where(free, overlap[i], -1.0)  # (thresholds, T)
        nearest = available.argmax(1)
        hit = available[every, nearest] >= thresholds
        free[every[hit], nearest[hit]] = False
        hits[i] = hit
    return hits


def matches_by_image(matches: Matches, rows: np.ndarray, images: int) -> dict[str, np.ndarray]:
    """Matches as arrays of images, each image's boxes by falling score: `mask`, `scores`, `labels` (N, S), and `hits`
    (N, S, thresholds).

    Args:
        rows: index of the image of each row of the matches.
        images: N.
    """
    order, counts = np.argsort(matches.rows, kind="stable"), np.bincount(matches.rows, minlength=len(rows))
    slots = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
    place = rows[matches.rows[order]], slots
    shape = (images, int(counts.max(initial=1)))
    filled = {"mask": np.ones(len(order), bool), "scores": matches.scores, "labels": matches.labels}
    result = {}
    for name, values in {**filled, "hits": matches.hits}.items():
        result[name] = np.zeros((*shape, *values.shape[1:]), values.dtype)
        result[name][place] = values[order]
    return result


def joined_matches(images: Mapping[str, np.ndarray]) -> Matches:
    """The matches of some images by `matches_by_image`, and `truths` (N, K), their target boxes of each class."""
    rows, slots = np.nonzero(images["mask"])
    order = np.argsort(-images["scores"][rows, slots], kind="stable")
    rows, slots = rows[order], slots[order]
    scores, labels, hits = (images[name][rows, slots] for name in ("scores", "labels", "hits"))
    return Matches(scores, labels, rows, hits, images["truths"].sum(0))


def average_precision(matches: Matches) -> np.ndarray:
    """Average precision of each class, (thresholds, K); NaN for a class without targets.

    Precision is interpolated at 101 recalls, as in COCO.
    """
    result = np.full((matches.hits.shape[1], len(matches.truths)), np.nan)
    for k in np.flatnonzero(matches.truths):
        hits = matches.hits[matches.labels == k]
        true_positives = hits.cumsum(0)
        recall = true_positives / matches.truths[k]
        precision = true_positives / np.arange(1, len(hits) + 1)[:, None]
        for t in range(hits.shape[1]):
            result[t, k] = _area(precision[:, t], recall[:, t])
    return result


def _area(precision: np.ndarray, recall: np.ndarray) -> float:
    falling = np.maximum.accumulate(precision[::-1])[::-1]
    index = np.searchsorted(recall, RECALLS, side="left")
    return float(np.append(falling, 0.0)[index].mean())


def mean_average_precision(matches: Matches) -> dict[str, float]:
    """`map50` and `map50_95`: mean over the classes that occur, at an IoU of 0.5, and over 0.5 to 0.95."""
    precision = average_precision(matches)
    present = matches.truths > 0
    if not present.any():
        return {}
    return {"map50": float(precision[0, present].mean()), "map50_95": float(precision[:, present].mean())}


def curve(matches: Matches, label: int, threshold: int = 0) -> Curve:
    """Precision-recall curve of one class at one of the thresholds (0: an IoU of 0.5)."""
    is_label = matches.labels == label
    hits = matches.hits[is_label, threshold].cumsum()
    return Curve(hits / np.arange(1, len(hits) + 1), hits / max(matches.truths[label], 1), matches.scores[is_label])


def best_score(scores: np.ndarray, hits: np.ndarray, truths: int) -> float:
    """The score threshold of maximal F1.

    Shapes:
        scores: (M,) falling; hits: (M,) bool.
    """
    if not hits.any():
        return 0.5
    f1 = 2 * hits.cumsum() / (np.arange(1, len(hits) + 1) + truths)
    i = int(f1.argmax())
    below = scores[i + 1] if i + 1 < len(scores) else 0.0
    return float((scores[i] + below) / 2)


# -- scores as probabilities ---------------------------------------------------------------------------------------


class Platt(NamedTuple):
    """Probability = sigmoid(slope * logit(score) + shift), and the calibration error before and after."""

    slope: float
    shift: float
    ece_before: float
    ece_after: float


def apply_platt(scores: np.ndarray, slope: float, shift: float) -> np.ndarray:
    """Scores as probabilities of a true positive."""
    return 1 / (1 + np.exp(-np.clip(slope * _logit(scores) + shift, -50, 50)))


def fit_platt(scores: np.ndarray, hits: np.ndarray, rows: np.ndarray, folds: int = 5) -> Platt:
    """Platt scaling, if it improves the calibration error cross-fitted over images.

    Args:
        rows: image of each box, for the folds.

    Source: Platt, 1999; ours takes logits as input, with a weak prior at the identity.
    """
    before = calibration_error(scores, hits)
    unchanged = Platt(1.0, 0.0, before, before)
    folds = min(folds, len(np.unique(rows)))
    if folds < 2 or hits.all() or not hits.any():
        return unchanged
    x, y = _logit(scores), hits.astype(np.float64)
    fold_of = np.unique(rows, return_inverse=True)[1] % folds
    after = np.empty(len(scores))
    for fold in range(folds):
        held_out = fold_of == fold
        after[held_out] = apply_platt(scores[held_out], *_newton(x[~held_out], y[~held_out]))
    error = calibration_error(after, hits)
    return Platt(*_newton(x, y), before, error) if error < before else unchanged


def calibration_error(probs: np.ndarray, hits: np.ndarray) -> float:
    """Expected calibration error: |precision - probability|, averaged over the boxes of bins of equal width.

    Source: Guo et al., 2017, arXiv 1706.04599, eq. 3, of boxes instead of rows.
    """
    return binned_error(probs, hits, BINS) if len(hits) else 0.0


def _logit(scores: np.ndarray) -> np.ndarray:
    p = np.clip(scores.astype(np.float64), 1e-6, 1 - 1e-6)
    return np.log(p / (1 - p))


def _newton(x: np.ndarray, y: np.ndarray, steps: int = 50) -> tuple[float, float]:
    """Slope and shift of least log loss, with a weak prior at 1 and 0, by damped Newton steps."""
    beta, start = np.array([1.0, 0.0]), np.array([1.0, 0.0])
    design = np.stack([x, np.ones_like(x)], 1)

    def cost(beta: np.ndarray) -> float:
        z = design @ beta
        return float(np.logaddexp(0, z).sum() - y @ z + ((beta - start) ** 2).sum() / 2)

    for _ in range(steps):
        p = 1 / (1 + np.exp(-np.clip(design @ beta, -50, 50)))
        slope = design.T @ (p - y) + beta - start
        curvature = (design * (p * (1 - p))[:, None]).T @ design + np.eye(2)
        direction, size, current = np.linalg.solve(curvature, slope), 1.0, cost(beta)
        while cost(beta - size * direction) > current and size > 1e-4:
            size /= 2
        beta = beta - size * direction
        if math.isclose(float(np.abs(size * direction).max()), 0.0, abs_tol=1e-8):
            break
    return float(beta[0]), float(beta[1])
