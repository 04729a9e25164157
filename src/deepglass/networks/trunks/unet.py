"""U-Net: the default for outputs that are images or masks.

Source: Ronneberger et al., 2015, arXiv 1505.04597. Ours has residual blocks, and adds the skip connection instead of
concatenating it, which halves the convolutions of the expanding path (Chaurasia & Culurciello, 2017, arXiv
1707.03718).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from deepglass.constraints import Count, NonNegativeInt, Share
from deepglass.features.base import Feature
from deepglass.features.image import Image
from deepglass.hyperparameters import IMAGE_DEFAULTS
from deepglass.networks.trunks._images import image_grids
from deepglass.networks.trunks.base import Trunk
from deepglass.nn.activations import activation as make_activation
from deepglass.nn.conv import ImageEncoder, ResidualBlock, apply_stages, residual_stage, stage_count
from deepglass.nn.norms import Norm, norm2d
from deepglass.nn.tokens import Tokens, TokenShape
from deepglass.nn.tokens import pool as pool_tokens


class Unet(Trunk):
    """U-Net with skip connections; dense heads use the finest map.

    Several images are added on the grid of the first; inputs without a grid join at the smallest map.

    Args:
        stride: pixels per position of the finest map; 0: 1 for images up to 64 pixels, 2 up to 256, else 4.
        width: channels of the finest stage; each smaller one has twice as many, up to 8 times.
        depth: residual blocks per stage of the contracting path.
        stages: number of map sizes; 0 halves the map until 3 rows or columns are left, at most five times.
        norm: "batch", "layer", "instance", "group" or "none".
        activation: name of the activation, see `deepglass list activations`.
        dropout: channel dropout rate of the smallest map.

    Raises:
        SpecError: `bad-value` when no input has rows and columns.

    Source: Ronneberger et al., 2015, arXiv 1505.04597.
    """

    sizes = tuple({"width": width} for width in (8, 16, 24, 32, 48))
    min_steps = 2000
    training_defaults = replace(IMAGE_DEFAULTS, learning_rate=0.004, batch_size=16, epochs=200)

    def __init__(
        self,
        inputs: Sequence[TokenShape],
        *,
        stride: Literal[0, 1, 2, 4] = 0,
        width: Count = 24,
        depth: Count = 1,
        stages: NonNegativeInt = 0,
        norm: Norm = "batch",
        activation: str = "relu",
        dropout: Share = 0.0,
    ) -> None:
        super().__init__()
        grid = image_grids(inputs, "unet")[0]
        dims = _dims(grid, width, stages)
        self.is_image = [shape.is_image for shape in inputs]
        self.dim, self.out_dim, self.pyramid = width, dims[-1], tuple(dims)
        others = self.is_image.count(False)
        self.lateral = nn.ModuleList(nn.Conv2d(width, width, 1) for _ in range(sum(self.is_image) - 1))
        self.body = _Body(dims, depth, norm=norm, activation=activation, dropout=dropout, context_dim=width * others)

    @classmethod
    def make_encoder(cls, feature: Feature, dim: int, settings: Mapping[str, Any]) -> nn.Module | None:
        """A stem with a smaller stride than in other trunks, for small objects."""
        if not isinstance(feature, Image):
            return None
        stride = settings.get("stride", 0)
        size = feature.size_ or (1, 1)
        stride = stride or (1 if max(size) <= 64 else 2 if max(size) <= 256 else 4)
        return ImageEncoder(feature.normalizer(), feature.channels_ or 1, dim, size, stride=stride)

    @classmethod
    def multiplications(cls, inputs: Sequence[TokenShape], **size: int) -> float:
        grid = image_grids(inputs, "unet")[0]
        dims = _dims(grid, size["width"])
        positions = [math.prod(grid) / 4**i for i in range(len(dims))]
        down = sum(9.0 * p * (a * b + b * b) for p, a, b in zip(positions, [dims[0], *dims], dims, strict=False))
        up = sum(9.0 * p * 2 * d * d for p, d in zip(positions, dims[:-1], strict=False))
        return down + up

    def forward(self, tokens: Sequence[Tokens]) -> Tokens:
        first, *more = [one.image() for one, image in zip(tokens, self.is_image, strict=True) if image]
        for lateral, x in zip(self.lateral, more, strict=True):
            first = first + F.interpolate(lateral(x), first.shape[-2:], mode="bilinear", align_corners=False)
        context = [pool_tokens(one) for one, image in zip(tokens, self.is_image, strict=True) if not image]
        maps = self.body(first, torch.cat(context, -1) if context else None)
        return Tokens.of_vector(maps[-1].mean((2, 3)), tuple(maps))


def _dims(grid: tuple[int, int], width: int, stages: int = 0) -> list[int]:
    """Width of each stage."""
    return [width * min(2**i, 8) for i in range(stages or min(stage_count(grid) + 1, 6))]


class _Body(nn.Module):
    """Residual stages down and up, with a skip connection from each stage to its counterpart.

    Args:
        dims: width of each stage, finest first; each but the first halves the map.
        depth: residual blocks per stage of the contracting path; the expanding path has one.
        norm: "batch", "layer", "instance", "group" or "none".
        activation: name of the activation, see `deepglass list activations`.
        dropout: channel dropout rate of the smallest map.
        context_dim: width of a vector added at the smallest map; 0 for none.

    Shapes:
        x: (B, dims[0], Y, X); context: (B, context_dim) -> one map (B, dims[i], Y / 2^i, X / 2^i) per stage, finest
            first.
    """

    def __init__(
        self,
        dims: Sequence[int],
        depth: int,
        *,
        norm: Norm,
        activation: str,
        dropout: float = 0.0,
        context_dim: int = 0,
    ) -> None:
        super().__init__()
        self.enter = nn.Sequential(norm2d(norm, dims[0]), make_activation(activation))
        self.down, self.reduce, self.up = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        dim = dims[0]
        for i, out_dim in enumerate(dims):
            self.down.append(residual_stage(dim, out_dim, depth, 1 if i == 0 else 2, norm, activation))
            if i:
                self.reduce.append(nn.Conv2d(out_dim, dim, 1))
                self.up.append(ResidualBlock(dim, dim, norm=norm, activation=activation))
            dim = out_dim
        self.dropout = nn.Dropout2d(dropout)
        self.join = nn.Linear(context_dim, dims[-1]) if context_dim else None

    def forward(self, x: Tensor, context: Tensor | None = None) -> list[Tensor]:
        skips = apply_stages(self.down, self.enter(x))
        x = skips[-1]
        if self.join is not None and context is not None:
            x = x + self.join(context)[..., None, None]
        maps = [x := self.dropout(x)]
        for reduce, up, skip in zip(reversed(self.reduce), reversed(self.up), reversed(skips[:-1]), strict=True):
            upsampled = F.interpolate(reduce(x), skip.shape[-2:])  # projected first: a quarter of the work
            x = up(skip + upsampled)
            maps.append(x)
        return maps[::-1]
