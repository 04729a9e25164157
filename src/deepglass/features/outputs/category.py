"""Predicts one class of a vocabulary, with calibrated probabilities."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from deepglass import metrics
from deepglass.errors import SourceError
from deepglass.features._value_keys import (
    native,
)
from deepglass.features.base import Column
from deepglass.features.category import Category
from deepglass.features.outputs.base import Calibration, Output, Prediction, PredictionArrays
from deepglass.metrics.calibration import apply_temperature, fit_temperature
from deepglass.metrics.table import METRICS, Metric

if TYPE_CHECKING:
    from torch import Tensor, nn

    from deepglass.nn.explanation_targets import ExplanationTarget
    from deepglass.nn.tokens import Field

_SHOWN = 5  # probabilities an answer
_RARE = 0.1
_MIN_ROWS = 20  # fewer rows say nothing about a temperature


@dataclass(frozen=True, kw_only=True)
class CategoryOutput(Category, Output):
    """Predicts one class of a vocabulary, with calibrated probabilities.

    Args:
        label_smoothing: share of each label that is spread over all classes in training, in [0, 1).

    Source: label smoothing is Szegedy et al., 2015, arXiv 1512.00567, section 7.
    """

    label_smoothing: float = 0.0

    metric: ClassVar[Metric] = METRICS["accuracy"]

    def head(self, dim: int) -> nn.Module:
        from deepglass.nn.encoders_heads import LinearHead

        total = sum(self.counts_)
        return LinearHead(dim, [math.log(n / total) for n in self.counts_])

    def prediction(self, params: Tensor) -> Prediction:
        return CategoryPrediction(params, self.label_smoothing)

    def score(self, best: PredictionArrays, truth: Column, calibration: Calibration | None = None) -> dict[str, float]:
        log_probs = apply_temperature(best["log_probs"], (calibration or {}).get("temperature", 1.0))
        return metrics.classification(truth.values[truth.mask] - 1, log_probs[truth.mask])

    def baseline(self, truth: Column) -> PredictionArrays:
        """The share of each class."""
        return class_shares(truth, len(self.vocabulary_))

    def baseline_loss(self, truth: Column) -> float:
        log_probs = self.baseline(truth)["log_probs"][0].astype(np.float64)
        smoothing = self.label_smoothing
        return float(-(1 - smoothing) * (np.exp(log_probs) * log_probs).sum() - smoothing * log_probs.mean())

    def check_target(self, truth: Column, source: str) -> None:
        """Raises: SourceError: `one-class`."""
        check_classes(truth, self.vocabulary_, self.column, source)

    def target_warnings(self, truth: Column) -> list[str]:
        return imbalance(truth, self.vocabulary_, self.name)

    def calibrate(self, best: PredictionArrays, truth: Column) -> Calibration:
        """The temperature, where it helps."""
        return temperature_of(best["log_probs"][truth.mask], truth.values[truth.mask] - 1)

    def explanation_target(
        self, prediction: Any, best: Any, decoded: Mapping[str, Any], calibration: Calibration
    ) -> ExplanationTarget:
        from deepglass.nn.explanation_targets import class_target

        values = [native(v, self.type_) for v in self.class_names]
        return class_target(str(decoded["value"]), values.index(decoded["value"]), calibration.get("temperature", 1.0))

    def decode(self, best: PredictionArrays, calibration: Calibration | None = None) -> list[dict[str, Any]]:
        """`value`, its `confidence`, and the `probabilities` of the five likeliest."""
        log_probs = apply_temperature(best["log_probs"], (calibration or {}).get("temperature", 1.0))
        order = np.argsort(-log_probs, axis=1, kind="stable")[:, :_SHOWN]
        probs = np.exp(np.take_along_axis(log_probs, order, 1).astype(np.float64))
        words = self.vocabulary_
        values = [native(word, self.type_) for word in words]
        return [
            {
                "value": values[row[0]],
                "confidence": p[0],
                "probabilities": {words[k]: q for k, q in zip(row, p, strict=True)},
            }
            for row, p in zip(order.tolist(), probs.tolist(), strict=True)
        ]


class CategoryPrediction(Prediction):
    """The probability of each class; params: (B, K) logits."""

    def __init__(self, params: Tensor, label_smoothing: float = 0.0) -> None:
        self.log_probs = params.float().log_softmax(-1)
        self.label_smoothing = label_smoothing

    def loss(self, target: Field) -> Tensor:
        label = (target.values.reshape(-1).long() - 1).clamp_min(0)  # code 0 is masked out by the caller
        loss = -self.log_probs.gather(1, label[:, None])[:, 0]
        if not self.label_smoothing:
            return loss
        return (1 - self.label_smoothing) * loss - self.label_smoothing * self.log_probs.mean(-1)

    def mode(self) -> dict[str, Tensor]:
        return {"log_probs": self.log_probs}

    def ensemble_mean(self, members: int) -> CategoryPrediction:
        """The members' probabilities are averaged, not their logits."""
        K = self.log_probs.shape[-1]
        mixed = self.log_probs.reshape(-1, members, K).logsumexp(1) - math.log(members)
        return CategoryPrediction(mixed, self.label_smoothing)


def class_shares(truth: Column, classes: int) -> PredictionArrays:
    """The classes' shares as one row of log probabilities; an absent class gets that of half a row."""
    counts = np.bincount(truth.values[truth.mask] - 1, minlength=classes)
    counts = np.maximum(counts, 0.5)
    return {"log_probs": np.log(counts / counts.sum())[None].astype(np.float32)}


def temperature_of(log_probs: np.ndarray, labels: np.ndarray) -> Calibration:
    """What cross-fitting on the validation rows says, as JSON."""
    if len(labels) < _MIN_ROWS:
        return {}
    found = fit_temperature(log_probs, labels)
    figures = {name: getattr(found, name) for name in found._fields if name not in ("value", "kept")}
    return {"temperature": found.value, **figures}


def check_classes(truth: Column, values: Sequence[str], column: str, source: str) -> None:
    """Refuse an output of fewer than two classes."""
    if len(np.unique(truth.values[truth.mask])) < 2:
        came = f"found only {values[0]!r}" if values else "found no value at all"
        raise SourceError(
            "one-class", f"{source}: expected two classes or more in {column!r} of the training rows, {came}"
        )


def imbalance(truth: Column, values: Sequence[str], name: str) -> list[str]:
    """A sentence where a class has less than a tenth of an equal share."""
    counts = np.bincount(truth.values[truth.mask] - 1, minlength=len(values))
    if not counts.sum() or counts.min() >= _RARE * counts.mean():
        return []
    k = int(counts.argmin())
    rare = int((counts < _RARE * counts.mean()).sum())
    more = f" ({rare} classes have less than a tenth of an equal share)" if rare > 1 else ""
    return [f"{name}: the class {values[k]!r} has only {counts[k]} of {counts.sum():,} rows{more}"]
