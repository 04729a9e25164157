"""Base class of the convolutional trunks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import nn

from deepglass.networks.trunks.base import Trunk
from deepglass.nn.activations import activation as make_activation
from deepglass.nn.conv import is_image_shape
from deepglass.nn.tokens import Tokens, TokenShape, pool


class ImageTrunk(Trunk):
    """Applies one body to every image, pools its last map and joins it with the inputs without a grid.

    Args:
        inputs: token shapes of the encoders; those with a grid of two axes are images.
        body: a map (B, dim, Y, X) -> maps, finest first, the last of width `out_dim`.
        dim: width of the inputs.
        pooling: global pooling of the last map.
        dropout: rate for the pooled values.

    Shapes:
        one (B, T, dim) an input -> (B, 1, out_dim), with the first image's maps as `pyramid`.
    """

    def __init__(
        self,
        inputs: Sequence[TokenShape],
        body: nn.Module,
        dim: int,
        out_dim: int,
        *,
        pooling: Literal["max", "mean"],
        activation: str,
        dropout: float,
    ) -> None:
        super().__init__()
        self.dim, self.out_dim, self.body, self.pooling = dim, out_dim, body, pooling
        self.is_image = [is_image_shape(shape) for shape in inputs]
        self.dropout = nn.Dropout(dropout)
        width = sum(out_dim if image else dim for image in self.is_image)
        alone = len(inputs) == 1
        self.join = nn.Identity() if alone else nn.Sequential(nn.Linear(width, out_dim), make_activation(activation))

    def forward(self, tokens: Sequence[Tokens]) -> Tokens:
        vectors, pyramid = [], None
        for one, image in zip(tokens, self.is_image, strict=True):
            if not image:
                vectors.append(pool(one))
                continue
            finest = one.image()  # the map of the stem
            maps = [finest, *self.body(finest)]
            pyramid = pyramid or tuple(maps)
            vectors.append(maps[-1].amax((2, 3)) if self.pooling == "max" else maps[-1].mean((2, 3)))
        x = self.join(self.dropout(torch.cat(vectors, -1)))
        return Tokens.of_vector(x, pyramid)
