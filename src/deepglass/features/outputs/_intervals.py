"""Base class of numeric outputs: regression metrics and conformal intervals."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from deepglass import metrics
from deepglass.constraints import OpenShare
from deepglass.features.base import Column
from deepglass.features.outputs._calibrations import IntervalCalibration
from deepglass.features.outputs.base import Calibration, Output, PredictionArrays
from deepglass.metrics.calibration import conformal
from deepglass.metrics.table import METRICS, Metric


@dataclass(frozen=True, kw_only=True)
class RegressionOutput(Output):
    """An output of numbers with conformal intervals.

    Args:
        confidence_level: coverage of each entry's conformal interval, in (0, 1).
    """

    confidence_level: OpenShare = 0.9

    metric: ClassVar[Metric] = METRICS["r2"]
    calibration_fields: ClassVar[type | None] = IntervalCalibration

    @abstractmethod
    def pairs(self, mode: PredictionArrays, truth: Column) -> tuple[np.ndarray, np.ndarray]:
        """Truth and prediction where both are complete, (N,) or (N, d) float."""

    def pair_weights(self, truth: Column) -> np.ndarray | None:
        """Weights of the rows of `pairs`; None where all have the same, or a pair is no row."""
        return None

    def score(self, mode: PredictionArrays, truth: Column, calibration: Calibration | None = None) -> dict[str, float]:
        """`r2`, `rmse`, `mae`, `mse`, and `interval_coverage` if the intervals are calibrated."""
        true, value = self.pairs(mode, truth)
        weights = self.pair_weights(truth)
        scores = (
            metrics.regression(true, value) if weights is None else metrics.weighted_regression(true, value, weights)
        )
        half = (calibration or {}).get("half_width")
        if half is not None and len(true):
            half = np.array(half) if isinstance(half, list) else half
            scores["interval_coverage"] = metrics.interval_coverage(true, value - half, value + half)
        return scores

    def calibrate(self, mode: PredictionArrays, truth: Column) -> Calibration:
        """Half width of the interval of each entry; empty if there are too few rows for the confidence level."""
        true, value = self.pairs(mode, truth)
        residuals, level = true - value, self.confidence_level
        half = conformal(residuals, level) if residuals.ndim == 1 else [conformal(r, level) for r in residuals.T]
        return {"half_width": half, "confidence_level": level} if np.isfinite(half).all() else {}
