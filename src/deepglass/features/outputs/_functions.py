"""Losses and metrics that are functions of the user: `module:function`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from deepglass.errors import SpecError
from deepglass.registry import own_function

if TYPE_CHECKING:
    from torch import Tensor

CHECKED_ROWS = 64  # that functions are tried on before training


def is_function(name: str) -> bool:
    """Whether a loss or metric is a function of the user."""
    return ":" in name


def loss_of_rows(name: str, where: str, predicted: Tensor, target: Tensor) -> Tensor:
    """The losses of rows by a function of predictions and targets, (B,).

    Args:
        where: the output, for messages.

    Raises:
        SpecError: `unknown-name` for a module that is not allowed; `bad-value` for another result.
    """
    import torch

    losses = own_function(name, "loss", f"{where}.loss")(predicted, target)
    if isinstance(losses, torch.Tensor) and losses.shape == (len(target),):
        return losses
    got = f"shape {tuple(losses.shape)}" if isinstance(losses, torch.Tensor) else type(losses).__name__
    hint = "; of torch's losses, reduction='none' gives it" if got == "shape ()" else ""
    text = f"expected a tensor with the loss of each row, of shape ({len(target)},), from {name}, got {got}{hint}"
    raise SpecError("bad-value", f"{where}.loss: {text}")


def metrics_of_functions(
    names: Sequence[str], where: str, truth: np.ndarray, predicted: np.ndarray
) -> dict[str, float]:
    """Metrics by those of the names that are functions of (truth, predicted); undefined ones are left out.

    Raises:
        SpecError: as `loss_of_rows`.
    """
    scores = {}
    for name in filter(is_function, names):
        value: Any = own_function(name, "metric", f"{where}.metrics")(truth, predicted)
        if isinstance(value, bool) or not isinstance(value, int | float | np.number):
            text = f"expected a number from {name}, got {type(value).__name__}"
            raise SpecError("bad-value", f"{where}.metrics: {text}")
        scores[name.partition(":")[2]] = float(value)
    return {name: value for name, value in scores.items() if math.isfinite(value)} if len(truth) else {}


def check_loss(name: str, where: str, predicted: Tensor, target: Tensor) -> None:
    """Try a loss on a few rows.

    Raises:
        SpecError: as `loss_of_rows`; `bad-value` for a loss without a gradient.
    """
    losses = loss_of_rows(name, where, predicted.requires_grad_(), target)
    if not losses.requires_grad:
        text = f"{name} has no gradient; it has to compute with torch, from its first argument"
        raise SpecError("bad-value", f"{where}.loss: {text}")
