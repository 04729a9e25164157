"""Classification metrics: one class or several labels per row.

accuracy(labels, predicted)            labels and predicted: (N,) int codes 0..K-1
log_loss(labels, log_probs)            log_probs: (N, K) float, or (N,) probabilities of class 1 where it says so
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from deepglass.metrics.numbers import finite

MAX_BLOCK_VALUES = 4_000_000  # of a temporary array


class ClassCurve(NamedTuple):
    """The precision-recall curve of one class.

    Args:
        name: of the class.
        precision: at each recall.
        recall: ascending.
        area: area under the curve, the average precision.
        positives: number of positive rows.

    Shapes:
        precision, recall: (T,) float.
    """

    name: str
    precision: np.ndarray
    recall: np.ndarray
    area: float
    positives: int


def confusion_matrix(labels: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Confusion matrix: rows by true class (row) and predicted class (column), (K, K) int64."""
    joint = labels.astype(np.int64) * classes + predicted.astype(np.int64)
    return np.bincount(joint, minlength=classes * classes).reshape(classes, classes)


def accuracy(labels: np.ndarray, predicted: np.ndarray) -> float:
    """Share of rows with the correct class."""
    return float(np.mean(labels == predicted)) if len(labels) else math.nan


def balanced_accuracy(labels: np.ndarray, predicted: np.ndarray) -> float:
    """Mean recall of the classes that occur."""
    if not len(labels):
        return math.nan
    hits, occurring, _ = _class_counts(labels, predicted)
    present = occurring > 0
    return float(np.mean(hits[present] / occurring[present]))


def f1_macro(labels: np.ndarray, predicted: np.ndarray) -> float:
    """Mean F1, 2 TP / (2 TP + FP + FN), over the classes that occur or are predicted."""
    if not len(labels):
        return math.nan
    hits, occurring, predictions = _class_counts(labels, predicted)
    totals = occurring + predictions
    present = totals > 0
    return float(np.mean(2 * hits[present] / totals[present]))


