"""Token sequences: concatenation of inputs, positions, pooling."""

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
    """Concatenation of the tokens of all inputs, sequences first, with a type embedding per input.

    Args:
        inputs: token shapes of the encoders.
        dim: width D of the tokens.

    Shapes:
        (B, T, D) per input -> (B, all T, D), with the grid (T,) of the first.
    """

    def __init__(self, inputs: Sequence[TokenShape], dim: int) -> None:
        super().__init__()
        self.order = sorted(range(len(inputs)), key=lambda i: inputs[i].count is not None)
        self.type_embedding = nn.Parameter(0.02 * torch.randn(len(inputs), dim)) if len(inputs) > 1 else None

    def forward(self, tokens: Sequence[Tokens]) -> Tokens:
        first = tokens[self.order[0]]
        if self.type_embedding is None:
            return Tokens(first.values, first.mask, (first.values.shape[1],))
        values = torch.cat([tokens[i].values + self.type_embedding[i] for i in self.order], 1)
        mask = torch.cat([tokens[i].mask for i in self.order], 1)
        return Tokens(values * mask[..., None], mask, (first.values.shape[1],))


def summary(values: Tensor, mask: Tensor, pool: Pool) -> Tensor:
    """One vector per row, (B, D): the last present token, or the mean or maximum over tokens."""
    if pool == "last":
        return values[torch.arange(len(values), device=values.device), last_index(mask)]
    if pool == "max":
        return values.masked_fill(~mask[..., None], -math.inf).amax(1)
    return mean_of(Tokens(values, mask))


def last_index(mask: Tensor) -> Tensor:
    """Index of the last present token, (B,) int64."""
    return (mask * torch.arange(mask.shape[1], device=mask.device)).amax(1)


def pack_left(mask: Tensor) -> tuple[Tensor, Tensor]:
    """Indices (B, T) that move the present tokens of each row to the left, and their inverse."""
    order = (~mask).to(torch.uint8).argsort(dim=1, stable=True)
    return order, order.argsort(dim=1)


def gather(values: Tensor, positions: Tensor) -> Tensor:
    """Tokens (B, T, D) at indices (B, T) of their own rows."""
    return values.gather(1, positions[..., None].expand(-1, -1, values.shape[-1]))


def sinusoidal_positions(positions: Tensor, dim: int) -> Tensor:
    """Sinusoidal position embeddings, which extend beyond the lengths of training.

    Shapes:
        positions: (T,) -> (T, dim).

    Source: Vaswani et al., 2017, arXiv 1706.03762, section 3.5.
    """
    half = (dim + 1) // 2
    lengths = torch.exp(-math.log(10_000) * torch.arange(half, device=positions.device) / half)
    angles = positions[:, None].float() * lengths
    return torch.cat([angles.sin(), angles.cos()], 1)[:, :dim]
