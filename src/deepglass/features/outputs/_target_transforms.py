"""Transformations of a target: the network learns the transformed numbers, all else is in the user's unit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

TransformName = Literal["log", "log1p", "sqrt", "arcsinh"]


class TargetTransform(NamedTuple):
    """A monotone function and its inverse, by their names in numpy and in torch.

    Args:
        least: the function is defined for numbers above it, and where `closed` for itself.
        nearest: numbers below it count as it in the loss; new rows may have such.
        low, high: the inverse takes its argument for the nearest number between these, so that it stays finite.
        domain: the numbers for which the function is defined, for messages.
        average: what a prediction of the mean of the transformed target is, for messages.
    """

    forward_name: str
    inverse_name: str
    least: float
    closed: bool
    nearest: float
    low: float
    high: float
    domain: str
    average: str

    def forward(self, values: np.ndarray) -> np.ndarray:
        """Numbers in the user's unit -> transformed, (N,) float64."""
        return np.asarray(getattr(np, self.forward_name)(values.astype(np.float64)))

    def inverse(self, values: np.ndarray) -> np.ndarray:
        """Transformed numbers -> in the user's unit, (N,) float64."""
        return np.asarray(getattr(np, self.inverse_name)(np.clip(values, self.low, self.high)))

    def forward_tensor(self, values: Tensor) -> Tensor:
        """As `forward`, in float32."""
        import torch

        return getattr(torch, self.forward_name)(values.clamp_min(self.nearest))  # type: ignore[no-any-return]

    def inverse_tensor(self, values: Tensor) -> Tensor:
        """As `inverse`."""
        import torch

        return getattr(torch, self.inverse_name)(values.clamp(self.low, self.high))  # type: ignore[no-any-return]

    def is_defined(self, values: np.ndarray) -> np.ndarray:
        """Which numbers have a transformed number, (N,) bool."""
        return values >= self.least if self.closed else values > self.least


TRANSFORMS: dict[str, TargetTransform] = {
    "log": TargetTransform("log", "exp", 0.0, False, 1e-37, -80.0, 80.0, "numbers above 0", "the geometric mean"),
    "log1p": TargetTransform(
        "log1p", "expm1", -1, False, -1 + 1e-6, -14, 80, "numbers above -1", "the mean of log(1 + y), transformed back"
    ),
    "sqrt": TargetTransform(
        "sqrt", "square", 0, True, 0, 0, 1e18, "numbers of at least 0", "the mean of the square roots, squared"
    ),
    "arcsinh": TargetTransform(
        "arcsinh", "sinh", -np.inf, False, -np.inf, -80, 80, "numbers", "the mean of arcsinh(y), transformed back"
    ),
}
"""Transformation by its name in a spec."""
