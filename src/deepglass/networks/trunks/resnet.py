"""Residual network (ResNet): the default for images from about 96 x 96."""

import math
from collections.abc import Sequence
from dataclasses import replace

from deepglass.constraints import Count, Share
from deepglass.hyperparameters import IMAGE_DEFAULTS
from deepglass.networks.trunks._images import ImageTrunk, image_grids, smallest_grid
from deepglass.nn.conv import StagedBody, residual_stage, stage_count
from deepglass.nn.norms import Norm
from deepglass.nn.tokens import TokenShape


class Resnet(ImageTrunk):
    """ResNet: stages of residual blocks, each but the first halving the map, then global average pooling.

    All images share the body; inputs without a grid join after the pooling.

    Args:
        width: channels of the first stage; each later one has twice as many.
        depth: residual blocks per stage.
        downsample_stem: max pooling after the stem, as in the paper. It takes a quarter of the time, but loses detail
            of small images.
        norm: "batch", "layer", "instance", "group" or "none".
        activation: name of the activation, see `deepglass list activations`.
        dropout: dropout rate for the pooled values.

    Raises:
        SpecError: `bad-value` when no input has rows and columns.

    Source: He et al., 2015, arXiv 1512.03385.
    """

    sizes = tuple({"width": width, "depth": depth} for width, depth in ((16, 1), (24, 1), (32, 1), (32, 2), (48, 2)))
    training_defaults = replace(IMAGE_DEFAULTS, optimizer="muon", learning_rate=0.02, batch_size=64)

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
        Y, X = smallest_grid(inputs, "resnet")
        count = min(stage_count((Y // 2, X // 2) if downsample_stem else (Y, X)) + 1, 4)
        dims = [width * 2**i for i in range(count)]
        sizes = zip([width, *dims], dims, [1, 2, 2, 2])  # each stage but the first halves the map
        stages = (residual_stage(a, b, depth, stride, norm, activation) for a, b, stride in sizes)
        body = StagedBody(width, stages, downsample_stem=downsample_stem, norm=norm, activation=activation)
        super().__init__(inputs, body, width, dims[-1], pooling="mean", activation=activation, dropout=dropout)
        self.pyramid = (width, *dims)

    @classmethod
    def multiplications(cls, inputs: Sequence[TokenShape], **size: int) -> float:
        """Each stage has a quarter of the positions of the one before and four times the products at each."""
        grids = image_grids(inputs, "resnet")
        full_size = sum(min(stage_count(grid) + 1, 4) * math.prod(grid) for grid in grids)
        return full_size * 2.0 * size["depth"] * 9 * size["width"] ** 2
