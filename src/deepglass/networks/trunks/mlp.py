"""The default network for tables: an ensemble of multilayer perceptrons that share their weights."""
from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from deepglass.networks.trunks.base import Recipe, Trunk
from deepglass.nn.activations import activation as make_activation
from deepglass.nn.initialisation import initialise
from deepglass.nn.norms import Norm, norm as make_norm
from deepglass.nn.tabular import EnsembleLinear
from deepglass.nn.tokens import Tokens, TokenShape, pool


class Mlp(Trunk):
    """TODO"""

    recipe: ClassVar[Recipe] = Recipe(optimizer="adamw", learning_rate=2e-3, weight_decay=0.01, batch_size=256)

    def __init__(
        self,
        inputs: Sequence[TokenShape],
        *,
        depth: int = 3,
        width: int = 256,
        members: int = 8,
        dropout: float = 0.1,
        activation: str = "silu",
        norm: Norm = "none",
        initialisation: str = "default",
        dim: int = 16,
    ) -> None:
        super().__init__()
        self.dim, self.out_dim, self.members = dim, width, members
        self._pooled = [shape.count is None or shape.grid is not None for shape in inputs]
        size = dim * sum(1 if pooled else shape.count or 1 for pooled, shape in zip(self._pooled, inputs, strict=True))
        layers: list[nn.Module] = []
        for _ in range(depth):
            layers += [EnsembleLinear(size, width, members), make_norm(norm, width), make_activation(activation)]
            layers += [nn.Dropout(dropout)] if dropout else []
            size = width
        self.body = nn.Sequential(*layers)
        initialise(self.body, initialisation)

    def forward(self, tokens: Sequence[Tokens]) -> Tokens:
        flat = [pool(t) if pooled else _flat(t) for pooled, t in zip(self._pooled, tokens, strict=True)]
        x = torch.cat(flat, dim=-1).unsqueeze(1)
        x = self.body(x.expand(-1, self.members, -1)).flatten(0, 1).unsqueeze(1)
        return Tokens(x, torch.ones(x.shape[:2], dtype=torch.bool, device=x.device))


def _flat(tokens: Tokens) -> Tensor:
    return (tokens.values * tokens.mask.unsqueeze(-1)).flatten(1)
