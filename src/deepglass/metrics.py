"""How good answers are: plain functions of numpy arrays, the truth first.

    accuracy(labels, predicted)            labels and predicted: (N,) int codes 0..K-1
    log_loss(labels, log_probs)            log_probs: (N, K) float, or (N,) probabilities of class 1 where it says so
    r2(truth, predicted)                   truth and predicted: (N,) or (N, D) float

A figure that the rows cannot give is NaN (no rows, one class only, a truth without spread), and the two summaries
`classification` and `regression` leave such figures out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

# -- classes -------------------------------------------------------------------------------------------------------


def confusion_matrix(labels: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """How often each true class (row) was taken for each class (column), (K, K) int64."""
    joint = labels.astype(np.int64) * classes + predicted.astype(np.int64)
    return np.bincount(joint, minlength=classes * classes).reshape(classes, classes)


def accuracy(labels: np.ndarray, predicted: np.ndarray) -> float:
    """The share of rows whose class was found."""
    return float(np.mean(labels == predicted)) if len(labels) else math.nan


def balanced_accuracy(labels: np.ndarray, predicted: np.ndarray) -> float:
    """The mean, over the classes that occur, of the share of their rows that was found."""
    if not len(labels):
        return math.nan
    counts = confusion_matrix(labels, predicted, 1 + int(max(labels.max(), predicted.max())))
    present = counts.sum(1) > 0
    return float(np.mean(counts.diagonal()[present] / counts.sum(1)[present]))


def f1_macro(labels: np.ndarray, predicted: np.ndarray) -> float:
    """The mean, over the classes that occur or were predicted, of 2 TP / (2 TP + FP + FN)."""
    if not len(labels):
        return math.nan
    counts = confusion_matrix(labels, predicted, 1 + int(max(labels.max(), predicted.max())))
    both = counts.sum(0) + counts.sum(1)
    present = both > 0
    return float(np.mean(2 * counts.diagonal()[present] / both[present]))


def roc_auc(labels: np.ndarray, scores: np.ndarray) -> float:
    """The chance that a row of a class is scored above a row of the others; half for ties.

    Args:
        scores: (N,) of class 1 for two classes, or (N, K): the mean over the classes that occur, each against the
            rest.
    """
    if scores.ndim == 2:
        found = [_auc(labels == k, scores[:, k]) for k in range(scores.shape[1])]
        found = [auc for auc in found if not math.isnan(auc)]
        return float(np.mean(found)) if found else math.nan
    return _auc(labels == 1, scores)


def _auc(positive: np.ndarray, scores: np.ndarray) -> float:
    """Mann and Whitney's U over the number of pairs."""
    n1 = int(positive.sum())
    n0 = len(positive) - n1
    if n1 == 0 or n0 == 0:
        return math.nan
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]  # tied scores share their mean rank
    return float((ranks[positive].sum() - n1 * (n1 + 1) / 2) / (n1 * n0))


def equal_error_rate(labels: np.ndarray, scores: np.ndarray) -> float:
    """The share of errors where as many of the positive rows are refused as of the others are accepted.

    Between two thresholds the errors lie on a straight line.

    Shapes:
        labels: (N,), 1 = positive; scores: (N,) float, higher for positive rows.
    """
    positive = labels == 1
    P, N = int(positive.sum()), int((~positive).sum())
    if not P or not N:
        return math.nan
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)  # equal scores are accepted together
    refused = np.append(1.0, 1 - np.cumsum(positive[order])[ends] / P)  # falls from 1 to 0
    accepted = np.append(0.0, np.cumsum(~positive[order])[ends] / N)  # rises from 0 to 1
    i = int(np.argmax(accepted >= refused))
    gap = refused - accepted  # the first at which it is not above 0
    part = gap[i - 1] / (gap[i - 1] - gap[i])
    return float(accepted[i - 1] + part * (accepted[i] - accepted[i - 1]))


