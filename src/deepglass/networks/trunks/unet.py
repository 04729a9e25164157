"""U-Net: the default for outputs that are images or masks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import nn

from deepglass.constraints import Count, Share
from deepglass.errors import SpecError
from deepglass.features.base import Feature
from deepglass.features.image import Image
from deepglass.hyperparameters import IMAGE_DEFAULTS, TrainingDefaults
from deepglass.networks.trunks.base import Trunk
from deepglass.nn.conv import ImageEncoder, image_grids, is_image_shape, stage_count
from deepglass.nn.norms import Norm
from deepglass.nn.tokens import Tokens, TokenShape
from deepglass.nn.tokens import pool as pool_tokens
from deepglass.nn.unet import UNetBody


class Unet(Trunk):
    """U-Net with skip connections; dense heads use the finest map.

    Several images are added on the grid of the first; inputs without a grid join at the smallest map.

    Args:
        stride: of the finest map: 1, 2 or 4; 0 takes 1 for images up to 64 pixels, 2 up to 256, else 4.
        width: channels of the finest stage; each smaller one has twice as many, up to 8 times.
        depth: residual blocks per stage of the contracting path.
        stages: sizes of the map; 0 halves it until 3 rows or columns are left, at most five times.
        norm: "batch", "layer", "instance", "group" or "none".
        activation: a name in `nn.activations`.
        dropout: channel dropout rate of the smallest map.

    Raises:
        SpecError: `bad-value` when no input has rows and columns.

    Source: Ronneberger et al., 2015, arXiv 1505.04597.
    """

    WIDTHS: ClassVar = (8, 16, 24, 32, 48)
    MIN_STEPS: ClassVar = 2000  # below so many a narrower network learns more

    training_defaults: ClassVar[TrainingDefaults] = replace(
        IMAGE_DEFAULTS, learning_rate=0.004, batch_size=16, epochs=200
    )

    def __init__(
        self,
        inputs: Sequence[TokenShape],
        *,
        stride: int = 0,
        width: Count = 24,
        depth: Count = 1,
        stages: int = 0,
        norm: Norm = "batch",
        activation: str = "relu",
        dropout: Share = 0.0,
    ) -> None:
        super().__init__()
        grid = image_grids(inputs, "unet")[0]
        dims = _dims(grid, width, stages)
        self.is_picture = [is_image_shape(shape) for shape in inputs]
        self.dim, self.out_dim, self.pyramid = width, dims[-1], tuple(dims)
        others = sum(not picture for picture in self.is_picture)
        self.over = nn.ModuleList(nn.Conv2d(width, width, 1) for _ in range(sum(self.is_picture) - 1))
        self.body = UNetBody(dims, depth, norm=norm, activation=activation, dropout=dropout, context_dim=width * others)

    @classmethod
    def make_encoder(cls, feature: Feature, dim: int, settings: Mapping[str, Any]) -> nn.Module | None:
        """A stem with a smaller stride than in other trunks, for small objects."""
        if not isinstance(feature, Image):
            return None
        stride = settings.get("stride", 0)
        if stride not in (0, 1, 2, 4):
            raise SpecError("bad-value", f"network.stride: expected 1, 2 or 4, or 0 to choose, got {stride!r}")
        assert feature.channels_ is not None
        assert feature.size_ is not None
        side = max(feature.size_)
        stride = stride or (1 if side <= 64 else 2 if side <= 256 else 4)
        return ImageEncoder(feature.normalizer(), feature.channels_, dim, feature.size_, stride=stride)

    @classmethod
    def size_for_budget(cls, inputs: Sequence[TokenShape], rows: int, work: float) -> dict[str, Any]:
        """The widest network that still has two thousand steps."""
        grid = image_grids(inputs, "unet")[0]
        batch = min(cls.training_defaults.batch_size, rows)
        steps = {w: work / (3 * _multiplications(grid, w) * batch) for w in cls.WIDTHS}
        return {"width": max((w for w in cls.WIDTHS if steps[w] >= cls.MIN_STEPS), default=cls.WIDTHS[0])}

    def forward(self, tokens: Sequence[Tokens]) -> Tokens:
        first, *more = [one.image() for one, picture in zip(tokens, self.is_picture, strict=True) if picture]
        for over, x in zip(self.over, more, strict=True):
            first = first + F.interpolate(over(x), first.shape[-2:], mode="bilinear", align_corners=False)
        rest = [pool_tokens(one) for one, picture in zip(tokens, self.is_picture, strict=True) if not picture]
        maps = self.body(first, torch.cat(rest, -1) if rest else None)
        x = maps[-1].mean((2, 3)).unsqueeze(1)
        return Tokens(x, torch.ones(x.shape[:2], dtype=torch.bool, device=x.device), None, tuple(maps))


def _dims(grid: tuple[int, int], width: int, stages: int = 0) -> list[int]:
    """Width of each stage."""
    return [width * min(2**i, 8) for i in range(stages or min(stage_count(grid) + 1, 6))]


def _multiplications(grid: tuple[int, int], width: int) -> float:
    """Multiplications of one forward pass of an image, without stem and head."""
    dims = _dims(grid, width)
    positions = [math.prod(grid) / 4**i for i in range(len(dims))]
    down = sum(9.0 * p * (a * b + b * b) for p, a, b in zip(positions, [width, *dims], dims, strict=False))
    up = sum(9.0 * p * 2 * d * d for p, d in zip(positions, dims[:-1], strict=False))
    return down + up
