"""Predicts a number by its squared error, standardised by the training rows, with a conformal interval."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from deepglass.features.base import Column
from deepglass.features.number import Number
from deepglass.features.outputs._intervals import RegressionOutput
from deepglass.features.outputs.base import Calibration, PredictedRow, Prediction, PredictionArrays, PredictionColumns

if TYPE_CHECKING:
    from torch import Tensor, nn

    from deepglass.nn.explanation_targets import ExplanationTarget
    from deepglass.nn.tokens import Field


@dataclass(frozen=True, kw_only=True)
class NumberOutput(Number, RegressionOutput):
    """Predicts a number by its squared error, standardised by the training rows, with a conformal interval."""

    weighs_metrics: ClassVar[bool] = True

    def head(self, dim: int) -> nn.Module:
        from deepglass.nn.encoders_heads import ScaledHead

        return ScaledHead(dim, [0.0])

    def prediction(self, params: Tensor) -> Prediction:
        return NumberPrediction(params, self.mean_ - self.offset_, self.std_)

    def pairs(self, mode: PredictionArrays, truth: Column) -> tuple[np.ndarray, np.ndarray]:
        return truth.values[truth.mask], mode["value"][truth.mask]

    def pair_weights(self, truth: Column) -> np.ndarray | None:
        return truth.present_weight

    def baseline(self, truth: Column) -> PredictionArrays:
        """The mean."""
        values = truth.values[truth.mask].astype(np.float64)
        if truth.weight is not None and truth.present_weight.sum() > 0:
            return {"value": np.array([np.average(values, weights=truth.present_weight)])}
        return {"value": np.array([values.mean() if len(values) else self.mean_ - self.offset_])}

    def baseline_loss(self, truth: Column) -> float:
        if truth.weight is not None:
            squared = (truth.values[truth.mask] - self.baseline(truth)["value"]) ** 2
            return float(np.average(squared, weights=truth.present_weight) / self.std_**2)
        return float(truth.values[truth.mask].astype(np.float64).var() / self.std_**2) if truth.mask.any() else 1.0

    def check_target(self, truth: Column, source: str) -> None:
        """Raises: SourceError: `constant-target`."""
        values = truth.values[truth.mask]
        if not len(values) or values.min() == values.max():
            got = f"only {values[0] + self.offset_:g}" if len(values) else "no number"
            raise self.target_error("constant-target", source, "different numbers", got)

    def interval(self, decoded: Mapping[str, Any]) -> tuple[float, float]:
        """The confidence interval, or one standard deviation on each side."""
        value, std = decoded["value"], self.std_ or 1.0
        return decoded.get("low", value - std), decoded.get("high", value + std)

    def explanation_target(self, row: PredictedRow) -> ExplanationTarget:
        from deepglass.nn.explanation_targets import ExplanationTarget

        return ExplanationTarget((self.name,), self.name, lambda p: (p.mode()["value"] + self.offset_)[:, None])

    def decode(self, mode: PredictionArrays, calibration: Calibration | None = None) -> list[dict[str, Any]]:
        """`value` and, where calibrated, `low`, `high` and `confidence`, the coverage of the interval."""
        values = (mode["value"].astype(np.float64) + self.offset_).tolist()
        if not calibration:
            return [{"value": v} for v in values]
        bounds = zip(values, self.half_widths(mode, calibration).tolist(), strict=True)
        confidence = calibration["confidence_level"]
        return [{"value": v, "low": v - half, "high": v + half, "confidence": confidence} for v, half in bounds]

    def prediction_columns(self, mode: PredictionArrays, calibration: Calibration | None = None) -> PredictionColumns:
        values = mode["value"].astype(np.float64) + self.offset_
        if not calibration:
            return {"value": values}
        half = self.half_widths(mode, calibration)
        confidence = np.full(len(values), calibration["confidence_level"])
        return {"value": values, "low": values - half, "high": values + half, "confidence": confidence}


class NumberPrediction(Prediction):
    """Mean of a Normal of fixed scale.

    Shapes:
        params: (B, 1), standardised, or (B, 2) with the logarithm of the scale of the interval.
    """

    def __init__(self, params: Tensor, mean: float, std: float) -> None:
        self.params, self.mean, self.std = params, mean, std

    def loss(self, target: Field) -> Tensor:
        standard = (target.values.reshape(-1) - self.mean) / self.std
        return (self.params[:, 0] - standard).square()

    def mode(self) -> dict[str, Tensor]:
        value = {"value": self.params[:, 0].float() * self.std + self.mean}
        return value | ({"scale": self.params[:, 1].float().exp()} if self.params.shape[1] > 1 else {})

    def ensemble_mean(self, members: int) -> NumberPrediction:
        import torch

        # Column by column: the mean of two columns at once has other rounding errors than that of one.
        columns = [column.contiguous().reshape(-1, members).mean(1) for column in self.params.unbind(1)]
        return NumberPrediction(torch.stack(columns, 1), self.mean, self.std)
