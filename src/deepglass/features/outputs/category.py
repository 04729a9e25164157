"""Predicts one class of a vocabulary, with calibrated probabilities."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from deepglass import metrics
from deepglass.constraints import Fraction
from deepglass.features._classes import class_index
from deepglass.features.base import Column
from deepglass.features.category import Category
from deepglass.features.outputs._classes import ClassOutput, calibrated, focal_factor
from deepglass.features.outputs.base import Calibration, Prediction, PredictionArrays

if TYPE_CHECKING:
    from torch import Tensor, nn

    from deepglass.nn.tokens import Field

_SORTED_CLASSES = 100  # so many are sorted; of more only the largest
_MAX_PROBABILITIES = 5  # classes with their probability in a decoded prediction


@dataclass(frozen=True, kw_only=True)
class CategoryOutput(Category, ClassOutput):
    """Predicts one class of a vocabulary, with calibrated probabilities.

    Args:
        label_smoothing: share of each label that is spread over all classes in training, in [0, 1).
        threshold: {cost: {TRUE: {PREDICTED: cost}}}: the class of the least expected cost is predicted; errors that are
            not named cost 1.

    Source: label smoothing is Szegedy et al., 2015, arXiv 1512.00567, section 7.
    """

    label_smoothing: Fraction = 0.0
    threshold: Mapping[str, Any] | float | str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.label_smoothing and self.own_loss is not None:
            raise ValueError(f"label_smoothing: has no meaning with a loss of your own, {self.loss}")
        costs = self.threshold.get("cost") if isinstance(self.threshold, Mapping) else None
        if self.threshold is not None and not is_cost_matrix(costs):
            raise ValueError(
                "threshold: of several classes expected {cost: {TRUE: {PREDICTED: cost}}}, costs of at least 0, "
                f"got {self.threshold!r}; a number or rule needs two classes (kind: binary)"
            )

    @property
    def costs(self) -> np.ndarray | None:
        """Costs by true class (row) and predicted class (column), (K, K); None without any."""
        if not isinstance(self.threshold, Mapping):
            return None
        costs = {
            self.name_of(true): {self.name_of(predicted): cost for predicted, cost in row.items()}
            for true, row in self.threshold["cost"].items()
        }
        return cost_matrix(costs, self.class_names, f"outputs.{self.name}.threshold.cost")

    def check_target(self, truth: Column, source: str) -> None:
        """Raises: as `ClassOutput`; SpecError: `unknown-name` for a class with a cost that is none."""
        super().check_target(truth, source)
        self.costs  # raises for unknown classes  # noqa: B018

    def notes(self) -> list[str]:
        """The class weights, and that costs decide."""
        text = f"{self.name}: the predicted class is the one of the least expected cost (threshold.cost)"
        return [*super().notes(), *([] if self.threshold is None else [text])]

    def predicted_classes(self, mode: PredictionArrays, calibration: Calibration | None = None) -> np.ndarray:
        """Index of the class of the least expected cost, or without costs of the largest probability, (N,)."""
        if (costs := self.costs) is None:
            return super().predicted_classes(mode, calibration)
        return np.asarray((self.class_probabilities(mode, calibration) @ costs).argmin(1))

    @property
    def is_weighted(self) -> bool:
        """Whether the predicted class may be another than the most probable one."""
        return self.class_weight is not None or self.threshold is not None

    def head(self, dim: int) -> nn.Module:
        from deepglass.nn.encoders_heads import LinearHead

        total = sum(self.counts_)
        weights = [0.0] * len(self.counts_) if self.log_weights is None else self.log_weights.tolist()
        return LinearHead(dim, [math.log(n / total) + w for n, w in zip(self.counts_, weights, strict=True)])

    def prediction(self, params: Tensor) -> Prediction:
        weights = self.log_weights_like(params)
        return CategoryPrediction(params, self.label_smoothing, weights, self.gamma, self.own_loss)

    def score(self, mode: PredictionArrays, truth: Column, calibration: Calibration | None = None) -> dict[str, float]:
        log_probs = calibrated(mode["log_probs"], calibration)
        log_probs = log_probs if truth.mask.all() else log_probs[truth.mask]  # no copy of 10,000 classes
        predicted = None if not self.is_weighted else self.predicted_classes(mode, calibration)[truth.mask]
        return self.scores_of(truth.values[truth.mask] - 1, log_probs, predicted, truth.present_weight)

    def baseline_loss(self, truth: Column) -> float:
        if self.own_loss is not None:
            return super().baseline_loss(truth)
        uniform = -float(self.baseline(truth)["log_probs"][0].astype(np.float64).mean())
        return (1 - self.label_smoothing) * super().baseline_loss(truth) + self.label_smoothing * uniform

    def decode(self, mode: PredictionArrays, calibration: Calibration | None = None) -> list[dict[str, Any]]:
        """`value`, its `confidence`, and the `probabilities` of the five most likely classes."""
        log_probs = calibrated(mode["log_probs"], calibration)
        order = _most_likely(log_probs, _MAX_PROBABILITIES)
        probs = np.exp(np.take_along_axis(log_probs, order, 1).astype(np.float64))
        names, values = self.class_names, self.class_values
        predicted = order[:, 0] if not self.is_weighted else self.predicted_classes(mode, calibration)
        confidences = np.exp(np.take_along_axis(log_probs, predicted[:, None], 1)[:, 0].astype(np.float64))
        return [
            {
                "value": values[value],
                "confidence": confidence,
                "probabilities": {names[k]: q for k, q in zip(row, p, strict=True)},
            }
            for value, confidence, row, p in zip(
                predicted.tolist(), confidences.tolist(), order.tolist(), probs.tolist(), strict=True
            )
        ]


class CategoryPrediction(Prediction):
    """Class probabilities; params: (B, K) logits.

    Args:
        log_weights: logarithms of the class weights in the loss, (K,). `log_probs` are corrected for them.
        gamma: exponent of the focal loss; 0 for the cross-entropy.
        own_loss: a function of the user, of log probabilities and labels; None for the losses by name.
    """

    def __init__(
        self,
        params: Tensor,
        label_smoothing: float = 0.0,
        log_weights: Tensor | None = None,
        gamma: float = 0.0,
        own_loss: Callable[[Tensor, Tensor], Tensor] | None = None,
    ) -> None:
        self.weighted = params.float().log_softmax(-1)
        self.log_probs = self.weighted if log_weights is None else (self.weighted - log_weights).log_softmax(-1)
        self.label_smoothing, self.log_weights, self.gamma = label_smoothing, log_weights, gamma
        self.own_loss = own_loss

    def loss(self, target: Field) -> Tensor:
        label = (target.values.reshape(-1).long() - 1).clamp_min(0)  # code 0 is masked out by the caller
        if self.own_loss is not None:
            loss = self.own_loss(self.weighted, label)
            return loss if self.log_weights is None else loss * self.log_weights.exp()[label]
        loss = -self.weighted.gather(1, label[:, None])[:, 0]
        if self.label_smoothing:
            loss = (1 - self.label_smoothing) * loss - self.label_smoothing * self.weighted.mean(-1)
        if self.gamma:
            loss = loss * focal_factor(self.weighted.gather(1, label[:, None])[:, 0], self.gamma)
        return loss if self.log_weights is None else loss * self.log_weights.exp()[label]

    def mode(self) -> dict[str, Tensor]:
        return {"log_probs": self.log_probs}

    def ensemble_mean(self, members: int) -> CategoryPrediction:
        """Averages the members' probabilities, not their logits."""
        K = self.weighted.shape[-1]
        mixed = self.weighted.reshape(-1, members, K).logsumexp(1) - math.log(members)
        return CategoryPrediction(mixed, self.label_smoothing, self.log_weights, self.gamma, self.own_loss)


