"""Plain convolutional network: the default for images up to about 64 x 64."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, ClassVar

from deepglass.constraints import Count, Share
from deepglass.hyperparameters import IMAGE_DEFAULTS, TrainingDefaults
from deepglass.networks.trunks.base import Trunk
from deepglass.nn.conv import ImageBody, PlainBody, image_grids, smallest_grid, stage_count
from deepglass.nn.norms import Norm
from deepglass.nn.tokens import Tokens, TokenShape


class Conv(Trunk):
    """Stages of convolutions, each halving the map and widening it, then global max pooling.

    All images share the body; inputs without a grid join after the pooling.

    Args:
        width: channels of the stem; the stages have 2, 4, 8, 8, ... times as many.
        depth: convolutions a stage.
        norm: "batch", "layer", "instance", "group" or "none".
        activation: a name in `nn.activations`; relu costs a quarter of gelu's time on a CPU.
        dropout: rate for the pooled values.

    Raises:
        SpecError: `bad-value` when no input has rows and columns.
    """

    WIDTHS: ClassVar = (8, 16, 24, 32, 48)
    MIN_STEPS: ClassVar = 1000  # below so many a narrower network learns more

    training_defaults: ClassVar[TrainingDefaults] = replace(IMAGE_DEFAULTS, learning_rate=0.01)

    def __init__(
        self,
        inputs: Sequence[TokenShape],
        *,
        width: Count = 16,
        depth: Count = 1,
        norm: Norm = "batch",
        activation: str = "relu",
        dropout: Share = 0.0,
    ) -> None:
        super().__init__()
        downsample_stem, dims = _layout(smallest_grid(inputs, "conv"), width)
        self.dim, self.out_dim = width, dims[-1]
        body = PlainBody(width, dims, depth, downsample_stem=downsample_stem, norm=norm, activation=activation)
        self.pyramid = (width, *dims)
        self.pictures = ImageBody(body, inputs, width, dims[-1], pool="max", activation=activation, dropout=dropout)

    @classmethod
    def size_for_budget(cls, inputs: Sequence[TokenShape], rows: int, work: float) -> dict[str, Any]:
        """The widest network that still has a thousand steps."""
        grids = image_grids(inputs, "conv")
        costs = {width: sum(_multiplications(grid, width) for grid in grids) for width in cls.WIDTHS}
        steps = {
            width: work / (3 * cost * min(cls.training_defaults.batch_size, rows)) for width, cost in costs.items()
        }
        return {"width": max((w for w in cls.WIDTHS if steps[w] >= cls.MIN_STEPS), default=cls.WIDTHS[0])}

    def forward(self, tokens: Sequence[Tokens]) -> Tokens:
        return self.pictures(tokens)


def _layout(grid: tuple[int, int], width: int) -> tuple[bool, list[int]]:
    """Whether the stem is followed by pooling, and the width of each stage."""
    downsample_stem = min(grid) >= 16
    count = stage_count((grid[0] // 2, grid[1] // 2) if downsample_stem else grid)
    return downsample_stem, [width * min(2 ** (i + 1), 8) for i in range(count)]


def _multiplications(grid: tuple[int, int], width: int) -> float:
    """Multiplications of one forward pass of an image, without the stem."""
    downsample_stem, dims = _layout(grid, width)
    places = math.prod(grid) / (4 if downsample_stem else 1)
    return sum(9.0 * a * b * places / 4**i for i, (a, b) in enumerate(pairwise([width, *dims])))
