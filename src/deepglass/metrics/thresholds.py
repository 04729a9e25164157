"""Decision thresholds by a rule, and the metrics of the positive class.

recall >= r       the threshold of highest precision among those whose recall is at least r
precision >= p    the threshold of highest recall among those whose precision is at least p
cost              the threshold of least cost of the false negatives and the false positives
"""

from typing import Literal, NamedTuple

import numpy as np


class ChosenThreshold(NamedTuple):
    """A threshold, and the precision and recall that it has on the rows it was chosen on."""

    threshold: float
    precision: float
    recall: float


def best_threshold(
    prob: np.ndarray, label: np.ndarray, metric: Literal["f1_macro", "f1", "balanced_accuracy"] = "f1_macro"
) -> float:
    """The decision threshold of the best metric, as `choose_threshold`; one half where a label is absent.

    Shapes:
        prob: (N,) float of the positive class; label: (N,) int, 1 = positive.
    """
    if not 0 < (label == 1).sum() < len(label):
        return 0.5
    return choose_threshold(prob, label, f"best_{metric}").threshold


def choose_threshold(
    prob: np.ndarray,
    label: np.ndarray,
    rule: str,
    least: float = 0.0,
    costs: tuple[float, float] = (1.0, 1.0),
    weights: np.ndarray | None = None,
) -> ChosenThreshold:
    """The threshold that a rule chooses; of ties the one nearest to one half, for costs to the ratio of both.

    Where no threshold has the wanted precision, it is the one of the highest.

    Args:
        rule: best_f1, best_f1_macro, best_balanced_accuracy, recall, precision or cost.
        least: of recall or precision.
        costs: of a false negative and of a false positive.
        weights: of the rows.

    Shapes:
        prob: (N,) float of the positive class; label: (N,) int, 1 = positive, both labels present; weights: (N,).
    """
    cut, tp, fp, fn, tn = _counts(prob, label, weights)
    precision, recall = tp / np.maximum(tp + fp, 1e-12), tp / tp[-1]
    target = 0.5
    if rule == "recall":
        score = np.where(recall >= least - 1e-12, precision, -1.0)
    elif rule == "precision":
        reached = precision >= least - 1e-12
        score = np.where(reached, recall, -1.0) if reached.any() else precision
    elif rule == "cost":
        score = -(costs[0] * fn + costs[1] * fp)
        target = costs[1] / (costs[0] + costs[1])
    elif rule == "best_balanced_accuracy":
        score = (recall + tn / fp[-1]) / 2
    else:
        score = 2 * tp / (2 * tp + fp + fn)
        if rule == "best_f1_macro":
            score = (score + 2 * tn / (2 * tn + fp + fn)) / 2
    ties = np.flatnonzero(score >= score.max() - 1e-12)
    best = ties[np.argmin(np.abs(cut[ties] - target))]
    return ChosenThreshold(float(cut[best]), float(precision[best]), float(recall[best]))


def positive_class(
    labels: np.ndarray, probs: np.ndarray, predicted: np.ndarray, weights: np.ndarray | None = None
) -> dict[str, float]:
    """Precision, recall, F1 and average precision of the positive class; {} where no row has it.

    Shapes:
        labels, predicted: (N,) int, 1 = positive; probs: (N,) float; weights: (N,) of the rows.
    """
    from sklearn import metrics

    if not (labels == 1).any() or (weights is not None and not weights[labels == 1].sum() > 0):
        return {}
    precision, recall, f1, _ = metrics.precision_recall_fscore_support(
        labels, predicted, average="binary", sample_weight=weights, zero_division=0.0
    )
    area = metrics.average_precision_score(labels, probs, sample_weight=weights)
    return {"precision": float(precision), "recall": float(recall), "f1": float(f1), "average_precision": float(area)}


def _counts(
    prob: np.ndarray, label: np.ndarray, weights: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Thresholds between different probabilities, descending, and their true and false positives and negatives.

    Returns:
        thresholds, true positives, false positives, false negatives, true negatives; (T,) each. Rows are weighted.
    """
    order = np.argsort(-prob, kind="stable")
    p, y = prob[order].astype(np.float64), label[order] == 1
    own = np.ones(len(y), np.int64) if weights is None else weights[order].astype(np.float64)
    # Threshold i predicts "positive" for the first i rows; it must lie between two different probabilities.
    tp, fp = np.append(0, np.cumsum(y * own)), np.append(0, np.cumsum(~y * own))
    edges = np.concatenate([[1.0], p, [0.0]])
    cut = (edges[:-1] + edges[1:]) / 2
    possible = np.append(True, np.append(p[1:] < p[:-1], True))
    cut, tp, fp = cut[possible], tp[possible], fp[possible]
    return cut, tp, fp, tp[-1] - tp, fp[-1] - fp
