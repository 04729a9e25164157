"""Scores and conformal intervals of numeric outputs."""

import math

import numpy as np

from deepglass import metrics
from deepglass.features.outputs.base import Calibration
from deepglass.metrics.calibration import conformal


def regression_scores(truth: np.ndarray, value: np.ndarray, calibration: Calibration | None) -> dict[str, float]:
    """Regression metrics, and `interval_coverage` if the intervals are calibrated.

    Shapes:
        truth, value: (N,) or (N, d) float.
    """
    scores = metrics.regression(truth, value)
    half = (calibration or {}).get("half_width")
    if half is not None and len(truth):
        half = np.array(half) if isinstance(half, list) else half
        scores["interval_coverage"] = metrics.interval_coverage(truth, value - half, value + half)
    return scores


def fit_intervals(residuals: np.ndarray, confidence_level: float) -> Calibration:
    """Half width of the interval of each entry; empty if there are too few rows for the confidence level.

    Shapes:
        residuals: (N, d) float.
    """
    half = [conformal(column, confidence_level) for column in residuals.T]
    return {"half_width": half, "confidence_level": confidence_level} if all(map(math.isfinite, half)) else {}
