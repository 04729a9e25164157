"""Residual network (ResNet): the default for images from about 96 x 96."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

from deepglass.constraints import Count, Share
from deepglass.hyperparameters import IMAGE_DEFAULTS, TrainingDefaults
from deepglass.networks.trunks.base import Trunk
from deepglass.nn.conv import ImageBody, ResidualBody, image_grids, smallest_grid, stage_count
from deepglass.nn.norms import Norm
from deepglass.nn.tokens import Tokens, TokenShape


class Resnet(Trunk):
    """ResNet: stages of residual blocks, each but the first halving the map, then global average pooling.

    All images share the body; inputs without a grid join after the pooling.

    Args:
        width: channels of the first stage; each later one has twice as many.
        depth: residual blocks a stage.
        downsample_stem: max pooling after the stem, as in the paper: a quarter of the time, so that
            small pictures allow for wider stages.
        norm: "batch", "layer", "instance", "group" or "none".
        activation: a name in `nn.activations`.
        dropout: rate for the pooled values.

    Raises:
        SpecError: `bad-value` when no input has rows and columns.

    Source: He et al., 2015, arXiv 1512.03385.
    """

    SIZES: ClassVar = ((16, 1), (24, 1), (32, 1), (32, 2), (48, 2))  # width and depth, from quick to thorough
    MIN_STEPS: ClassVar = 1000  # below so many a smaller network learns more

    training_defaults: ClassVar[TrainingDefaults] = replace(
        IMAGE_DEFAULTS, optimizer="muon", learning_rate=0.02, batch_size=64
    )

    def __init__(
        self,
        inputs: Sequence[TokenShape],
        *,
        width: Count = 32,
        depth: Count = 2,
        downsample_stem: bool = False,
        norm: Norm = "batch",
        activation: str = "relu",
        dropout: Share = 0.0,
    ) -> None:
        super().__init__()
        Y, X = smallest_grid(inputs, "resnet")
        count = min(stage_count((Y // 2, X // 2) if downsample_stem else (Y, X)) + 1, 4)
        dims = [width * 2**i for i in range(count)]
        self.dim, self.out_dim = width, dims[-1]
        body = ResidualBody(
            width, dims, [depth] * count, downsample_stem=downsample_stem, norm=norm, activation=activation
        )
        self.pyramid = (width, *dims)
        self.pictures = ImageBody(body, inputs, width, dims[-1], pool="mean", activation=activation, dropout=dropout)

    @classmethod
    def size_for_budget(cls, inputs: Sequence[TokenShape], rows: int, work: float) -> dict[str, Any]:
        """The largest network that still has a thousand steps."""
        grids = image_grids(inputs, "resnet")
        batch = min(cls.training_defaults.batch_size, rows)

        def steps(width: int, depth: int) -> float:
            return work / (3 * batch * sum(_multiplications(grid, width, depth) for grid in grids))

        width, depth = max((size for size in cls.SIZES if steps(*size) >= cls.MIN_STEPS), default=cls.SIZES[0])
        return {"width": width, "depth": depth}

    def forward(self, tokens: Sequence[Tokens]) -> Tokens:
        return self.pictures(tokens)


def _multiplications(grid: tuple[int, int], width: int, depth: int) -> float:
    """Of one picture on its way forward through the full-size body, the stem left out.

    Each stage but the first has a quarter of the places and four times the products at each, with its first block a
    little cheaper.
    """
    stages = min(stage_count(grid) + 1, 4)
    return stages * 2.0 * depth * 9 * width**2 * math.prod(grid)
