"""Base class of the convolutional trunks, and the grids of their images."""

from collections.abc import Sequence
from typing import Literal, cast

import torch
from torch import nn

from deepglass.errors import SpecError
from deepglass.networks.trunks.base import Trunk
from deepglass.nn.activations import activation as make_activation
from deepglass.nn.tokens import Tokens, TokenShape, pool


class ImageTrunk(Trunk):
    """Applies one body to every image, pools its last map and joins it with the inputs without a grid.

    Args:
        inputs: token shapes of the encoders; those with a grid of two axes are images.
        body: a map (B, dim, Y, X) -> maps, finest first, the last of width `out_dim`.
        dim: width of the inputs.
        pooling: global pooling of the last map.
        dropout: dropout rate for the pooled values.

    Shapes:
        (B, T, dim) per input -> (B, 1, out_dim), with the first image's maps as `pyramid`.
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
        self.is_image = [shape.is_image for shape in inputs]
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


def image_grids(inputs: Sequence[TokenShape], trunk: str) -> list[tuple[int, int]]:
    """Grids of all images among the inputs.

    Raises:
        SpecError: `bad-value` without an image.
    """
    grids = [cast(tuple[int, int], shape.grid) for shape in inputs if shape.is_image]
    if not grids:
        raise SpecError("bad-value", f"network.trunk: {trunk!r} needs an input with rows and columns, such as an image")
    return grids


def smallest_grid(inputs: Sequence[TokenShape], trunk: str) -> tuple[int, int]:
    """Grid of the image with the fewest rows or columns, which limits the number of stages."""
    return min(image_grids(inputs, trunk), key=min)


def common_grid(inputs: Sequence[TokenShape], trunk: str) -> tuple[int, int]:
    """Largest grid that fits into every image."""
    rows, columns = zip(*image_grids(inputs, trunk), strict=True)
    return min(rows), min(columns)
