"""Further metrics by name, by scikit-learn's functions; those that are not defined on the rows are left out."""

from collections.abc import Callable, Sequence

import numpy as np

from deepglass.metrics.numbers import f64, finite


def class_metrics_by_name(
    names: Sequence[str], labels: np.ndarray, predicted: np.ndarray, weights: np.ndarray | None = None
) -> dict[str, float]:
    """Metrics of `metrics.table.CLASS_METRICS`.

    Shapes:
        labels, predicted: (N,) int; weights: (N,) float of the rows.
    """
    from sklearn import metrics

    functions: dict[str, Callable[[], float]] = {
        "mcc": lambda: metrics.matthews_corrcoef(labels, predicted, sample_weight=weights),
        "cohen_kappa": lambda: metrics.cohen_kappa_score(labels, predicted, sample_weight=weights),
        "f1_weighted": lambda: metrics.f1_score(
            labels, predicted, average="weighted", sample_weight=weights, zero_division=0.0
        ),
        "precision_macro": lambda: metrics.precision_score(
            labels, predicted, average="macro", sample_weight=weights, zero_division=0.0
        ),
        "recall_macro": lambda: metrics.recall_score(
            labels, predicted, average="macro", sample_weight=weights, zero_division=0.0
        ),
        "jaccard_macro": lambda: metrics.jaccard_score(
            labels, predicted, average="macro", sample_weight=weights, zero_division=0.0
        ),
    }
    return finite(**{name: float(functions[name]()) for name in names}) if len(labels) else {}


def number_metrics(
    names: Sequence[str], truth: np.ndarray, predicted: np.ndarray, weights: np.ndarray | None = None
) -> dict[str, float]:
    """Metrics of `metrics.table.NUMBER_METRICS`; those of negative numbers that need positive ones are left out.

    Shapes:
        truth, predicted: (N,) float; weights: (N,) float of the rows.
    """
    from sklearn import metrics

    truth, predicted = f64(truth), f64(predicted)
    positive = bool(len(truth) and truth.min() >= 0)
    rates = np.maximum(predicted, 1e-12)
    functions: dict[str, Callable[[], float]] = {
        "mape": lambda: metrics.mean_absolute_percentage_error(truth, predicted, sample_weight=weights),
        "median_absolute_error": lambda: metrics.median_absolute_error(truth, predicted, sample_weight=weights),
        "max_error": lambda: metrics.max_error(truth, predicted),
        "rmsle": lambda: (
            metrics.mean_squared_log_error(truth, np.maximum(predicted, 0), sample_weight=weights) ** 0.5
            if positive
            else np.nan
        ),
        "explained_variance": lambda: metrics.explained_variance_score(truth, predicted, sample_weight=weights),
        "poisson_deviance": lambda: (
            metrics.mean_poisson_deviance(truth, rates, sample_weight=weights) if positive else np.nan
        ),
    }
    return finite(**{name: float(functions[name]()) for name in names}) if len(truth) else {}
