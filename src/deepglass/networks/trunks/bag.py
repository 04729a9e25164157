"""The default network for texts alone: the sum of what each text tells, read by the head without a layer between."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from deepglass.constraints import Count, NonNegativeInt, Share
from deepglass.hyperparameters import TrainingDefaults
from deepglass.networks.trunks.base import Trunk
from deepglass.nn.tokens import Tokens, TokenShape, pool


class Bag(Trunk):
    """A linear model in few dimensions, and beside it, where asked for, a small network for what is not linear.

    With few texts (some ten thousand) a linear model of n-grams is hard to beat, and strong weight decay is what it
    needs most: it keeps the many n-grams that are seen twice or thrice from learning those texts by heart.

    Args:
        dim: width D of the sum.
        hidden: width of the hidden layer beside the sum; 0 for none, None: 64 with several inputs, none with one.
        dropout: share of the sum's entries left out in training, in [0, 1).

    Shapes:
        tokens: (B, T, D) an input.
        returns: (B, 1, D).

    Source: Joulin et al., 2016, arXiv 1607.01759 (fastText); the layer beside it as in Cheng et al., 2016, arXiv
    1606.07792 (wide and deep).
    """

    training_defaults: ClassVar[TrainingDefaults] = TrainingDefaults(
        learning_rate=5e-3, weight_decay=1.0, batch_size=256, epochs=10
    )

    def __init__(
        self,
        inputs: Sequence[TokenShape],
        *,
        dim: Count = 32,
        hidden: NonNegativeInt | None = None,
        dropout: Share = 0.2,
    ) -> None:
        super().__init__()
        self.dim = self.out_dim = dim
        hidden = (64 if len(inputs) > 1 else 0) if hidden is None else hidden
        self.dropout = nn.Dropout(dropout)
        self.beside = _Beside(dim * len(inputs), hidden, dim) if hidden else None

    def forward(self, tokens: Sequence[Tokens]) -> Tokens:
        vectors = [pool(t) for t in tokens]
        x = self.dropout(torch.stack(vectors).sum(0))
        if self.beside is not None:
            x = x + self.beside(self.dropout(torch.cat(vectors, dim=-1)))
        return Tokens(x[:, None], torch.ones_like(x[:, :1], dtype=torch.bool))


class _Beside(nn.Module):
    """Two layers that begin by adding nothing."""

    def __init__(self, size: int, hidden: int, dim: int) -> None:
        super().__init__()
        first, last = nn.Linear(size, hidden), nn.Linear(hidden, dim)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.layers = nn.Sequential(first, nn.SiLU(), last)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)
