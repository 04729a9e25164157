"""Predicts one of two values, with a calibrated probability and a decision threshold."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from deepglass import metrics
from deepglass.features._value_keys import (
    native,
)
from deepglass.features.base import Column
from deepglass.features.binary import Binary
from deepglass.features.outputs.base import Calibration, Output, Prediction, PredictionArrays
from deepglass.features.outputs.category import (
    CategoryPrediction,
    check_classes,
    class_shares,
    imbalance,
    temperature_of,
)
from deepglass.metrics.calibration import apply_temperature, best_threshold
from deepglass.metrics.table import METRICS, Metric

if TYPE_CHECKING:
    from torch import Tensor, nn

    from deepglass.nn.explanation_targets import ExplanationTarget

_RARE = 0.1  # below this share of the rarer value, "the likelier" hardly ever says it: the threshold moves


@dataclass(frozen=True, kw_only=True)
class BinaryOutput(Binary, Output):
    """Predicts one of two values, with a calibrated probability and a decision threshold."""

    metric: ClassVar[Metric] = METRICS["accuracy"]

    def head(self, dim: int) -> nn.Module:
        from deepglass.nn.encoders_heads import LinearHead

        return LinearHead(dim, [math.log(self.counts_[1] / self.counts_[0])])

    def prediction(self, params: Tensor) -> Prediction:
        """Params (B, 1): the logit of the positive value."""
        import torch

        return CategoryPrediction(torch.cat([torch.zeros_like(params), params], dim=1))

    def score(self, best: PredictionArrays, truth: Column, calibration: Calibration | None = None) -> dict[str, float]:
        log_probs, positive = self._decide(best, calibration)
        labels, log_probs, positive = truth.values[truth.mask] - 1, log_probs[truth.mask], positive[truth.mask]
        figures = metrics.classification(labels, log_probs, positive.astype(np.int64))
        if calibration and "threshold" in calibration:
            half = metrics.classification(labels, log_probs)
            names = ("accuracy", "balanced_accuracy", "f1_macro")
            figures |= {f"{name}_at_half": half[name] for name in names if name in half}
        return figures

    def baseline(self, truth: Column) -> PredictionArrays:
        """The share of each value."""
        return class_shares(truth, 2)

    def baseline_loss(self, truth: Column) -> float:
        log_probs = self.baseline(truth)["log_probs"][0].astype(np.float64)
        return float(-(np.exp(log_probs) * log_probs).sum())

    def check_target(self, truth: Column, source: str) -> None:
        """Raises: SourceError: `one-class`."""
        check_classes(truth, self.values_, self.column, source)

    def target_warnings(self, truth: Column) -> list[str]:
        return imbalance(truth, self.values_, self.name)

    def calibrate(self, best: PredictionArrays, truth: Column) -> Calibration:
        """The temperature, where it helps, and a threshold where one value is rare."""
        log_probs, labels = best["log_probs"][truth.mask], truth.values[truth.mask] - 1
        found = temperature_of(log_probs, labels)
        if min(self.counts_) < _RARE * sum(self.counts_) and 0 < labels.sum() < len(labels):
            probs = np.exp(apply_temperature(log_probs, found.get("temperature", 1.0)))
            found["threshold"] = best_threshold(probs[:, 1], labels)
        return found

    def predicted_classes(self, best: PredictionArrays, calibration: Calibration | None = None) -> np.ndarray:
        return self._decide(best, calibration)[1].astype(np.int64)

    def explanation_target(
        self, prediction: Any, best: Any, decoded: Mapping[str, Any], calibration: Calibration
    ) -> ExplanationTarget:
        from deepglass.nn.explanation_targets import class_target

        values = [native(v, self.type_) for v in self.class_names]
        return class_target(str(decoded["value"]), values.index(decoded["value"]), calibration.get("temperature", 1.0))

    def decode(self, best: PredictionArrays, calibration: Calibration | None = None) -> list[dict[str, Any]]:
        """`value`, its `confidence`, and the `probability` of the positive value."""
        log_probs, positive = self._decide(best, calibration)
        probs = np.exp(log_probs.astype(np.float64))
        values = [native(v, self.type_) for v in self.values_]
        return [
            {
                "value": values[chosen],
                "confidence": p[chosen],
                "probability": p[1],
                "probabilities": dict(zip(self.values_, p, strict=True)),
            }
            for p, chosen in zip(probs.tolist(), positive.tolist(), strict=True)
        ]

    def _decide(self, best: PredictionArrays, calibration: Calibration | None) -> tuple[np.ndarray, np.ndarray]:
        """Calibrated log probabilities (N, 2) and whether the answer is the positive value (N,)."""
        calibration = calibration or {}
        log_probs = apply_temperature(best["log_probs"], calibration.get("temperature", 1.0))
        return log_probs, np.exp(log_probs[:, 1]) >= calibration.get("threshold", 0.5)
