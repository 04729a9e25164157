"""What the outputs of categorical and of binary columns share: calibrated probabilities, class weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import polars as pl

from deepglass import metrics
from deepglass.constraints import FunctionName, NonNegative, Positive
from deepglass.features._classes import ClassFeature, class_index
from deepglass.features._value_keys import to_native
from deepglass.features.base import Column
from deepglass.features.outputs._calibrations import ClassCalibration
from deepglass.features.outputs._functions import (
    CHECKED_ROWS,
    check_loss,
    is_function,
    loss_of_rows,
    metrics_of_functions,
)
from deepglass.features.outputs.base import Calibration, Output, PredictedRow, PredictionArrays, PredictionColumns
from deepglass.metrics.calibration import apply_temperature, fit_temperature
from deepglass.metrics.table import CLASS_METRICS, METRICS, Metric, check_metric_names

if TYPE_CHECKING:
    from torch import Tensor

    from deepglass.nn.explanation_targets import ExplanationTarget

_MIN_CLASS_SHARE = 0.1  # of an equal share; smaller classes are reported
_MAX_NAMED = 8  # classes whose weights are listed
_MIN_ROWS = 20  # fewer rows are too few to fit a temperature


@dataclass(frozen=True, kw_only=True)
class ClassOutput(ClassFeature, Output):
    """Predicts one class, with probabilities calibrated by a temperature.

    Args:
        class_weight: factors of the classes in the loss: "balanced" for n / (K * rows of the class), or
            {class: weight}, > 0, with 1 for classes left out. Probabilities are corrected for them, so that they are
            those of the data; the predicted class is the one of the largest weighted probability.
        loss: "cross_entropy"; "focal", which gives less weight to rows that are predicted well; or a function
            `module:function` of log probabilities (B, K) and class indices (B,) that returns the loss of each row.
        focal_gamma: exponent of the focal loss, >= 0; 0 is the cross-entropy.
        metrics: further metrics: mcc, cohen_kappa, f1_weighted, precision_macro, recall_macro, jaccard_macro, or
            functions `module:function` of the true and the predicted classes, (N,) arrays, that return a number.

    Source: the correction is that of Elkan, 2001, "The foundations of cost-sensitive learning", theorem 2; the
    focal loss that of Lin et al., 2017, arXiv 1708.02002, eq. 4.
    """

    metrics: tuple[str, ...] = ()
    loss: Literal["cross_entropy", "focal"] | FunctionName = "cross_entropy"
    focal_gamma: NonNegative = 2.0
    class_weight: Literal["balanced"] | Mapping[Any, Positive] | None = None

    metric: ClassVar[Metric] = METRICS["accuracy"]
    weighs_metrics: ClassVar[bool] = True
    calibration_fields: ClassVar[type | None] = ClassCalibration

    def __post_init__(self) -> None:
        super().__post_init__()
        check_metric_names(self.metrics, CLASS_METRICS)
        check_focal(self.loss, self.focal_gamma)

    @property
    def own_loss(self) -> Callable[[Tensor, Tensor], Tensor] | None:
        """The losses of rows by a function of the user; None without one."""
        return partial(loss_of_rows, self.loss, f"outputs.{self.name}") if is_function(self.loss) else None

    @property
    def gamma(self) -> float:
        """The exponent of the focal loss; 0 for the cross-entropy."""
        return focal_exponent(self.loss, self.focal_gamma)

    def scores_of(
        self, labels: np.ndarray, log_probs: np.ndarray, predicted: np.ndarray | None, weights: np.ndarray | None
    ) -> dict[str, float]:
        """As `class_scores`, and the metrics of the setting `metrics`."""
        scores = class_scores(labels, log_probs, predicted, weights)
        if not self.metrics:
            return scores
        predicted = log_probs.argmax(1) if predicted is None else predicted
        named = [name for name in self.metrics if not is_function(name)]
        scores |= metrics.class_metrics_by_name(named, labels, predicted, weights)
        if len(named) == len(self.metrics):
            return scores
        values = np.array(self.class_values)
        return scores | metrics_of_functions(self.metrics, f"outputs.{self.name}", values[labels], values[predicted])

    def baseline(self, truth: Column) -> PredictionArrays:
        """The share of each class."""
        return {"log_probs": log_shares(truth.values[truth.mask], self.num_classes, truth.present_weight)[None]}

    def baseline_loss(self, truth: Column) -> float:
        log_probs = self.baseline(truth)["log_probs"][0].astype(np.float64)
        if self.own_loss is not None:
            losses = self._own_losses(truth.values[truth.mask] - 1, log_probs)
            return float(np.average(losses, weights=truth.present_weight)) if len(losses) else 1.0
        if self.log_weights is not None:  # the best constant of the weighted loss
            log_probs = log_probs + self.log_weights
            log_probs = log_probs - np.log(np.exp(log_probs).sum())
        shares = np.exp(log_probs)
        return float(-(shares * (1 - shares) ** self.gamma * log_probs).sum())

    def _own_losses(self, labels: np.ndarray, log_probs: np.ndarray) -> np.ndarray:
        """The losses by a function of the user of one prediction (K,) for rows of these classes, (N,)."""
        import torch

        predicted = torch.from_numpy(log_probs).float().expand(len(labels), -1)
        losses = loss_of_rows(self.loss, f"outputs.{self.name}", predicted, torch.from_numpy(labels.astype(np.int64)))
        weights = 1.0 if self.log_weights is None else np.exp(self.log_weights)[labels]
        return np.asarray(losses.numpy() * weights)

    @cached_property
    def log_weights(self) -> np.ndarray | None:
        """Logarithms of the class weights, (K,); None without any. Raises as `class_weights`."""
        if self.class_weight is None:
            return None
        where = f"outputs.{self.name}.class_weight"
        weights = self.class_weight
        if isinstance(weights, Mapping):
            weights = {self.name_of(code): weight for code, weight in weights.items()}
        return np.log(class_weights(weights, self.class_names, self.counts_, where))

    def log_weights_like(self, params: Tensor) -> Tensor | None:
        """The same as a tensor of the type and device of another one."""
        return None if self.log_weights is None else params.new_tensor(self.log_weights.tolist())

    def check_target(self, truth: Column, source: str) -> None:
        """Raises: SourceError: `one-class`; SpecError: `unknown-name` for a class with a weight that is none."""
        if len(np.unique(truth.values[truth.mask])) < 2:
            got = f"only {self.class_names[0]!r}" if self.class_names else "no value"
            raise self.target_error("one-class", source, "at least two classes", got)
        self.log_weights  # raises for unknown classes  # noqa: B018
        few = truth.values[truth.mask][:CHECKED_ROWS] - 1
        values, where = np.array(self.class_values), f"outputs.{self.name}"
        metrics_of_functions(self.metrics, where, values[few], values[np.zeros_like(few)])
        if is_function(self.loss):
            import torch

            log_probs = torch.full((len(few), self.num_classes), -float(np.log(self.num_classes)))
            check_loss(self.loss, where, log_probs, torch.from_numpy(few.astype(np.int64)))

    def notes(self) -> list[str]:
        """The class weights."""
        if self.log_weights is None:
            return []
        weights = zip(self.class_names[:_MAX_NAMED], np.exp(self.log_weights), strict=False)
        listing = ", ".join(f"{name} {weight:.3g}" for name, weight in weights)
        more = ", ..." if self.num_classes > _MAX_NAMED else ""
        return [f"{self.name}: class weights in the loss: {listing}{more}; probabilities are corrected for them"]

    def target_warnings(self, truth: Column) -> list[str]:
        return imbalance_warnings(truth.values[truth.mask], self.class_names, self.name)

    def calibrate(self, mode: PredictionArrays, truth: Column) -> Calibration:
        """The temperature, if it reduces the cross-fitted log loss."""
        log_probs, labels = mode["log_probs"][truth.mask], truth.values[truth.mask] - 1
        return fit_calibration(log_probs, labels, truth.present_weight, self.log_weights)

    @property
    def calibration_length(self) -> int:
        return self.num_classes

    def predicted_classes(self, mode: PredictionArrays, calibration: Calibration | None = None) -> np.ndarray:
        """Index of the class of the largest probability, times its weight where there are class weights, (N,)."""
        if self.log_weights is None:
            return mode["log_probs"].argmax(1)
        return np.asarray((calibrated(mode["log_probs"], calibration) + self.log_weights).argmax(1))

    def explanation_target(self, row: PredictedRow) -> ExplanationTarget:
        from deepglass.nn.explanation_targets import class_target

        index = self.class_values.index(row.decoded["value"])
        name, calibration = str(row.decoded["value"]), row.calibration
        return class_target(name, index, calibration.get("temperature", 1.0), calibration.get("bias"))

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


def check_focal(loss: str, gamma: float) -> None:
    """Raises: ValueError: for an exponent of the focal loss that is not used."""
    if gamma != 2.0 and loss != "focal":
        raise ValueError(f"focal_gamma: has a meaning with loss: focal only, and the loss is {loss}")


def focal_exponent(loss: str, gamma: float) -> float:
    """The exponent of the focal loss; 0 for the cross-entropy."""
    return gamma if loss == "focal" else 0.0


def focal_factor(log_probs: Tensor, gamma: float) -> Tensor:
    """The factor of the cross-entropy in the focal loss, by the log probabilities of the true classes.

    Source: Lin et al., 2017, arXiv 1708.02002, equation 4.
    """
    return (1 - log_probs.exp()).clamp_min(1e-6) ** gamma  # the power's gradient at 0 may be infinite


def calibrated(log_probs: np.ndarray, calibration: Calibration | None) -> np.ndarray:
    """Log probabilities (N, K) with the temperature of a calibration."""
    calibration = calibration or {}
    bias = np.array(calibration["bias"]) if "bias" in calibration else None
    return apply_temperature(log_probs, calibration.get("temperature", 1.0), bias)


def class_scores(
    labels: np.ndarray, log_probs: np.ndarray, predicted: np.ndarray | None, weights: np.ndarray | None
) -> dict[str, float]:
    """Metrics of classes; arguments as of `metrics.classification`, and the rows' weights, None for equal ones."""
    if weights is None:
        return metrics.classification(labels, log_probs, predicted)
    predicted = log_probs.argmax(1) if predicted is None else predicted
    return metrics.weighted_classification(labels, log_probs, predicted, weights)