def _most_likely(log_probs: np.ndarray, count: int) -> np.ndarray:
    """Indices of the largest values of each row, in descending order, of equal ones the first: (N, count) int64.

    Shapes:
        log_probs: (N, K) float; K may be below `count`.
    """
    if log_probs.shape[1] <= _SORTED_CLASSES:
        return np.argsort(-log_probs, axis=1, kind="stable")[:, :count]
    order = np.empty((len(log_probs), count), np.int64)
    for rows in metrics.row_blocks(log_probs.shape):
        block = log_probs[rows]
        least = np.partition(block, -count, axis=1)[:, -count]
        for i, (values, limit) in enumerate(zip(block, least, strict=True), rows.start):
            largest = np.flatnonzero(values >= limit)
            order[i] = largest[np.argsort(-values[largest], kind="stable")[:count]]
    return order


def is_cost_matrix(costs: Any) -> bool:
    """Whether a value is {true class: {predicted class: cost >= 0}}."""
    return isinstance(costs, Mapping) and all(
        isinstance(row, Mapping)
        and all(isinstance(c, int | float) and not isinstance(c, bool) and c >= 0 for c in row.values())
        for row in costs.values()
    )


def cost_matrix(costs: Mapping[Any, Mapping[Any, float]], names: Sequence[str], where: str) -> np.ndarray:
    """Costs by true class (row) and predicted class (column), (K, K); errors that are not named cost 1.

    Raises:
        SpecError: `unknown-name` for a class that the training rows lack.
    """
    matrix = 1.0 - np.eye(len(names))
    for true, row in costs.items():
        for predicted, cost in row.items():
            matrix[class_index(true, names, where), class_index(predicted, names, where)] = cost
    return matrix
