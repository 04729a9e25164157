"""Metrics as functions of numpy arrays, targets first.

An undefined metric is NaN (no rows, one class only, constant targets); the summaries `classification`, `multi_label`
and `regression` leave it out.

Modules are loaded at first use: few predictions need more than one.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deepglass.metrics.classes import (
        accuracy,
        average_precision,
        balanced_accuracy,
        brier,
        classification,
        confusion_matrix,
        ece,
        equal_error_rate,
        f1_macro,
        log_loss,
        multi_label,
        roc_auc,
        row_blocks,
    )
    from deepglass.metrics.images import class_metrics, psnr, segmentation
    from deepglass.metrics.intervals import Interval, interval, share_interval
    from deepglass.metrics.named import class_metrics_by_name, number_metrics
    from deepglass.metrics.numbers import frechet_distance, interval_coverage, mae, mse, r2, regression, rmse
    from deepglass.metrics.texts import bleu, edits, error_rate
    from deepglass.metrics.thresholds import ChosenThreshold, best_threshold, choose_threshold, positive_class
    from deepglass.metrics.weighted import weighted_classification, weighted_multi_label, weighted_regression

_NAMES = {
    "deepglass.metrics.classes": (
        "accuracy",
        "average_precision",
        "balanced_accuracy",
        "brier",
        "classification",
        "confusion_matrix",
        "ece",
        "equal_error_rate",
        "f1_macro",
        "log_loss",
        "multi_label",
        "roc_auc",
        "row_blocks",
    ),
    "deepglass.metrics.images": ("class_metrics", "psnr", "segmentation"),
    "deepglass.metrics.intervals": ("Interval", "interval", "share_interval"),
    "deepglass.metrics.named": ("class_metrics_by_name", "number_metrics"),
    "deepglass.metrics.numbers": ("frechet_distance", "interval_coverage", "mae", "mse", "r2", "regression", "rmse"),
    "deepglass.metrics.texts": ("bleu", "edits", "error_rate"),
    "deepglass.metrics.thresholds": ("ChosenThreshold", "best_threshold", "choose_threshold", "positive_class"),
    "deepglass.metrics.weighted": ("weighted_classification", "weighted_multi_label", "weighted_regression"),
}
_HOMES = {name: module for module, names in _NAMES.items() for name in names}

__all__ = [
    "ChosenThreshold",
    "Interval",
    "accuracy",
    "average_precision",
    "balanced_accuracy",
    "best_threshold",
    "bleu",
    "brier",
    "choose_threshold",
    "class_metrics",
    "class_metrics_by_name",
    "classification",
    "confusion_matrix",
    "ece",
    "edits",
    "equal_error_rate",
    "error_rate",
    "f1_macro",
    "frechet_distance",
    "interval",
    "interval_coverage",
    "log_loss",
    "mae",
    "mse",
    "multi_label",
    "number_metrics",
    "positive_class",
    "psnr",
    "r2",
    "regression",
    "rmse",
    "roc_auc",
    "row_blocks",
    "segmentation",
    "share_interval",
    "weighted_classification",
    "weighted_multi_label",
    "weighted_regression",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'deepglass.metrics' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
