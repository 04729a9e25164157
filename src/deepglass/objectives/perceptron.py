"""Perceptron: Rosenblatt's mistake-driven rule, without a gradient.

    w = 0
    for each row x with the class y, -1 or 1, in turn:
        if y (w . x) <= 0:  w = w + y x                        a mistake

If a line separates the rows with margin m, and no row is longer than R, there are at most (R / m)^2 mistakes, however
often the rows are presented; else the mistakes never end.

Source: Rosenblatt, 1958, Psychological Review 65; the bound: Novikoff, 1962.
"""

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from deepglass.features.base import Feature
from deepglass.features.outputs.base import Output
from deepglass.nn.perceptron import next_mistake
from deepglass.objectives._linear_unit import LinearUnit
from deepglass.objectives.base import Loss, MakeNetwork

MAX_PATH = 200  # mistakes after which the weights are stored, for the report


class Perceptron(LinearUnit):
    """Perceptron for two classes: a line, or a plane in more dimensions.

    The rows of a batch are presented one after the other; the result does not depend on the batch size, except through
    the order of the rows. The learning rate only scales the weights.
    """

    learning_rate_default: ClassVar[float] = 1.0
    one_process: ClassVar[str] = "its rule takes one row after the other"

    def build(self, inputs: Sequence[Feature], outputs: Sequence[Output], make_network: MakeNetwork) -> None:
        super().build(inputs, outputs, make_network)
        self.mistakes = nn.Buffer(torch.zeros((), dtype=torch.int64))
        self.presented = nn.Buffer(torch.zeros((), dtype=torch.int64))  # rows so far
        self.path = nn.Buffer(torch.zeros(MAX_PATH, self.flat.size + 1))  # the weights after each mistake
        self.path_rows = nn.Buffer(torch.zeros(MAX_PATH, dtype=torch.int64))  # rows presented until then

    def update(self, x: Tensor, y: Tensor) -> Loss:
        i, mistakes = next_mistake(x, y, self.weights, 0), 0
        while i is not None:
            self.weights.add_(x[i], alpha=self.learning_rate * float(y[i]))
            self._record(i)
            i, mistakes = next_mistake(x, y, self.weights, i + 1), mistakes + 1
        self.presented.add_(len(x))
        share = torch.tensor(mistakes / max(len(x), 1))
        return Loss(share, logs={"mistakes": self.mistakes.float()}, weight=len(x))

    def _record(self, row: int) -> None:
        number = int(self.mistakes)
        if number < MAX_PATH:
            self.path[number] = self.weights
            self.path_rows[number] = self.presented + row + 1
        self.mistakes.add_(1)

    def own_metrics(self) -> dict[str, float]:
        metrics = super().own_metrics() | {"mistakes": float(self.mistakes)}
        if (bound := self.mistake_bound) is not None:
            metrics["mistake_bound"] = bound
        return metrics

    @property
    def mistake_bound(self) -> float | None:
        """Novikoff's bound on the number of mistakes; None where no line separates the training rows."""
        return float((self.radius / self.margin).square()) if self.margin > 0 else None
