"""Bag of embeddings: the default network for texts alone."""

from collections.abc import Sequence

import torch
from torch import nn

from deepglass.constraints import Count, NonNegativeInt, Share
from deepglass.hyperparameters import TrainingDefaults
from deepglass.networks.trunks.base import Trunk
from deepglass.nn.tokens import Tokens, TokenShape, pool


class Bag(Trunk):
    """Linear model of the summed embeddings, with an optional hidden layer beside it.

    For a few ten thousand texts a linear n-gram model is hard to beat. It needs strong weight decay, which keeps rare
    n-grams from memorising their texts.

    Args:
        dim: width D of the sum.
        hidden: width of the hidden layer; 0 for none, None: 64 with several inputs, none with one.
        dropout: dropout rate for the sum, in [0, 1).

    Shapes:
        tokens: (B, T, D) per input.
        returns: (B, 1, D).

    Source: Joulin et al., 2016, arXiv 1607.01759 (fastText); the layer beside it as in Cheng et al., 2016, arXiv
    1606.07792 (wide and deep).
    """

    training_defaults = TrainingDefaults(learning_rate=5e-3, weight_decay=1.0, batch_size=256, epochs=10)

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
        self.residual = _Residual(dim * len(inputs), hidden, dim) if hidden else None

    def forward(self, tokens: Sequence[Tokens]) -> Tokens:
        vectors = [pool(t) for t in tokens]
        x = self.dropout(torch.stack(vectors).sum(0))
        if self.residual is not None:
            x = x + self.residual(self.dropout(torch.cat(vectors, dim=-1)))
        return Tokens.of_vector(x)


class _Residual(nn.Sequential):
    """Two-layer residual branch that starts at zero."""

    def __init__(self, size: int, hidden: int, dim: int) -> None:
        first, last = nn.Linear(size, hidden), nn.Linear(hidden, dim)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        super().__init__(first, nn.SiLU(), last)
