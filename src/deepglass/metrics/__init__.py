"""Metrics as functions of numpy arrays, targets first.

An undefined metric is NaN (no rows, one class only, constant targets); the summaries `classification`, `multi_label`
and `regression` leave it out.
"""

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
from deepglass.metrics.numbers import frechet_distance, interval_coverage, mae, mse, r2, regression, rmse
from deepglass.metrics.texts import bleu, edits, error_rate

__all__ = [
    "Interval",
    "accuracy",
    "average_precision",
    "balanced_accuracy",
    "bleu",
    "brier",
    "class_metrics",
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
    "psnr",
    "r2",
    "regression",
    "rmse",
    "roc_auc",
    "row_blocks",
    "segmentation",
    "share_interval",
]
