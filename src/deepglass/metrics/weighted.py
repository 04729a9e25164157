"""Metrics of weighted rows, by scikit-learn's functions where ours take no weights; names as of the unweighted ones.

Rows of weight 0 do not count; without a row of positive weight there are no metrics.
"""

import numpy as np

from deepglass.metrics.classes import brier, ece, log_loss
from deepglass.metrics.numbers import f64, finite


def weighted_classification(
    labels: np.ndarray, log_probs: np.ndarray, predicted: np.ndarray, weights: np.ndarray
) -> dict[str, float]:
    """As `metrics.classification`.

    Shapes:
        labels, predicted: (N,) int; log_probs: (N, K) float; weights: (N,) float, >= 0.
    """
    from sklearn import metrics

    used = weights > 0
    labels, log_probs, predicted, weights = labels[used], f64(log_probs[used]), predicted[used], f64(weights[used])
    if not len(labels):
        return {}
    probs = np.exp(log_probs)
    areas = [
        metrics.roc_auc_score(labels == k, log_probs[:, k], sample_weight=weights)
        for k in np.unique(labels)
        if (labels != k).any()
    ]
    recalls = metrics.recall_score(
        labels, predicted, labels=np.unique(labels), average=None, sample_weight=weights, zero_division=0.0
    )
    return finite(
        accuracy=metrics.accuracy_score(labels, predicted, sample_weight=weights),
        balanced_accuracy=float(np.mean(recalls)),
        f1_macro=metrics.f1_score(labels, predicted, average="macro", sample_weight=weights, zero_division=0.0),
        roc_auc=float(np.mean(areas)) if areas else float("nan"),
        log_loss=log_loss(labels, log_probs, weights),
        brier=brier(labels, probs, weights),
        ece=ece(labels, probs, weights=weights),
    )


def weighted_regression(truth: np.ndarray, predicted: np.ndarray, weights: np.ndarray) -> dict[str, float]:
    """As `metrics.regression`.

    Shapes:
        truth, predicted: (N,) or (N, D) float; weights: (N,) float, >= 0.
    """
    from sklearn import metrics

    used = weights > 0
    truth, predicted, weights = f64(truth[used]), f64(predicted[used]), f64(weights[used])
    if not len(truth):
        return {}
    mse = metrics.mean_squared_error(truth, predicted, sample_weight=weights)
    spread = truth.reshape(len(truth), -1).std(0) > 0
    columns = [a.reshape(len(truth), -1)[:, spread] for a in (truth, predicted)]
    defined = len(truth) > 1 and spread.any()
    return finite(
        r2=metrics.r2_score(*columns, sample_weight=weights) if defined else float("nan"),
        rmse=float(np.sqrt(mse)),
        mae=metrics.mean_absolute_error(truth, predicted, sample_weight=weights),
        mse=mse,
    )


def weighted_multi_label(
    truth: np.ndarray, scores: np.ndarray, predicted: np.ndarray, weights: np.ndarray
) -> dict[str, float]:
    """As `metrics.multi_label`.

    Shapes:
        truth, predicted: (N, K) bool; scores: (N, K) float; weights: (N,) float, >= 0.
    """
    from sklearn import metrics

    used = weights > 0
    truth, scores, predicted, weights = truth[used], scores[used], predicted[used], f64(weights[used])
    if not len(truth):
        return {}
    precisions = [
        metrics.average_precision_score(truth[:, k], scores[:, k], sample_weight=weights)
        for k in np.flatnonzero(truth.any(0))
    ]
    counted = truth.any(0) | predicted.any(0)
    f1 = {
        average: metrics.f1_score(
            truth[:, counted], predicted[:, counted], average=average, sample_weight=weights, zero_division=0.0
        )
        if counted.any()
        else float("nan")
        for average in ("macro", "micro")
    }
    return finite(
        map=float(np.mean(precisions)) if precisions else float("nan"),
        f1_macro=f1["macro"],
        f1_micro=f1["micro"],
        accuracy=float(np.average((truth == predicted).all(1), weights=weights)),
    )
