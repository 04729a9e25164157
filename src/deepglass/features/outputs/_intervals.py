"""Base class of numeric outputs: regression metrics and conformal intervals, their width for all rows or each row."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from deepglass import metrics
from deepglass.constraints import OpenShare
from deepglass.features.base import Column
from deepglass.features.outputs._calibrations import IntervalCalibration
from deepglass.features.outputs._target_transforms import TargetTransform
from deepglass.features.outputs.base import Calibration, Output, PredictionArrays
from deepglass.formatting import plural
from deepglass.metrics.calibration import conformal
from deepglass.metrics.interval_scale import MAX_ENTRIES, MIN_ROWS
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

    @property
    def target_transform(self) -> TargetTransform | None:
        """What the network learns instead of the target itself; intervals are symmetric on its scale."""
        return None

    def residuals(self, true: np.ndarray, value: np.ndarray) -> np.ndarray:
        """Truth minus prediction, of the transformed target where there is a transformation."""
        transform = self.target_transform
        return true - value if transform is None else transform.forward(true) - transform.forward(value)

    def interval_ends(self, value: np.ndarray, half_width: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper ends of the intervals around predictions, in the user's unit."""
        if (transform := self.target_transform) is None:
            return value - half_width, value + half_width
        centre = transform.forward(value)
        return transform.inverse(centre - half_width), transform.inverse(centre + half_width)

    def half_widths(self, mode: PredictionArrays, calibration: Calibration) -> np.ndarray:
        """Half the width of the interval of each value of `mode`, in its shape; as of `residuals`."""
        half = np.asarray(calibration["half_width"], np.float64)
        if "scale_range" in calibration and "scale" in mode:
            low, high = np.asarray(calibration["scale_range"], np.float64).T
            half = half * np.clip(mode["scale"].astype(np.float64), low, high)
        return np.broadcast_to(half, mode["value"].shape)

    def score(self, mode: PredictionArrays, truth: Column, calibration: Calibration | None = None) -> dict[str, float]:
        """`r2`, `rmse`, `mae`, `mse`, and of calibrated intervals `interval_coverage` and the mean `interval_width`."""
        true, value = self.pairs(mode, truth)
        weights = self.pair_weights(truth)
        scores = (
            metrics.regression(true, value) if weights is None else metrics.weighted_regression(true, value, weights)
        )
        if calibration and len(true):
            _, half = self.pairs({**mode, "value": self.half_widths(mode, calibration)}, truth)
            low, high = self.interval_ends(value, half)
            scores["interval_coverage"] = metrics.interval_coverage(true, low, high)
            scores["interval_width"] = float((high - low).mean())
        return scores

    def calibrate(self, mode: PredictionArrays, truth: Column) -> Calibration:
        """Half width of the interval of each entry; empty if there are too few rows for the confidence level.

        Args:
            mode: of the validation rows, its `scale` cross-fitted.
        """
        true, value = self.pairs(mode, truth)
        level = self.confidence_level
        fitted: Calibration = {"confidence_level": level, "rows": len(true)}
        residuals = self.residuals(true, value)
        constant = _half_width(residuals, level)
        if "scale" in mode and (mode["scale"] != 1).any():
            _, scale = self.pairs({**mode, "value": mode["scale"]}, truth)
            fitted |= {"half_width": _half_width(residuals / scale, level), "constant_half_width": constant}
            fitted["scale_range"] = np.stack([scale.min(0), scale.max(0)], -1).astype(np.float64).tolist()
        else:
            fitted["half_width"] = constant
        return fitted if np.isfinite(constant).all() else {}


def why_constant(calibration: Calibration) -> str:
    """Why the intervals of a calibration have one width for all rows; empty where their width follows the row."""
    if "constant_half_width" in calibration or not calibration.get("rows"):
        return ""
    if (rows := calibration["rows"]) < MIN_ROWS:
        return f"{plural(rows, 'validation row')}, and {MIN_ROWS} are needed for a width that follows the row"
    if isinstance(half := calibration["half_width"], list) and len(half) > MAX_ENTRIES:
        return f"vectors of more than {MAX_ENTRIES} entries have one width for each entry"
    return "a width that follows the row was no better on the validation rows"


def _half_width(residuals: np.ndarray, level: float) -> float | list[float]:
    return conformal(residuals, level) if residuals.ndim == 1 else [conformal(r, level) for r in residuals.T]
