"""Predicts one of two values, with a calibrated probability and a decision threshold."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from deepglass.features.base import Column
from deepglass.features.binary import Binary
from deepglass.features.outputs._classes import ClassOutput, calibrated, class_scores
from deepglass.features.outputs.base import Calibration, Prediction, PredictionArrays, PredictionColumns
from deepglass.features.outputs.category import CategoryPrediction
from deepglass.metrics.calibration import best_threshold

if TYPE_CHECKING:
    from torch import Tensor, nn

_RARE = 0.1  # share of the rarer class below which the decision threshold is fitted


@dataclass(frozen=True, kw_only=True)
class BinaryOutput(Binary, ClassOutput):
    """Predicts one of two values, with a calibrated probability and a decision threshold.

    If the rarer class has less than a tenth of the rows, the threshold maximises macro F1 on the validation rows, and
    metrics at a threshold of one half are reported too; else it is one half. With class weights it is the probability
    at which both classes have the same weighted probability.
    """

    def head(self, dim: int) -> nn.Module:
        from deepglass.nn.encoders_heads import LinearHead

        weights = 0.0 if self.log_weights is None else float(self.log_weights[1] - self.log_weights[0])
        return LinearHead(dim, [math.log(self.counts_[1] / self.counts_[0]) + weights])

    def prediction(self, params: Tensor) -> Prediction:
        """Params (B, 1): the logit of the positive class."""
        import torch

        logits = torch.cat([torch.zeros_like(params), params], dim=1)
        return CategoryPrediction(logits, log_weights=self.log_weights_like(params))

    def score(self, mode: PredictionArrays, truth: Column, calibration: Calibration | None = None) -> dict[str, float]:
        log_probs, predicted = self._decide(mode, calibration)
        labels, log_probs = truth.values[truth.mask] - 1, log_probs[truth.mask]
        scores = class_scores(labels, log_probs, predicted[truth.mask], truth.present_weight)
        if calibration and "threshold" in calibration:
            half = class_scores(labels, log_probs, None, truth.present_weight)
            names = ("accuracy", "balanced_accuracy", "f1_macro")
            scores |= {f"{name}_at_half": half[name] for name in names if name in half}
        return scores

    def calibrate(self, mode: PredictionArrays, truth: Column) -> Calibration:
        """The temperature, if it helps, and a threshold if one class is rare or classes have weights."""
        calibration, labels = super().calibrate(mode, truth), truth.values[truth.mask] - 1
        if self.log_weights is not None:
            calibration["threshold"] = self._default_threshold
        elif min(self.counts_) < _RARE * sum(self.counts_) and 0 < labels.sum() < len(labels):
            probs = np.exp(calibrated(mode["log_probs"][truth.mask], calibration))
            calibration["threshold"] = best_threshold(probs[:, 1], labels)
        return calibration

    def predicted_classes(self, mode: PredictionArrays, calibration: Calibration | None = None) -> np.ndarray:
        return self._decide(mode, calibration)[1]

    def decode(self, mode: PredictionArrays, calibration: Calibration | None = None) -> list[dict[str, Any]]:
        """`value`, its `confidence`, the `probability` of the positive class, and both `probabilities`."""
        log_probs, predicted = self._decide(mode, calibration)
        values = self.class_values
        return [
            {
                "value": values[k],
                "confidence": p[k],
                "probability": p[1],
                "probabilities": dict(zip(self.class_names, p, strict=True)),
            }
            for p, k in zip(np.exp(log_probs.astype(np.float64)).tolist(), predicted.tolist(), strict=True)
        ]

    def prediction_columns(self, mode: PredictionArrays, calibration: Calibration | None = None) -> PredictionColumns:
        return {
            **super().prediction_columns(mode, calibration),
            "probability": self.class_probabilities(mode, calibration)[:, 1],
        }

    def _decide(self, mode: PredictionArrays, calibration: Calibration | None) -> tuple[np.ndarray, np.ndarray]:
        """Calibrated log probabilities (N, 2) and the index of the predicted class (N,)."""
        log_probs = calibrated(mode["log_probs"], calibration)
        threshold = (calibration or {}).get("threshold", self._default_threshold)
        return log_probs, (np.exp(log_probs[:, 1]) >= threshold).astype(np.int64)

    @property
    def _default_threshold(self) -> float:
        """The probability at which both classes have the same weighted probability; one half without weights."""
        return 0.5 if self.log_weights is None else float(1 / (1 + np.exp(self.log_weights[1] - self.log_weights[0])))
