"""Plain convolutional network: the default for images up to about 64 x 64."""

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from deepglass.constraints import Count, Share
from deepglass.hyperparameters import IMAGE_DEFAULTS
from deepglass.networks.trunks._images import ImageTrunk, image_grids, smallest_grid
from deepglass.nn.conv import StagedBody, plain_stage, stage_count
from deepglass.nn.norms import Norm
from deepglass.nn.tokens import TokenShape


class Conv(ImageTrunk):
    """Stages of convolutions, each halving the map and widening it, then global max pooling.

    All images share the body; inputs without a grid join after the pooling.

    Args:
        width: channels of the stem; the stages have 2, 4, 8, 8, ... times as many.
        depth: convolutions per stage.
        norm: "batch", "layer", "instance", "group" or "none".
        activation: name of the activation, see `deepglass list activations`; relu costs a
            quarter of gelu's time on a CPU.
        dropout: dropout rate for the pooled values.

    Raises:
        SpecError: `bad-value` when no input has rows and columns.
    """

    sizes = tuple({"width": width} for width in (8, 16, 24, 32, 48))
    training_defaults = replace(IMAGE_DEFAULTS, learning_rate=0.01)

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
        downsample_stem, dims = _layout(smallest_grid(inputs, "conv"), width)
        stages = (plain_stage(a, b, depth, norm, activation) for a, b in pairwise([width, *dims]))
        body = StagedBody(width, stages, downsample_stem=downsample_stem, norm=norm, activation=activation)
        super().__init__(inputs, body, width, dims[-1], pooling="max", activation=activation, dropout=dropout)
        self.pyramid = (width, *dims)

    @classmethod
    def multiplications(cls, inputs: Sequence[TokenShape], **size: int) -> float:
        return sum(_multiplications(grid, size["width"]) for grid in image_grids(inputs, "conv"))


def _layout(grid: tuple[int, int], width: int) -> tuple[bool, list[int]]:
    """Whether the stem is followed by pooling, and the width of each stage."""
    downsample_stem = min(grid) >= 16
    count = stage_count((grid[0] // 2, grid[1] // 2) if downsample_stem else grid)
    return downsample_stem, [width * min(2 ** (i + 1), 8) for i in range(count)]


def _multiplications(grid: tuple[int, int], width: int) -> float:
    """Multiplications of one forward pass of an image, without the stem."""
    downsample_stem, dims = _layout(grid, width)
    positions = math.prod(grid) / (4 if downsample_stem else 1)
    return sum(9.0 * a * b * positions / 4**i for i, (a, b) in enumerate(pairwise([width, *dims])))
