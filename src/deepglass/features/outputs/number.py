"""Predicts a number by its squared error or another loss, standardised, with a conformal interval."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from deepglass import metrics
from deepglass.constraints import FunctionName, OpenShare
from deepglass.features.base import Column, Raw
from deepglass.features.number import Number
from deepglass.features.outputs._functions import (
    CHECKED_ROWS,
    check_loss,
    is_function,
    loss_of_rows,
    metrics_of_functions,
)
from deepglass.features.outputs._intervals import RegressionOutput
from deepglass.features.outputs._number_prediction import NumberLoss, NumberPrediction
from deepglass.features.outputs._target_transforms import TRANSFORMS, TargetTransform, TransformName
from deepglass.features.outputs.base import Calibration, PredictedRow, Prediction, PredictionArrays, PredictionColumns
from deepglass.metrics.table import NUMBER_METRICS, check_metric_names

if TYPE_CHECKING:
    from torch import Tensor, nn

    from deepglass.nn.explanation_targets import ExplanationTarget


@dataclass(frozen=True, kw_only=True)
class NumberOutput(Number, RegressionOutput):
    """Predicts a number by its squared error or another loss, standardised, with a conformal interval.

    Args:
        loss: "squared" predicts the mean, "absolute" the median, "huber" lies between them (squared up to one standard
            deviation), "poisson" the mean of counts or amounts of at least 0 by the logarithm of their rate, "quantile"
            the quantile that `quantile` states; or a function `module:function` of predictions and targets, (B,)
            tensors in the unit of the column, that returns the loss of each row.
        quantile: share of the targets that lie below the prediction, in (0, 1), with loss "quantile".
        metrics: further metrics: mape, median_absolute_error, max_error, rmsle, explained_variance, poisson_deviance,
            or functions `module:function` of the true and the predicted numbers, (N,) arrays, that return a number.
        transform: of the target in training: "log", "log1p", "sqrt" or "arcsinh". Predictions, metrics and intervals
            are in the unit of the column.
    """

    loss: NumberLoss | FunctionName = "squared"
    quantile: OpenShare = 0.5
    metrics: tuple[str, ...] = ()
    transform: TransformName | None = None

    transformed_mean_: float = 0.0  # of the transformed training targets; with a transformation only
    transformed_std_: float = 1.0
    mean_loss_: float = 1.0  # of the mean, for a loss that is a function: it is divided by it

    def __post_init__(self) -> None:
        super().__post_init__()
        check_metric_names(self.metrics, NUMBER_METRICS)
        if self.transform is not None and self.loss == "poisson":
            raise ValueError(f"transform: loss: poisson takes the logarithm of its rate itself, got {self.transform}")
        if self.quantile != 0.5 and self.loss != "quantile":
            raise ValueError(f"quantile: has a meaning with loss: quantile only, and the loss is {self.loss}")

    weighs_metrics: ClassVar[bool] = True

    @property
    def target_transform(self) -> TargetTransform | None:
        return None if self.transform is None else TRANSFORMS[self.transform]

    def fit(self, chunks: Iterable[Raw]) -> Self:
        chunks = list(chunks)
        fitted = super().fit(chunks)
        if self.transform is None and not is_function(self.loss):
            return fitted
        columns = [fitted.encode(raw) for raw in chunks]
        values = np.concatenate([np.zeros(0), *(c.values[c.mask] for c in columns)])
        if (transform := self.target_transform) is not None:
            values = values[transform.is_defined(values)]
            if len(values):
                changed = transform.forward(values)
                mean, std = float(changed.mean()), float(changed.std()) or 1.0
                fitted = replace(fitted, transformed_mean_=mean, transformed_std_=std)
        if is_function(self.loss) and len(values):
            constant = fitted.baseline(Column(values, np.ones(len(values), bool)))["value"]
            mean_loss = float(np.mean(fitted._losses(values, constant)))
            fitted = replace(fitted, mean_loss_=mean_loss if math.isfinite(mean_loss) and mean_loss > 0 else 1.0)
        return fitted

    def head(self, dim: int) -> nn.Module:
        from deepglass.nn.encoders_heads import ScaledHead

        return ScaledHead(dim, [0.0])

    def prediction(self, params: Tensor) -> Prediction:
        transform = self.target_transform
        return NumberPrediction(params, *self._mean_std, self.loss, self.quantile, transform, self._own_loss)

    @property
    def _mean_std(self) -> tuple[float, float]:
        """Mean and standard deviation of the training targets, after the transformation where there is one."""
        if self.transform is not None:
            return self.transformed_mean_, self.transformed_std_
        return self.mean_ - self.offset_, self.std_

    @property
    def _own_loss(self) -> Callable[[Tensor, Tensor], Tensor] | None:
        """The losses of rows by a function of the user, relative to that of the mean; None without one."""
        if not is_function(self.loss):
            return None
        losses = partial(loss_of_rows, self.loss, f"outputs.{self.name}")
        return lambda predicted, target: losses(predicted, target) / self.mean_loss_

    def score(self, mode: PredictionArrays, truth: Column, calibration: Calibration | None = None) -> dict[str, float]:
        """As `RegressionOutput`, and the metrics of the setting `metrics`."""
        scores = super().score(mode, truth, calibration)
        if not self.metrics:
            return scores
        true, value = (values.astype(np.float64) + self.offset_ for values in self.pairs(mode, truth))
        named = [name for name in self.metrics if not is_function(name)]
        scores |= metrics.number_metrics(named, true, value, self.pair_weights(truth))
        return scores | metrics_of_functions(self.metrics, f"outputs.{self.name}", true, value)

    def pairs(self, mode: PredictionArrays, truth: Column) -> tuple[np.ndarray, np.ndarray]:
        return truth.values[truth.mask], mode["value"][truth.mask]

    def pair_weights(self, truth: Column) -> np.ndarray | None:
        return truth.present_weight

    def baseline(self, truth: Column) -> PredictionArrays:
        """The mean, of the transformed target where there is a transformation; the median or quantile by the loss."""
        values = truth.values[truth.mask].astype(np.float64)
        if (transform := self.target_transform) is not None and self.loss not in ("absolute", "quantile"):
            if not len(values):
                return {"value": transform.inverse(np.array([self.transformed_mean_]))}
            return {"value": transform.inverse(np.average(transform.forward(values), weights=_used(truth))[None])}
        if self.loss in ("absolute", "quantile") and len(values):
            return {"value": np.array([np.quantile(values, self.quantile)])}
        if (weights := _used(truth)) is not None:
            return {"value": np.array([np.average(values, weights=weights)])}
        return {"value": np.array([values.mean() if len(values) else self.mean_ - self.offset_])}

    def baseline_loss(self, truth: Column) -> float:
        if self.loss != "squared" or self.transform is not None:
            losses = self._losses(truth.values[truth.mask].astype(np.float64), self.baseline(truth)["value"])
            return float(np.average(losses, weights=truth.present_weight)) if len(losses) else 1.0
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
        own_loss = is_function(self.loss)
        if self.offset_ and (self.loss == "poisson" or own_loss or self.transform is not None):
            setting = f"loss: {self.loss}" if self.transform is None else f"transform: {self.transform}"
            raise self.target_error("bad-value", source, f"numbers that vary by more than rounding for {setting}")
        few, where = values[:CHECKED_ROWS].astype(np.float64), f"outputs.{self.name}"
        metrics_of_functions(self.metrics, where, few, np.full(len(few), few.mean()))
        if own_loss:
            import torch

            target = torch.tensor(few, dtype=torch.float32)
            check_loss(self.loss, where, target.mean().expand(len(few)).clone(), target)

    def unusable_targets(self, truth: Column) -> tuple[np.ndarray, str]:
        values = truth.values.astype(np.float64) + self.offset_
        if self.loss == "poisson":
            return truth.mask & (values < 0), "numbers of at least 0 for loss: poisson"
        if (transform := self.target_transform) is None:
            return super().unusable_targets(truth)
        return truth.mask & ~transform.is_defined(values), f"{transform.domain} for transform: {self.transform}"

    def notes(self) -> list[str]:
        """What a transformation of the target means for its predictions."""
        if (transform := self.target_transform) is None:
            return []
        what = {"absolute": "the median", "quantile": f"the quantile {self.quantile:g}"}.get(
            self.loss, transform.average
        )
        return [
            f"{self.name}: learned with transform: {self.transform}; a prediction is {what}, in the unit of the column"
        ]

    def _losses(self, truth: np.ndarray, value: np.ndarray) -> np.ndarray:
        """The loss of a constant for each row, (N,)."""
        import torch

        from deepglass.nn.tokens import Field

        mean, std = self._mean_std
        if (transform := self.target_transform) is not None:
            value = transform.forward(value)
        param = np.log(value / mean) if self.loss == "poisson" else (value - mean) / std
        params = torch.from_numpy(np.broadcast_to(param, (len(truth),))[:, None].copy())
        rows = torch.from_numpy(truth)
        prediction = self.prediction(params)
        return prediction.loss(Field(rows, torch.ones(len(rows), dtype=torch.bool))).numpy()

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
        low, high = self.interval_ends(np.array(values), self.half_widths(mode, calibration))
        bounds, confidence = zip(values, low.tolist(), high.tolist(), strict=True), calibration["confidence_level"]
        return [{"value": v, "low": lo, "high": hi, "confidence": confidence} for v, lo, hi in bounds]

    def prediction_columns(self, mode: PredictionArrays, calibration: Calibration | None = None) -> PredictionColumns:
        values = mode["value"].astype(np.float64) + self.offset_
        if not calibration:
            return {"value": values}
        low, high = self.interval_ends(values, self.half_widths(mode, calibration))
        confidence = np.full(len(values), calibration["confidence_level"])
        return {"value": values, "low": low, "high": high, "confidence": confidence}


def _used(truth: Column) -> np.ndarray | None:
    """The weights of the rows that are present; None where all have the same, or none has one."""
    weights = truth.present_weight
    return weights if weights is not None and weights.sum() > 0 else None
