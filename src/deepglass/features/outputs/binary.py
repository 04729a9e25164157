"""Predicts one of two values, with a calibrated probability and a decision threshold."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from deepglass import metrics
from deepglass.features.base import Column
from deepglass.features.binary import Binary
from deepglass.features.outputs._calibrations import threshold_rule
from deepglass.features.outputs._classes import ClassOutput, calibrated, class_scores
from deepglass.features.outputs.base import Calibration, Prediction, PredictionArrays, PredictionColumns
from deepglass.features.outputs.category import CategoryPrediction

if TYPE_CHECKING:
    from torch import Tensor, nn

_RARE = 0.1  # share of the rarer class below which the decision threshold is fitted


@dataclass(frozen=True, kw_only=True)
class BinaryOutput(Binary, ClassOutput):
    """Predicts one of two values, with a calibrated probability and a decision threshold.

    If the rarer class has less than a tenth of the rows, the threshold maximises macro F1 on the validation rows, and
    metrics at a threshold of one half are reported too; else it is one half. With class weights it is the probability
    at which both classes have the same weighted probability.

    Args:
        threshold: probability from which on the positive class is predicted: a number, or a rule by which it is chosen
            on the validation rows: best_f1, best_f1_macro, best_balanced_accuracy, recall>=R (of the highest
            precision), precision>=P (of the highest recall), or {cost: {fn: C, fp: C}} (of the least cost).
    """

    threshold: float | str | Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.threshold is not None:
            threshold_rule(self.threshold)

    def head(self, dim: int) -> nn.Module:
        from deepglass.nn.encoders_heads import LinearHead

        weights = 0.0 if self.log_weights is None else float(self.log_weights[1] - self.log_weights[0])
        return LinearHead(dim, [math.log(self.counts_[1] / self.counts_[0]) + weights])

    def prediction(self, params: Tensor) -> Prediction:
        """Params (B, 1): the logit of the positive class."""
        import torch

        logits = torch.cat([torch.zeros_like(params), params], dim=1)
        return CategoryPrediction(logits, 0.0, self.log_weights_like(params), self.gamma, self.own_loss)

    def score(self, mode: PredictionArrays, truth: Column, calibration: Calibration | None = None) -> dict[str, float]:
        """Metrics of classes; with a threshold or a named positive class also those of the positive class."""
        log_probs, predicted = self._decide(mode, calibration)
        labels, log_probs, predicted = truth.values[truth.mask] - 1, log_probs[truth.mask], predicted[truth.mask]
        scores = self.scores_of(labels, log_probs, predicted, truth.present_weight)
        chosen = bool(calibration) and "threshold" in calibration
        if chosen:
            half = class_scores(labels, log_probs, None, truth.present_weight)
            names = ("accuracy", "balanced_accuracy", "f1_macro")
            scores |= {f"{name}_at_half": half[name] for name in names if name in half}
        if chosen or self.threshold is not None or self.positive != "":
            scores |= metrics.positive_class(labels, np.exp(log_probs[:, 1]), predicted, truth.present_weight)
            scores["threshold"] = self.decision_threshold(calibration)
        return scores

    def calibrate(self, mode: PredictionArrays, truth: Column) -> Calibration:
        """The temperature, if it helps, and a threshold by its rule, if one class is rare or classes have weights."""
        calibration, labels = super().calibrate(mode, truth), truth.values[truth.mask] - 1
        probs = np.exp(calibrated(mode["log_probs"][truth.mask], calibration))[:, 1]
        if self.threshold is not None:
            return calibration | self._chosen_threshold(probs, labels, truth.present_weight)
        if self.log_weights is not None:
            return {**calibration, "threshold": self._default_threshold, "threshold_rule": "by the class weights"}
        if min(self.counts_) < _RARE * sum(self.counts_) and 0 < labels.sum() < len(labels):
            calibration["threshold"] = metrics.best_threshold(probs, labels)
        return calibration

    def calibration_notes(self, calibration: Calibration) -> list[str]:
        """The threshold, and how it was chosen."""
        if "threshold" not in calibration:
            return []
        rule = calibration.get("threshold_rule") or "best_f1_macro on the validation rows, as one class is rare"
        positive, threshold = repr(self.class_names[1]), calibration["threshold"]
        text = f"{self.name}: {positive} is predicted from a probability of {threshold:.3g} on ({rule})"
        return [f"{text}; precision, recall, f1 and average_precision are those of {positive}"]

    def _chosen_threshold(self, probs: np.ndarray, labels: np.ndarray, weights: np.ndarray | None) -> Calibration:
        """The threshold of the setting `threshold`, and how it was chosen."""
        rule, rows = threshold_rule(self.threshold), f"{len(labels):,} validation rows"
        if rule.name == "value":
            return {"threshold": rule.least, "threshold_rule": str(rule)}
        used = np.ones(len(labels), bool) if weights is None else weights > 0
        if not 0 < labels[used].sum() < used.sum():
            text = f"{rule} needs both classes among the {rows}"
            return {"threshold": self._default_threshold, "threshold_rule": text}
        chosen = metrics.choose_threshold(probs, labels, *rule, weights)
        missed = rule.name == "precision" and chosen.precision < rule.least
        text = f"no threshold has {rule}, this is the nearest" if missed else str(rule)
        text += f" on {rows}: precision {chosen.precision:.3g}, recall {chosen.recall:.3g}"
        return {"threshold": chosen.threshold, "threshold_rule": text}

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

    def decision_threshold(self, calibration: Calibration | None) -> float:
        """The probability from which on the positive class is predicted."""
        return float((calibration or {}).get("threshold", self._default_threshold))

    def _decide(self, mode: PredictionArrays, calibration: Calibration | None) -> tuple[np.ndarray, np.ndarray]:
        """Calibrated log probabilities (N, 2) and the index of the predicted class (N,)."""
        log_probs = calibrated(mode["log_probs"], calibration)
        return log_probs, (np.exp(log_probs[:, 1]) >= self.decision_threshold(calibration)).astype(np.int64)

    @property
    def _default_threshold(self) -> float:
        """Without calibration: the one that is set, that of equal costs or weighted probabilities, or one half."""
        if self.threshold is not None and (rule := threshold_rule(self.threshold)).name in ("value", "cost"):
            return rule.least if rule.name == "value" else rule.costs[1] / sum(rule.costs)
        return 0.5 if self.log_weights is None else float(1 / (1 + np.exp(self.log_weights[1] - self.log_weights[0])))
