"""Sequences among themselves: several inputs laid end to end, places, and one vector for a whole row."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from deepglass.nn.tokens import Tokens, TokenShape
from deepglass.nn.tokens import pool as mean_of

Pool = Literal["last", "mean", "max"]
OwnNorm = Literal["layer", "group", "none"]
"""The norms of `nn.norms` that look at one token alone: not at the padding, at later tokens or at other rows."""


class ConcatTokens(nn.Module):
    """The tokens of all inputs as one sequence: those of no fixed number first, each with a vector for its origin.

    Args:
        inputs: what the encoders give.
        dim: the width D of all tokens.

    Shapes:
        one (B, T, D) an input -> (B, all T, D), with the grid (T,) of the first.
    """

    def __init__(self, inputs: Sequence[TokenShape], dim: int) -> None:
        super().__init__()
        self.order = sorted(range(len(inputs)), key=lambda i: inputs[i].count is not None)
        self.origin = nn.Parameter(0.02 * torch.randn(len(inputs), dim)) if len(inputs) > 1 else None

    def forward(self, tokens: Sequence[Tokens]) -> Tokens:
        first = tokens[self.order[0]]
        if self.origin is None:
            return Tokens(first.values, first.mask, (first.values.shape[1],))
        values = torch.cat([tokens[i].values + self.origin[i] for i in self.order], 1)
        mask = torch.cat([tokens[i].mask for i in self.order], 1)
        return Tokens(values * mask[..., None], mask, (first.values.shape[1],))


def summary(values: Tensor, mask: Tensor, pool: Pool) -> Tensor:
    """One vector a row, (B, D): of the last token that is there, or their mean or greatest values."""
    if pool == "last":
        return values[torch.arange(len(values), device=values.device), last_index(mask)]
    if pool == "max":
        return values.masked_fill(~mask[..., None], -math.inf).amax(1)
    return mean_of(Tokens(values, mask))


def last_index(mask: Tensor) -> Tensor:
    """Where the last token stands that is there, (B,) int64."""
    return (mask * torch.arange(mask.shape[1], device=mask.device)).amax(1)


def pack_left(mask: Tensor) -> tuple[Tensor, Tensor]:
    """Places (B, T) that bring each row's tokens to its front, in their order, and those that bring them back."""
    order = (~mask).to(torch.uint8).argsort(dim=1, stable=True)
    return order, order.argsort(dim=1)


def gather(values: Tensor, places: Tensor) -> Tensor:
    """Tokens (B, T, D) from places (B, T) of their own rows."""
    return values.gather(1, places[..., None].expand(-1, -1, values.shape[-1]))


def sinusoidal_positions(places: Tensor, dim: int) -> Tensor:
    """Places as sines and cosines of many wave lengths, which say any place, also beyond those of training.

    Shapes:
        places: (T,) -> (T, dim).

    Source: Vaswani et al., 2017, arXiv 1706.03762, section 3.5.
    """
    half = (dim + 1) // 2
    lengths = torch.exp(-math.log(10_000) * torch.arange(half, device=places.device) / half)
    angles = places[:, None].float() * lengths
    return torch.cat([angles.sin(), angles.cos()], 1)[:, :dim]
