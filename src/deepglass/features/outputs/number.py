"""Predicts a number by its squared error or another loss, standardised, with a conformal interval."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np

from deepglass import metrics
from deepglass.constraints import OpenShare
from deepglass.features.base import Column, Raw
from deepglass.features.number import Number
from deepglass.features.outputs._intervals import RegressionOutput
from deepglass.features.outputs._target_transforms import TRANSFORMS, TargetTransform, TransformName
from deepglass.features.outputs.base import Calibration, PredictedRow, Prediction, PredictionArrays, PredictionColumns
from deepglass.metrics.table import NUMBER_METRICS, check_metric_names

NumberLoss = Literal["squared", "absolute", "huber", "poisson", "quantile"]
MAX_LOG_RATE = 20.0  # of a rate divided by the mean; its exponential is finite

if TYPE_CHECKING:
    from torch import Tensor, nn

    from deepglass.nn.explanation_targets import ExplanationTarget
    from deepglass.nn.tokens import Field


@dataclass(frozen=True, kw_only=True)
class NumberOutput(Number, RegressionOutput):
    """Predicts a number by its squared error or another loss, standardised, with a conformal interval.

    Args:
        loss: "squared" predicts the mean, "absolute" the median, "huber" lies between them (squared up to one standard
            deviation), "poisson" the mean of counts or amounts of at least 0 by the logarithm of their rate, "quantile"
            the quantile that `quantile` states.
        quantile: share of the targets that lie below the prediction, in (0, 1), with loss "quantile".
        metrics: further metrics by name: mape, median_absolute_error, max_error, rmsle, explained_variance,
            poisson_deviance.
        transform: of the target in training: "log", "log1p", "sqrt" or "arcsinh". Predictions, metrics and intervals
            are in the unit of the column.
    """

    loss: NumberLoss = "squared"
    quantile: OpenShare = 0.5
    metrics: tuple[str, ...] = ()
    transform: TransformName | None = None

    transformed_mean_: float = 0.0  # of the transformed training targets; with a transformation only
    transformed_std_: float = 1.0

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
        if (transform := self.target_transform) is None:
            return fitted
        columns = [fitted.encode(raw) for raw in chunks]
        values = np.concatenate([np.zeros(0), *(c.values[c.mask] + fitted.offset_ for c in columns)])
        values = transform.forward(values[transform.is_defined(values)])
        if not len(values):
            return fitted
        return replace(fitted, transformed_mean_=float(values.mean()), transformed_std_=float(values.std()) or 1.0)

    def head(self, dim: int) -> nn.Module:
        from deepglass.nn.encoders_heads import ScaledHead

        return ScaledHead(dim, [0.0])

    def prediction(self, params: Tensor) -> Prediction:
        if (transform := self.target_transform) is not None:
            mean, std = self.transformed_mean_, self.transformed_std_
            return NumberPrediction(params, mean, std, self.loss, self.quantile, transform)
        return NumberPrediction(params, self.mean_ - self.offset_, self.std_, self.loss, self.quantile)

    def score(self, mode: PredictionArrays, truth: Column, calibration: Calibration | None = None) -> dict[str, float]:
        """As `RegressionOutput`, and the metrics of the setting `metrics`."""
        scores = super().score(mode, truth, calibration)
        if not self.metrics:
            return scores
        true, value = (values.astype(np.float64) + self.offset_ for values in self.pairs(mode, truth))
        return scores | metrics.number_metrics(self.metrics, true, value, self.pair_weights(truth))

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
        if truth.weight is not None and truth.present_weight.sum() > 0:
            return {"value": np.array([np.average(values, weights=truth.present_weight)])}
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
        if self.offset_ and (self.loss == "poisson" or self.transform is not None):
            setting = "loss: poisson" if self.transform is None else f"transform: {self.transform}"
            raise self.target_error("bad-value", source, f"numbers that vary by more than rounding for {setting}")

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

        mean, std, transform = self.mean_ - self.offset_, self.std_, self.target_transform
        if transform is not None:
            mean, std, value = self.transformed_mean_, self.transformed_std_, transform.forward(value)
        param = np.log(value / mean) if self.loss == "poisson" else (value - mean) / std
        params = torch.from_numpy(np.broadcast_to(param, (len(truth),))[:, None].copy())
        rows = torch.from_numpy(truth)
        prediction = NumberPrediction(params, mean, std, self.loss, self.quantile, transform)
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


class NumberPrediction(Prediction):
    """Mean of a Normal of fixed scale, or the best value of another loss.

    Shapes:
        params: (B, 1), standardised after the transformation, or with loss "poisson" the logarithm of the rate divided
            by the mean; (B, 2) with the logarithm of the scale of the interval.

    Source: the Huber loss is that of Huber, 1964; the quantile loss that of Koenker and Bassett, 1978.
    """

    def __init__(
        self,
        params: Tensor,
        mean: float,
        std: float,
        loss: NumberLoss = "squared",
        quantile: float = 0.5,
        transform: TargetTransform | None = None,
    ) -> None:
        self.params, self.mean, self.std, self.loss_name, self.quantile = params, mean, std, loss, quantile
        self.transform = transform

    def loss(self, target: Field) -> Tensor:
        if self.loss_name == "poisson":
            return self._deviance(target.values.reshape(-1) / self.mean)
        values = target.values.reshape(-1)
        if self.transform is not None:
            values = self.transform.forward_tensor(values)
        standard = (values - self.mean) / self.std
        error = self.params[:, 0] - standard
        if self.loss_name == "squared":
            return error.square()
        size = error.abs()
        if self.loss_name == "absolute":
            return size
        if self.loss_name == "huber":
            return _huber(size)
        return (self.quantile - (error > 0).to(error.dtype)) * -error

    def _deviance(self, y: Tensor) -> Tensor:
        """Half the Poisson deviance of targets in units of the mean, (B,)."""
        log_rate = self.params[:, 0].float().clamp(-MAX_LOG_RATE, MAX_LOG_RATE)
        return log_rate.exp() - y + y.xlogy(y) - y * log_rate

    def mode(self) -> dict[str, Tensor]:
        if self.loss_name == "poisson":
            value = {"value": self.params[:, 0].float().clamp(-MAX_LOG_RATE, MAX_LOG_RATE).exp() * self.mean}
        else:
            value = {"value": self.params[:, 0].float() * self.std + self.mean}
        if self.transform is not None:
            value = {"value": self.transform.inverse_tensor(value["value"])}
        return value | ({"scale": self.params[:, 1].float().exp()} if self.params.shape[1] > 1 else {})

    def ensemble_mean(self, members: int) -> NumberPrediction:
        import torch

        # Column by column: the mean of two columns at once has other rounding errors than that of one.
        columns = [column.contiguous().reshape(-1, members).mean(1) for column in self.params.unbind(1)]
        if self.loss_name == "poisson":  # the mean of the rates, not of their logarithms
            columns[0] = self.params[:, 0].float().reshape(-1, members).logsumexp(1) - math.log(members)
        return NumberPrediction(
            torch.stack(columns, 1), self.mean, self.std, self.loss_name, self.quantile, self.transform
        )


def _huber(size: Tensor) -> Tensor:
    """Half the square up to 1, linear beyond."""
    return size.clamp_max(1) * (size - 0.5 * size.clamp_max(1))


def _used(truth: Column) -> np.ndarray | None:
    """The weights of the rows that are present; None where all have the same, or none has one."""
    weights = truth.present_weight
    return weights if weights is not None and weights.sum() > 0 else None
