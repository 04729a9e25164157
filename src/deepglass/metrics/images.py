"""Masks and pictures."""

from __future__ import annotations

import math

import numpy as np


def class_metrics(counts: np.ndarray) -> dict[str, np.ndarray]:
    """For each class of a segmentation its iou, precision, recall and share of the true pixels, (K,) each.

    A figure that the pixels cannot give is NaN. Intersection over union is TP / (TP + FP + FN).

    Args:
        counts: (K, K) pixels, true classes in rows.
    """
    right, true, predicted = counts.diagonal().astype(np.float64), counts.sum(1), counts.sum(0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return {
            "iou": right / (true + predicted - right),
            "precision": right / predicted,
            "recall": right / true,
            "share": true / counts.sum(),
        }


def segmentation(counts: np.ndarray) -> dict[str, float]:
    """miou (the mean over the classes that occur or were answered) and pixel_accuracy; counts: (K, K)."""
    if not counts.sum():
        return {}
    ious = class_metrics(counts)["iou"]
    return {"miou": float(np.nanmean(ious)), "pixel_accuracy": float(counts.trace() / counts.sum())}


def psnr(squared_error: np.ndarray) -> float:
    """Peak signal-to-noise ratio in decibels, the mean over the pictures; a perfect one counts as 100.

    Args:
        squared_error: (N,) the mean of each picture, its range being 0 to 1.
    """
    decibels = -10 * np.log10(np.maximum(squared_error.astype(np.float64), 1e-10))
    return float(np.mean(decibels)) if len(decibels) else math.nan
