"""Predicts a vector, each entry with a conformal interval."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from deepglass.features.base import Column
from deepglass.features.outputs._intervals import RegressionOutput
from deepglass.features.outputs.base import Calibration, PredictedRow, Prediction, PredictionArrays
from deepglass.features.vector import Vector

if TYPE_CHECKING:
    from torch import Tensor, nn

    from deepglass.nn.explanation_targets import ExplanationTarget
    from deepglass.nn.tokens import Field

_MAX_EXPLAINED = 6  # entries


@dataclass(frozen=True, kw_only=True)
class VectorOutput(Vector, RegressionOutput):
    """Predicts a vector, each entry with a conformal interval."""

    weighs_metrics: ClassVar[bool] = True

    def head(self, dim: int) -> nn.Module:
        from deepglass.nn.encoders_heads import ScaledHead

        return ScaledHead(dim, [0.0] * len(self.mean_))

    def prediction(self, params: Tensor) -> Prediction:
        return VectorPrediction(params, params.new_tensor(self.mean_), params.new_tensor(self.std_))

    def pairs(self, mode: PredictionArrays, truth: Column) -> tuple[np.ndarray, np.ndarray]:
        rows = _complete(truth)
        return truth.values[rows], mode["value"][rows]

    def pair_weights(self, truth: Column) -> np.ndarray | None:
        return None if truth.weight is None else truth.weight[_complete(truth)]

    def baseline(self, truth: Column) -> PredictionArrays:
        """The mean."""
        rows = _complete(truth)
        mean = truth.values[rows].astype(np.float64).mean(0) if rows.any() else np.array(self.mean_)
        return {"value": mean[None]}

    def baseline_loss(self, truth: Column) -> float:
        rows = _complete(truth)
        if not rows.any():
            return 1.0
        return float((truth.values[rows].astype(np.float64).var(0) / np.array(self.std_) ** 2).mean())

    def check_target(self, truth: Column, source: str) -> None:
        """Raises: SourceError: `constant-target`."""
        values = truth.values[truth.mask]
        if not len(values) or (values == values[0]).all():
            raise self.target_error("constant-target", source, "different vectors")

    def explanation_target(self, row: PredictedRow) -> ExplanationTarget:
        """The entries farthest from their mean in standard deviations."""
        from deepglass.nn.explanation_targets import ExplanationTarget

        value = row.mode["value"][0]
        distance = ((value - value.new_tensor(self.mean_)) / value.new_tensor(self.std_)).abs()
        entries = sorted(distance.topk(min(_MAX_EXPLAINED, len(distance))).indices.tolist())
        names = tuple(f"entry {k}" for k in entries)
        return ExplanationTarget(names, self.name, lambda p: p.mode()["value"][:, entries])

    @property
    def calibration_length(self) -> int:
        return len(self.mean_)

    def decode(self, mode: PredictionArrays, calibration: Calibration | None = None) -> list[dict[str, Any]]:
        """`value`, a list, and where calibrated `low`, `high` and the `confidence` of each entry's interval."""
        value = mode["value"].astype(np.float64)
        if not calibration:
            return [{"value": v} for v in value.tolist()]
        half = self.half_widths(mode, calibration)
        bounds = zip(value.tolist(), (value - half).tolist(), (value + half).tolist(), strict=True)
        return [
            {"value": v, "low": lo, "high": hi, "confidence": calibration["confidence_level"]} for v, lo, hi in bounds
        ]


class VectorPrediction(Prediction):
    """The most likely vector.

    Shapes:
        params: (B, d), standardised, or (B, 2 d) with the logarithms of the scales of the intervals.
    """

    def __init__(self, params: Tensor, mean: Tensor, std: Tensor) -> None:
        d = len(mean)
        self.params, self.log_scale = params[:, :d], params[:, d:]
        self.mean, self.std = mean, std

    def loss(self, target: Field) -> Tensor:
        """Mean squared error over the entries that are present."""
        present = ~target.values.isnan()
        standard = (target.values.nan_to_num(0.0) - self.mean) / self.std
        squared = (self.params - standard).square() * present
        return squared.sum(-1) / present.sum(-1).clamp_min(1)

    def mode(self) -> dict[str, Tensor]:
        value = {"value": self.params.float() * self.std + self.mean}
        return value | ({"scale": self.log_scale.float().exp()} if self.log_scale.shape[1] else {})

    def ensemble_mean(self, members: int) -> VectorPrediction:
        import torch

        # Each by itself: the mean of both at once has other rounding errors.
        parts = [part for part in (self.params, self.log_scale) if part.shape[1]]
        means = [part.contiguous().reshape(-1, members, part.shape[1]).mean(1) for part in parts]
        return VectorPrediction(torch.cat(means, 1), self.mean, self.std)


def _complete(truth: Column) -> np.ndarray:
    """Rows (N,) bool without a missing entry."""
    return truth.mask & ~np.isnan(truth.values).any(1)