def average_precision(labels: np.ndarray, scores: np.ndarray) -> float:
    """The mean precision at which each positive row is found when rows come by falling score; ties come together.

    Shapes:
        labels: (N,), 1 = positive; scores: (N,) float.
    """
    positive = labels == 1
    if not positive.any():
        return math.nan
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)
    found = np.cumsum(positive[order])[ends]
    return float((np.diff(found, prepend=0) * found / (ends + 1)).sum() / positive.sum())


def log_loss(labels: np.ndarray, log_probs: np.ndarray) -> float:
    """Minus the mean log probability of the true class, in nats; log_probs: (N, K)."""
    return float(-np.mean(_of_label(log_probs, labels).astype(np.float64))) if len(labels) else math.nan


def brier(labels: np.ndarray, probs: np.ndarray) -> float:
    """The mean squared distance between probabilities and truth; probs: (N,) of class 1, or (N, K).

    Summed over the classes, and halved for two, as is usual: 0.25 for a coin.

    Source: Brier, 1950.
    """
    if not len(labels):
        return math.nan
    if probs.ndim == 1:
        return float(np.mean((probs - (labels == 1)) ** 2))
    # sum_k (p_k - y_k)^2 = sum_k p_k^2 - 2 p_label + 1
    distance = np.mean((probs**2).sum(1) - 2 * _of_label(probs, labels) + 1)
    return float(distance / 2 if probs.shape[1] == 2 else distance)


def ece(labels: np.ndarray, probs: np.ndarray, bins: int = 15) -> float:
    """Expected calibration error: |accuracy - confidence|, averaged over the rows of bins of equal width.

    Confidence is that of the most probable class; probs: (N, K).

    Source: Guo et al., 2017, arXiv 1706.04599, eq. 3; 15 bins as there.
    """
    if not len(labels):
        return math.nan
    confidence, right = probs.max(1).astype(np.float64), probs.argmax(1) == labels
    bin_of = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)  # bins are open on the left
    gap = np.bincount(bin_of, weights=right - confidence, minlength=bins)
    return float(np.abs(gap).sum() / len(labels))


