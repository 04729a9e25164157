"""AlexNet, adapted to the size of the image."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from torch import Tensor, nn

from deepglass.constraints import Count, Share
from deepglass.hyperparameters import IMAGE_DEFAULTS
from deepglass.networks.trunks._images import ImageTrunk, common_grid
from deepglass.nn.activations import activation as make_activation
from deepglass.nn.conv import apply_stages
from deepglass.nn.norms import Norm, norm2d
from deepglass.nn.tokens import TokenShape


class Alexnet(ImageTrunk):
    """AlexNet: five convolutions with overlapping max pooling, then two fully connected layers.

    The first convolution is the image encoder, with a stride by image size; maps are pooled only while they have at
    least four rows and columns.

    Args:
        width: channels of the first convolution; the others have 8/3, 4, 4 and 8/3 times as many, as in the paper.
        fc_width: width of the two fully connected layers.
        activation: name of the activation, see `deepglass list activations`; the paper's is "relu".
        norm: "batch", "layer", "instance", "group" or "none". Replaces the paper's local response normalisation.
        dropout: dropout rate for the inputs of the fully connected layers; 0.5 in the paper.

    Shapes:
        (B, T, width) per input -> (B, 1, fc_width).

    Raises:
        SpecError: `bad-value` when no input has rows and columns.

    Source: Krizhevsky, Sutskever and Hinton, 2012, NeurIPS 25.
    """

    training_defaults = replace(IMAGE_DEFAULTS, learning_rate=2e-3)

    def __init__(
        self,
        inputs: Sequence[TokenShape],
        *,
        width: Count = 24,
        fc_width: Count = 256,
        activation: str = "relu",
        norm: Norm = "batch",
        dropout: Share = 0.5,
    ) -> None:
        body = _AlexnetBody(width, common_grid(inputs, "alexnet"), fc_width, activation, norm, dropout)
        super().__init__(inputs, body, width, fc_width, pooling="mean", activation=activation, dropout=0.0)


class _AlexnetBody(nn.Module):
    """Shapes: x: (B, width, Y, X) -> the map after each pooling, then (B, fc_width, 1, 1) for images of `grid`."""

    def __init__(
        self, width: int, grid: tuple[int, int], fc_width: int, activation: str, norm: Norm, dropout: float
    ) -> None:
        super().__init__()
        wide, widest = round(width * 8 / 3), 4 * width

        def after(dim: int) -> list[nn.Module]:
            return [norm2d(norm, dim), make_activation(activation)]

        def convolutions(*dims: int, kernel: int = 3) -> list[nn.Module]:
            pairs = pairwise(dims)
            return [layer for a, b in pairs for layer in (nn.Conv2d(a, b, kernel, padding=kernel // 2), *after(b))]

        stages = [after(width), convolutions(width, wide, kernel=5), convolutions(wide, widest, widest, wide)]
        for stage in stages:
            if min(grid) >= 4:
                stage.append(nn.MaxPool2d(3, 2, 1))
                grid = (-(-grid[0] // 2), -(-grid[1] // 2))
        self.stages = nn.ModuleList(nn.Sequential(*stage) for stage in stages)
        self.full = nn.Sequential(
            *(nn.Dropout(dropout), nn.Conv2d(wide, fc_width, grid), make_activation(activation)),
            *(nn.Dropout(dropout), nn.Conv2d(fc_width, fc_width, 1), make_activation(activation)),
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        maps = apply_stages(self.stages, x)
        return [*maps, self.full(maps[-1])]