def fit_calibration(
    log_probs: np.ndarray,
    labels: np.ndarray,
    weights: np.ndarray | None = None,
    log_weights: np.ndarray | None = None,
) -> Calibration:
    """The fitted temperature and its cross-fitted metrics, as plain JSON; empty for too few rows.

    Args:
        weights: of the rows, (N,).
        log_weights: of the classes, (K,), as `fit_temperature` takes them. `bias` then moves the correction for them
            behind the temperature.
    """
    if weights is not None:
        used = weights > 0
        log_probs, labels, weights = log_probs[used], labels[used], weights[used].astype(np.float64)
    if len(labels) < _MIN_ROWS:
        return {}
    fit = fit_temperature(log_probs, labels, weights=weights, log_weights=log_weights)._asdict()
    fit.pop("improves")
    calibration = {"temperature": fit.pop("value"), **fit}
    if log_weights is not None and calibration["temperature"] != 1:
        calibration["bias"] = ((1 / calibration["temperature"] - 1) * log_weights).tolist()
    return calibration


def log_shares(codes: np.ndarray, classes: int, weights: np.ndarray | None = None) -> np.ndarray:
    """Logarithms of the class shares, (K,) float32; an absent class has the share of half a row."""
    counts = np.maximum(np.bincount(codes - 1, weights, minlength=classes), 0.5)
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


def class_weights(setting: Any, names: Sequence[str], counts: Sequence[int], where: str) -> np.ndarray:
    """Weights of the classes, (K,) float64, whose mean over the training rows is 1.

    Args:
        setting: "balanced", so that each class has the same weight in all, or class -> weight, 1 for those left out.
        counts: training rows of each class.
        where: the setting, for messages.

    Raises:
        SpecError: `unknown-name` for a class that the training rows lack.
    """
    rows = np.maximum(np.array(counts, np.float64), 0.5)
    weights = np.ones(len(names))
    if isinstance(setting, Mapping):
        for value, weight in setting.items():
            weights[class_index(value, names, where)] = weight
    else:
        weights = 1 / rows
    return np.asarray(weights * rows.sum() / (weights * rows).sum())
