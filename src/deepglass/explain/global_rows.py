"""Labelled rows whose inputs are changed, and how well they are predicted then."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch

from deepglass.data.batches import Dataset
from deepglass.data.table import Table
from deepglass.features.base import Column, Feature
from deepglass.features.outputs._classes import calibrated
from deepglass.features.outputs._intervals import RegressionOutput
from deepglass.features.outputs.base import Calibration, Output, PredictionArrays
from deepglass.objectives.base import Objective, predict_dataset
from deepglass.prepare.prepared_data import add_context

BATCH = 512
MIN_PROBABILITY = 1e-6


@dataclass(frozen=True)
class GlobalRows:
    """Rows of one output.

    Args:
        table: as the user wrote them.
        columns: input name -> encoded rows.
        truth: encoded targets.
        calibration: of the output.
    """

    objective: Objective
    inputs: Sequence[Feature]
    outputs: Sequence[Output]
    output: Output
    table: Table
    columns: Mapping[str, Column]
    truth: Column
    calibration: Calibration
    device: torch.device

    def __len__(self) -> int:
        return len(self.truth)

    def take(self, rows: np.ndarray) -> "GlobalRows":
        """Some of the rows."""
        columns = {name: column.take(rows) for name, column in self.columns.items()}
        return replace(self, table=self.table.take(rows), columns=columns, truth=self.truth.take(rows))

    def predict(self, changed: Mapping[str, Column] | None = None) -> PredictionArrays:
        """Predictions with some inputs replaced by other columns of as many rows."""
        columns = {**self.columns, **(changed or {})}
        data = Dataset(columns, {}, self.device)
        arrays = predict_dataset(self.objective, data, BATCH)
        return add_context(arrays, self.outputs, columns)[self.output.name]

    def quality(self, predictions: PredictionArrays) -> float:
        """The output's main metric, negated where lower is better."""
        metric = self.output.metric
        value = self.output.score(predictions, self.truth, self.calibration).get(metric.name, float("nan"))
        return value if metric.higher_is_better else -value

    def row_losses(self, predictions: PredictionArrays) -> np.ndarray:
        """What each row loses, (N,): minus the log probability of its class; of numbers the squared error by the
        variance of the target, whose mean is 1 - R².
        """
        if self.output.has_classes:
            log_probs = calibrated(predictions["log_probs"], self.calibration)
            return -self.true_log_probs({"log_probs": log_probs})
        truth, predicted = self._numbers(predictions)
        return ((truth - predicted) ** 2 / _variance(truth)).mean(1)

    @cached_property
    def constant_losses(self) -> np.ndarray:
        """The same of the best constant prediction, (N,)."""
        if self.output.has_classes:
            shares = np.bincount(self.labels, minlength=1) / len(self)
            return -np.log(shares[self.labels])
        truth, _ = self._numbers(self.plain)
        return ((truth - truth.mean(0)) ** 2 / _variance(truth)).mean(1)

    def _numbers(self, predictions: PredictionArrays) -> tuple[np.ndarray, np.ndarray]:
        """Truth and prediction, (n, d) float64, of the n rows that have all d numbers."""
        assert isinstance(self.output, RegressionOutput)
        truth, predicted = self.output.pairs(predictions, self.truth)
        return truth.astype(np.float64).reshape(len(truth), -1), predicted.astype(np.float64).reshape(len(truth), -1)

    @cached_property
    def plain_losses(self) -> np.ndarray:
        """The losses of the rows as they are, (N,)."""
        return self.row_losses(self.plain)

    @cached_property
    def plain(self) -> PredictionArrays:
        """The predictions for the rows as they are."""
        return self.predict()

    @cached_property
    def plain_quality(self) -> float:
        """The quality of these."""
        return self.quality(self.plain)

    @cached_property
    def labels(self) -> np.ndarray:
        """True class codes from 0, (N,) int; of outputs with classes."""
        return self.truth.values.reshape(-1).astype(np.int64) - 1

    def true_log_probs(self, predictions: PredictionArrays) -> np.ndarray:
        """Log probability of the true class of each row, (N,)."""
        chosen = np.take_along_axis(predictions["log_probs"], self.labels[:, None], 1)[:, 0]
        return np.maximum(chosen, np.log(MIN_PROBABILITY))


def _variance(truth: np.ndarray) -> np.ndarray:
    """Of each number, (d,); 1 of a constant one."""
    variance = truth.var(0)
    return np.where(variance > 0, variance, 1.0)
