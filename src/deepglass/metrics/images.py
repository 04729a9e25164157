"""Metrics of segmentation masks and images."""

import math

import numpy as np


def class_metrics(counts: np.ndarray) -> dict[str, np.ndarray]:
    """IoU, precision, recall and share of the target pixels of each class of a segmentation, (K,) each.

    Undefined values are NaN. IoU is TP / (TP + FP + FN).

    Args:
        counts: (K, K) pixels, true classes in rows.
    """
    correct, true, predicted = counts.diagonal().astype(np.float64), counts.sum(1), counts.sum(0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return {
            "iou": correct / (true + predicted - correct),
            "precision": correct / predicted,
            "recall": correct / true,
            "share": true / counts.sum(),
        }


def segmentation(counts: np.ndarray) -> dict[str, float]:
    """`miou`, over the classes that occur or are predicted, and `pixel_accuracy`; counts: (K, K)."""
    if not counts.sum():
        return {}
    ious = class_metrics(counts)["iou"]
    return {"miou": float(np.nanmean(ious)), "pixel_accuracy": float(counts.trace() / counts.sum())}


def psnr(squared_error: np.ndarray) -> float:
    """Mean peak signal-to-noise ratio of images in decibels, at most 100.

    Args:
        squared_error: (N,) mean squared error of each image, for values from 0 to 1.
    """
    decibels = -10 * np.log10(np.maximum(squared_error.astype(np.float64), 1e-10))
    return float(np.mean(decibels)) if len(decibels) else math.nan
