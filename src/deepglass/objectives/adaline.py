"""Adaline: the adaptive linear neuron, by the delta rule (least mean squares).

    w = w + rate * mean over the rows of (y - w . x) x                         y: -1 or 1

The error is that of the sum before the threshold, so rows on the right side count too.

Source: Widrow and Hoff, 1960, IRE WESCON Convention Record 4.
"""

from typing import ClassVar

from torch import Tensor

from deepglass.objectives._linear_unit import LinearUnit
from deepglass.objectives.base import Loss


class Adaline(LinearUnit):
    """Linear unit for two classes, by least mean squares."""

    learning_rate_default: ClassVar[float] = 0.02

    def update(self, x: Tensor, y: Tensor) -> Loss:
        error = y - x @ self.weights
        self.weights.add_(x.mT @ error / max(len(x), 1), alpha=self.learning_rate)
        return Loss(error.square().mean(), weight=len(x))
