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
        from deepglass.nn.encoders_heads import LinearHead

        return LinearHead(dim, [0.0])

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
        half, confidence_level = calibration["half_width"], calibration["confidence_level"]
        return [{"value": v, "low": v - half, "high": v + half, "confidence": confidence_level} for v in values]

    def prediction_columns(self, mode: PredictionArrays, calibration: Calibration | None = None) -> PredictionColumns:
        values = mode["value"].astype(np.float64) + self.offset_
        if not calibration:
            return {"value": values}
        half, confidence_level = calibration["half_width"], calibration["confidence_level"]
        return {
            "value": values,
            "low": values - half,
            "high": values + half,
            "confidence": np.full(len(values), confidence_level),
        }


class NumberPrediction(Prediction):
    """Mean of a Normal of fixed scale; params: (B, 1), standardised."""

    def __init__(self, params: Tensor, mean: float, std: float) -> None:
        self.params, self.mean, self.std = params, mean, std

    def loss(self, target: Field) -> Tensor:
        standard = (target.values.reshape(-1) - self.mean) / self.std
        return (self.params[:, 0] - standard).square()

    def mode(self) -> dict[str, Tensor]:
        return {"value": self.params[:, 0].float() * self.std + self.mean}

    def ensemble_mean(self, members: int) -> NumberPrediction:
        return NumberPrediction(self.params.reshape(-1, members, 1).mean(1), self.mean, self.std)
