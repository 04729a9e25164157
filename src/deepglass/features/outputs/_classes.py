"""What the outputs of categorical and of binary columns share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import polars as pl

from deepglass.features._classes import ClassFeature
from deepglass.features._value_keys import to_native
from deepglass.features.base import Column
from deepglass.features.outputs._calibrations import ClassCalibration
from deepglass.features.outputs.base import Calibration, Output, PredictedRow, PredictionArrays, PredictionColumns
from deepglass.metrics.calibration import apply_temperature, fit_temperature
from deepglass.metrics.table import METRICS, Metric

if TYPE_CHECKING:
    from deepglass.nn.explanation_targets import ExplanationTarget

_MIN_CLASS_SHARE = 0.1  # of an equal share; smaller classes are reported
_MIN_ROWS = 20  # fewer rows are too few to fit a temperature


@dataclass(frozen=True, kw_only=True)
class ClassOutput(ClassFeature, Output):
    """Predicts one class, with probabilities calibrated by a temperature."""

    metric: ClassVar[Metric] = METRICS["accuracy"]
    calibration_fields: ClassVar[type | None] = ClassCalibration

    def baseline(self, truth: Column) -> PredictionArrays:
        """The share of each class."""
        return {"log_probs": log_shares(truth.values[truth.mask], self.num_classes)[None]}

    def baseline_loss(self, truth: Column) -> float:
        log_probs = self.baseline(truth)["log_probs"][0].astype(np.float64)
        return float(-(np.exp(log_probs) * log_probs).sum())

    def check_target(self, truth: Column, source: str) -> None:
        """Raises: SourceError: `one-class`."""
        if len(np.unique(truth.values[truth.mask])) < 2:
            got = f"only {self.class_names[0]!r}" if self.class_names else "no value"
            raise self.target_error("one-class", source, "at least two classes", got)

    def target_warnings(self, truth: Column) -> list[str]:
        return imbalance_warnings(truth.values[truth.mask], self.class_names, self.name)

    def calibrate(self, mode: PredictionArrays, truth: Column) -> Calibration:
        """The temperature, if it reduces the cross-fitted log loss."""
        return fit_calibration(mode["log_probs"][truth.mask], truth.values[truth.mask] - 1)

    def explanation_target(self, row: PredictedRow) -> ExplanationTarget:
        from deepglass.nn.explanation_targets import class_target

        index = self.class_values.index(row.decoded["value"])
        return class_target(str(row.decoded["value"]), index, row.calibration.get("temperature", 1.0))

    def prediction_columns(self, mode: PredictionArrays, calibration: Calibration | None = None) -> PredictionColumns:
        classes = self.predicted_classes(mode, calibration)
        shares = self.class_probabilities(mode, calibration)
        return {
            "value": pl.Series(self.class_values)[classes],
            "confidence": np.take_along_axis(shares, classes[:, None], 1)[:, 0],
        }

    def class_probabilities(self, mode: PredictionArrays, calibration: Calibration | None = None) -> np.ndarray:
        return np.exp(calibrated(mode["log_probs"], calibration).astype(np.float64))

    @property
    def class_values(self) -> list[str | int | float | bool]:
        """The classes as values of the column's type."""
        return [to_native(name, self.type_) for name in self.class_names]


def calibrated(log_probs: np.ndarray, calibration: Calibration | None) -> np.ndarray:
    """Log probabilities (N, K) with the temperature of a calibration."""
    return apply_temperature(log_probs, (calibration or {}).get("temperature", 1.0))


def fit_calibration(log_probs: np.ndarray, labels: np.ndarray) -> Calibration:
    """The fitted temperature and its cross-fitted metrics, as plain JSON; empty for too few rows."""
    if len(labels) < _MIN_ROWS:
        return {}
    fit = fit_temperature(log_probs, labels)._asdict()
    fit.pop("improves")
    return {"temperature": fit.pop("value"), **fit}


def log_shares(codes: np.ndarray, classes: int) -> np.ndarray:
    """Logarithms of the class shares, (K,) float32; an absent class has the share of half a row."""
    counts = np.maximum(np.bincount(codes - 1, minlength=classes), 0.5)
    return np.log(counts / counts.sum()).astype(np.float32)


def imbalance_warnings(codes: np.ndarray, class_names: Sequence[str], name: str) -> list[str]:
    """A warning if a class has less than a tenth of an equal share."""
    counts = np.bincount(codes - 1, minlength=len(class_names))
    if not counts.sum() or counts.min() >= _MIN_CLASS_SHARE * counts.mean():
        return []
    k = int(counts.argmin())
    rare = int((counts < _MIN_CLASS_SHARE * counts.mean()).sum())
    more = f" ({rare} classes have less than a tenth of an equal share)" if rare > 1 else ""
    return [f"{name}: the class {class_names[k]!r} has only {counts[k]} of {counts.sum():,} rows{more}"]