def _of_label(values: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return values[np.arange(len(labels)), labels]


# -- masks and pictures --------------------------------------------------------------------------------------------


def class_figures(counts: np.ndarray) -> dict[str, np.ndarray]:
    """For each class of a segmentation its iou, precision, recall and share of the true pixels, (K,) each.

    A figure that the pixels cannot give is NaN. Intersection over union is TP / (TP + FP + FN).

    Args:
        counts: (K, K) pixels, true classes in rows.
    """
    right, true, said = counts.diagonal().astype(np.float64), counts.sum(1), counts.sum(0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return {
            "iou": right / (true + said - right),
            "precision": right / said,
            "recall": right / true,
            "share": true / counts.sum(),
        }


def segmentation(counts: np.ndarray) -> dict[str, float]:
    """miou (the mean over the classes that occur or were answered) and pixel_accuracy; counts: (K, K)."""
    if not counts.sum():
        return {}
    ious = class_figures(counts)["iou"]
    return {"miou": float(np.nanmean(ious)), "pixel_accuracy": float(counts.trace() / counts.sum())}


def psnr(squared_error: np.ndarray) -> float:
    """Peak signal-to-noise ratio in decibels, the mean over the pictures; a perfect one counts as 100.

    Args:
        squared_error: (N,) the mean of each picture, its range being 0 to 1.
    """
    decibels = -10 * np.log10(np.maximum(squared_error.astype(np.float64), 1e-10))
    return float(np.mean(decibels)) if len(decibels) else math.nan


# -- heaps of rows -------------------------------------------------------------------------------------------------


def frechet_distance(a: np.ndarray, b: np.ndarray) -> float:
    """How far two heaps of rows are apart, each taken for a Normal with its own mean and covariance; squared.

    Of a network's features it tells how well drawn pictures fit real ones; a heap should have more rows than columns.

    Shapes:
        a: (N, D); b: (M, D), float.

    Source: Frechet, 1957; of features, Heusel et al., 2017, arXiv 1706.08500, eq. 6.
    """
    a, b = _f64(a), _f64(b)
    if len(a) < 2 or len(b) < 2:
        return math.nan
    first, second = (np.atleast_2d(np.cov(rows, rowvar=False)) for rows in (a, b))
    values, vectors = np.linalg.eigh(first)
    root = vectors * np.sqrt(values.clip(0)) @ vectors.T
    # tr sqrt(first second) = tr sqrt(root second root), which is symmetric
    shared = np.sqrt(np.linalg.eigvalsh(root @ second @ root).clip(0)).sum()
    apart = ((a.mean(0) - b.mean(0)) ** 2).sum()
    return float(max(apart + first.trace() + second.trace() - 2 * shared, 0.0))


# -- numbers -------------------------------------------------------------------------------------------------------


def mse(truth: np.ndarray, predicted: np.ndarray) -> float:
    """The mean squared error, in the truth's unit squared."""
    return float(np.mean((_f64(truth) - _f64(predicted)) ** 2)) if len(truth) else math.nan


def rmse(truth: np.ndarray, predicted: np.ndarray) -> float:
    """The root of the mean squared error, in the truth's unit."""
    return math.sqrt(mse(truth, predicted))


def mae(truth: np.ndarray, predicted: np.ndarray) -> float:
    """The mean absolute error, in the truth's unit."""
    return float(np.mean(np.abs(_f64(truth) - _f64(predicted)))) if len(truth) else math.nan


def r2(truth: np.ndarray, predicted: np.ndarray) -> float:
    """One minus the squared error over that of these rows' mean; of several columns, the mean of theirs."""
    truth, predicted = _f64(truth), _f64(predicted)
    if len(truth) < 2:
        return math.nan
    total = ((truth - truth.mean(0)) ** 2).sum(0)
    error = ((truth - predicted) ** 2).sum(0)
    spread = total > 0
    return float(np.mean(1 - error[spread] / total[spread])) if spread.any() else math.nan


def coverage(truth: np.ndarray, low: np.ndarray, high: np.ndarray) -> float:
    """The share of rows whose truth lies within the interval that was given."""
    return float(np.mean((_f64(truth) >= low) & (_f64(truth) <= high))) if len(truth) else math.nan


# -- texts ---------------------------------------------------------------------------------------------------------


def error_rate(truth: Sequence[Sequence[Hashable]], found: Sequence[Sequence[Hashable]]) -> float:
    """Insertions, deletions and replacements that lead from what was found to the truth, a unit of the truth.

    Of lists of words it is the word error rate, of texts the character error rate; it may exceed 1.

    Source: Levenshtein, 1966, Soviet Physics Doklady 10.
    """
    total = sum(map(len, truth))
    return sum(edits(t, f) for t, f in zip(truth, found, strict=True)) / total if total else math.nan


def edits(a: Sequence[Hashable], b: Sequence[Hashable]) -> int:
    """The least number of insertions, deletions and replacements between two sequences."""
    codes: dict[Hashable, int] = {}
    x = np.array([codes.setdefault(item, len(codes)) for item in a])
    places = np.arange(len(a) + 1)
    row = places
    for item in b:
        new = np.empty_like(row)
        new[0] = row[0] + 1
        np.minimum(row[1:] + 1, row[:-1] + (x != codes.get(item, -1)), out=new[1:])
        row = np.minimum.accumulate(new - places) + places  # an insertion costs one for each place
    return int(row[-1])


def bleu(truth: Sequence[str], found: Sequence[str]) -> float:
    """How much of the n-grams of what was written stands in the truth, 0 to 100, over all rows together.

    Source: Papineni et al., 2002, ACL; as sacrebleu takes it (Post, 2018, arXiv 1804.08771), which must be installed.
    """
    import sacrebleu

    return float(sacrebleu.corpus_bleu(list(found), [list(truth)]).score)


def _f64(values: np.ndarray) -> np.ndarray:
    return values.astype(np.float64, copy=False)


# -- summaries -----------------------------------------------------------------------------------------------------


def classification(labels: np.ndarray, log_probs: np.ndarray, predicted: np.ndarray | None = None) -> dict[str, float]:
    """All figures for classes; `predicted` where the answer is not simply the most probable class.

    Shapes:
        labels: (N,) int; log_probs: (N, K) float; predicted: (N,) int.
    """
    probs = np.exp(log_probs)
    predicted = log_probs.argmax(1) if predicted is None else predicted
    return _finite(
        accuracy=accuracy(labels, predicted),
        balanced_accuracy=balanced_accuracy(labels, predicted),
        f1_macro=f1_macro(labels, predicted),
        roc_auc=roc_auc(labels, log_probs),
        log_loss=log_loss(labels, log_probs),
        brier=brier(labels, probs),
        ece=ece(labels, probs),
    )


def multi_label(truth: np.ndarray, scores: np.ndarray, chosen: np.ndarray) -> dict[str, float]:
    """All figures for several labels a row: `map` from the order, the others from what was chosen.

    `accuracy` is the share of rows whose every label is right. Labels that no row has say nothing about the order;
    one that no row has and none was given says nothing about F1 either.

    Shapes:
        truth, chosen: (N, K) bool; scores: (N, K) float.
    """
    if not len(truth):
        return {}
    occurring = np.flatnonzero(truth.any(0))
    hits, both = (truth & chosen).sum(0), truth.sum(0) + chosen.sum(0)
    precisions = [average_precision(truth[:, k], scores[:, k]) for k in occurring]
    return _finite(
        map=float(np.mean(precisions)) if precisions else math.nan,
        f1_macro=float(np.mean(2 * hits[both > 0] / both[both > 0])) if both.any() else math.nan,
        f1_micro=float(2 * hits.sum() / both.sum()) if both.any() else math.nan,
        accuracy=float((truth == chosen).all(1).mean()),
    )


def regression(truth: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """All figures for numbers; (N,) or (N, D)."""
    return _finite(
        r2=r2(truth, predicted), rmse=rmse(truth, predicted), mae=mae(truth, predicted), mse=mse(truth, predicted)
    )


def _finite(**figures: float) -> dict[str, float]:
    return {name: value for name, value in figures.items() if math.isfinite(value)}


# -- how sure a figure is ------------------------------------------------------------------------------------------


class Interval(NamedTuple):
    """Where a figure lies, at some level of confidence."""

    low: float
    high: float


def interval(
    metric: Callable[..., float], *rows: np.ndarray, level: float = 0.95, repeats: int = 200, seed: int = 0
) -> Interval:
    """The bootstrap's percentile interval of a metric: its spread when the rows are drawn again, with replacement.

    Args:
        metric: a function of the arrays, such as `r2`.
        rows: its arguments, all with the same rows first.
        repeats: how often the rows are drawn.

    Example:
        >>> interval(accuracy, np.array([0, 1, 1, 0]), np.array([0, 1, 0, 0]))
        Interval(low=0.25, high=1.0)

    Source: Efron, 1979.
    """
    n = len(rows[0])
    generator = np.random.default_rng(seed)
    figures = np.array([metric(*(r[pick] for r in rows)) for pick in generator.integers(0, n, (repeats, n))])
    figures = figures[np.isfinite(figures)]  # a draw without one of the classes says nothing
    if not len(figures):
        return Interval(math.nan, math.nan)
    low, high = np.quantile(figures, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high))


def share_interval(successes: int, total: int, level: float = 0.95) -> Interval:
    """Wilson's interval of a share, such as an accuracy: right near 0 and 1 as well.

    Source: Wilson, 1927.
    """
    if total == 0:
        return Interval(0.0, 1.0)
    z = NormalDist().inv_cdf((1 + level) / 2)
    p = successes / total
    centre = (p + z * z / (2 * total)) / (1 + z * z / total)
    half = z / (1 + z * z / total) * math.sqrt(p * (1 - p) / total + z * z / (4 * total * total))
    return Interval(max(0.0, centre - half), min(1.0, centre + half))
