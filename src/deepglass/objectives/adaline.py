"""Adaline: the adaptive linear neuron, by the delta rule (least mean squares).

    w = w + rate * mean over the rows of (y - w . x) x                         y: -1 or 1

The error is that of the sum before the threshold, so rows on the right side count too.

Source: Widrow and Hoff, 1960, IRE WESCON Convention Record 4.
"""

from typing import ClassVar

import torch
from torch import Tensor

from deepglass.nn.tokens import whole_batch
from deepglass.objectives._linear_unit import LinearUnit
from deepglass.objectives.base import Loss


class Adaline(LinearUnit):
    """Linear unit for two classes, by least mean squares."""

    learning_rate_default: ClassVar[float] = 0.02

    def update(self, x: Tensor, y: Tensor) -> Loss:
        error = y - x @ self.weights
        count = whole_batch().total(torch.tensor(len(x)))
        self.weights.add_(whole_batch().total(x.mT @ error) / max(int(count), 1), alpha=self.learning_rate)
        return Loss(error.square().mean(), weight=len(x))