def _class_counts(labels: np.ndarray, predicted: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows of each class that are predicted correctly, that are of the class, and that are predicted as it."""
    classes = 1 + int(max(labels.max(), predicted.max()))
    hits = labels[labels == predicted]
    counts = [np.bincount(codes.astype(np.int64), minlength=classes) for codes in (hits, labels, predicted)]
    return counts[0], counts[1], counts[2]


def roc_auc(labels: np.ndarray, scores: np.ndarray) -> float:
    """Area under the ROC curve: probability that a positive row scores above a negative one; ties count half.

    Args:
        scores: (N,) of class 1 for two classes, or (N, K): the mean over the classes that occur, each against the
            rest.
    """
    if scores.ndim == 2:
        aucs = [_auc(labels == k, scores[:, k]) for k in np.unique(labels).tolist()]
        aucs = [auc for auc in aucs if not math.isnan(auc)]
        return float(np.mean(aucs)) if aucs else math.nan
    return _auc(labels == 1, scores)


def equal_error_rate(labels: np.ndarray, scores: np.ndarray) -> float:
    """Equal error rate: the error at the threshold where false rejection and false acceptance rates are equal.

    Linear between two thresholds.

    Shapes:
        labels: (N,), 1 = positive; scores: (N,) float, higher for positive rows.
    """
    positive = labels == 1
    P, N = int(positive.sum()), int((~positive).sum())
    if not P or not N:
        return math.nan
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)  # equal scores share a threshold
    false_reject = np.append(1.0, 1 - np.cumsum(positive[order])[ends] / P)  # falls from 1 to 0
    false_accept = np.append(0.0, np.cumsum(~positive[order])[ends] / N)  # rises from 0 to 1
    i = int(np.argmax(false_accept >= false_reject))
    gap = false_reject - false_accept  # the first at which it is not above 0
    weight = gap[i - 1] / (gap[i - 1] - gap[i])
    return float(false_accept[i - 1] + weight * (false_accept[i] - false_accept[i - 1]))


def average_precision(labels: np.ndarray, scores: np.ndarray) -> float:
    """Average precision: mean over the positive rows of the precision at their score; ties share a threshold.

    Shapes:
        labels: (N,), 1 = positive; scores: (N,) float.
    """
    positive = labels == 1
    if not positive.any():
        return math.nan
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)
    hits = np.cumsum(positive[order])[ends]
    return float((np.diff(hits, prepend=0) * hits / (ends + 1)).sum() / positive.sum())


def log_loss(labels: np.ndarray, log_probs: np.ndarray, weights: np.ndarray | None = None) -> float:
    """Mean negative log probability of the true class, in nats; log_probs: (N, K), `weights` (N,) of the rows."""
    if not len(labels):
        return math.nan
    return float(-np.average(_of_label(log_probs, labels).astype(np.float64), weights=weights))


def brier(labels: np.ndarray, probs: np.ndarray, weights: np.ndarray | None = None) -> float:
    """Brier score: mean squared error of the probabilities; probs: (N,) of class 1, or (N, K); `weights` (N,) of rows.

    Summed over the classes, halved for two classes, so that probabilities of one half score 0.25.

    Source: Brier, 1950.
    """
    if not len(labels):
        return math.nan
    if probs.ndim == 1:
        return float(np.average((probs - (labels == 1)) ** 2, weights=weights))
    distance = np.average(_squared_distances(labels, probs), weights=weights)
    return float(distance / 2 if probs.shape[1] == 2 else distance)


def _squared_distances(labels: np.ndarray, probs: np.ndarray) -> np.ndarray:
    """sum_k (p_k - y_k)^2 = sum_k p_k^2 - 2 p_label + 1 of each row, (N,)."""
    return np.asarray((probs**2).sum(1) - 2 * _of_label(probs, labels) + 1)


def ece(labels: np.ndarray, probs: np.ndarray, bins: int = 15, weights: np.ndarray | None = None) -> float:
    """Expected calibration error: |accuracy - confidence|, averaged over the rows of bins of equal width.

    Confidence is that of the most probable class; probs: (N, K), `weights` (N,) of the rows.

    Source: Guo et al., 2017, arXiv 1706.04599, eq. 3; 15 bins as there.
    """
    if not len(labels):
        return math.nan
    return binned_error(probs.max(1).astype(np.float64), probs.argmax(1) == labels, bins, weights)


def binned_error(
    confidence: np.ndarray, correct: np.ndarray, bins: int = 15, weights: np.ndarray | None = None
) -> float:
    """Mean distance between confidence and accuracy over bins of equal width, weighted by their rows."""
    bin_of = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)  # bins are open on the left
    distance = correct - confidence if weights is None else (correct - confidence) * weights
    gap = np.bincount(bin_of, weights=distance, minlength=bins)
    return float(np.abs(gap).sum() / (len(correct) if weights is None else weights.sum()))


def classification(labels: np.ndarray, log_probs: np.ndarray, predicted: np.ndarray | None = None) -> dict[str, float]:
    """All metrics of one class per row; `predicted` if it is not the most probable class.

    Shapes:
        labels: (N,) int; log_probs: (N, K) float; predicted: (N,) int.
    """
    if not len(labels):
        return {}
    predicted = log_probs.argmax(1) if predicted is None else predicted
    distances, confidences, correct = [], [], []
    for rows in row_blocks(log_probs.shape):
        probs = np.exp(log_probs[rows])
        distances.append(_squared_distances(labels[rows], probs))
        confidences.append(probs.max(1).astype(np.float64))
        correct.append(probs.argmax(1) == labels[rows])
    distance = np.mean(np.concatenate(distances))
    return finite(
        accuracy=accuracy(labels, predicted),
        balanced_accuracy=balanced_accuracy(labels, predicted),
        f1_macro=f1_macro(labels, predicted),
        roc_auc=roc_auc(labels, log_probs),
        log_loss=log_loss(labels, log_probs),
        brier=float(distance / 2 if log_probs.shape[1] == 2 else distance),
        ece=binned_error(np.concatenate(confidences), np.concatenate(correct)),
    )


def row_blocks(shape: tuple[int, ...]) -> Iterator[slice]:
    """Blocks of rows of an array (N, K), so that temporary arrays stay small: 10,000 classes are 40 kB a row."""
    size = max(1, MAX_BLOCK_VALUES // max(shape[1], 1))
    return (slice(start, start + size) for start in range(0, shape[0], size))


def multi_label(truth: np.ndarray, scores: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """All metrics of several labels per row: `map` from the scores, the others from the predicted labels.

    `accuracy` is the share of rows with all labels correct. Labels without a true row do not count in `map`, labels
    without true and predicted rows not in F1.

    Shapes:
        truth, predicted: (N, K) bool; scores: (N, K) float.
    """
    if not len(truth):
        return {}
    occurring = np.flatnonzero(truth.any(0))
    hits, totals = (truth & predicted).sum(0), truth.sum(0) + predicted.sum(0)
    precisions = [average_precision(truth[:, k], scores[:, k]) for k in occurring]
    return finite(
        map=float(np.mean(precisions)) if precisions else math.nan,
        f1_macro=float(np.mean(2 * hits[totals > 0] / totals[totals > 0])) if totals.any() else math.nan,
        f1_micro=float(2 * hits.sum() / totals.sum()) if totals.any() else math.nan,
        accuracy=float((truth == predicted).all(1).mean()),
    )


def _auc(positive: np.ndarray, scores: np.ndarray) -> float:
    """Mann-Whitney U over the number of pairs."""
    n1 = int(positive.sum())
    n0 = len(positive) - n1
    if n1 == 0 or n0 == 0:
        return math.nan
    ordered, own = np.sort(scores), np.sort(scores[positive])
    first, last = (np.searchsorted(ordered, own, side) for side in ("left", "right"))
    ranks = (first + 1 + last) / 2  # tied scores share their mean rank
    return float((ranks.sum() - n1 * (n1 + 1) / 2) / (n1 * n0))


def _of_label(values: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return values[np.arange(len(labels)), labels]
