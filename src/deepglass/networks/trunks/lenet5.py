"""LeNet-5: convolutions and subsampling, then fully connected layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar, Literal

from torch import Tensor, nn

from deepglass.constraints import Count, Share
from deepglass.hyperparameters import IMAGE_DEFAULTS, TrainingDefaults
from deepglass.networks.trunks.base import Trunk
from deepglass.nn.activations import activation as make_activation
from deepglass.nn.conv import ImageBody, common_grid
from deepglass.nn.norms import Norm, norm2d
from deepglass.nn.tokens import Tokens, TokenShape


class Lenet5(Trunk):
    """LeNet-5: C1 (the encoder's convolution), S2, C3, S4, C5, F6 of the paper; the head is the output layer.

    Args:
        width: maps of C1; C3 has 16 / 6 times as many, C5 and F6 have 20 and 14 times as many.
        activation: a name in `nn.activations`; the paper's is "tanh".
        norm: "batch", "layer", "instance", "group" or "none", the paper's; before the activations of C1 and C3.
        pool: "mean" as in the paper, or "max".
        dropout: rate for F6; the paper has none.

    Shapes:
        one (B, T, width) an input -> (B, 1, 14 * width).

    Raises:
        SpecError: `bad-value` when no input has rows and columns.

    Source: LeCun, Bottou, Bengio and Haffner, 1998, Proc. IEEE 86(11). C1 here has 3 x 3 filters instead of 5 x 5, and
    every map of C3 sees all of S2's.
    """

    training_defaults: ClassVar[TrainingDefaults] = replace(IMAGE_DEFAULTS, learning_rate=4e-3)

    def __init__(
        self,
        inputs: Sequence[TokenShape],
        *,
        width: Count = 6,
        activation: str = "tanh",
        norm: Norm = "none",
        pool: Literal["mean", "max"] = "mean",
        dropout: Share = 0.0,
    ) -> None:
        super().__init__()
        self.dim, self.out_dim = width, 14 * width
        body = _LenetBody(width, common_grid(inputs, "lenet5"), activation, norm, pool)
        self.pictures = ImageBody(
            body, inputs, width, self.out_dim, pool="mean", activation=activation, dropout=dropout
        )

    def forward(self, tokens: Sequence[Tokens]) -> Tokens:
        return self.pictures(tokens)


class _LenetBody(nn.Module):
    """Shapes: x: (B, width, Y, X) -> the maps S2, S4 and F6, the last (B, 14 * width, 1, 1) for pictures of `grid`."""

    def __init__(self, width: int, grid: tuple[int, int], activation: str, norm: Norm, pool: str) -> None:
        super().__init__()
        c3, c5, f6 = round(width * 16 / 6), 20 * width, 14 * width
        subsample = nn.AvgPool2d if pool == "mean" else nn.MaxPool2d

        def after(dim: int) -> list[nn.Module]:
            return [norm2d(norm, dim), make_activation(activation)]

        def halve(side: int) -> int:
            return -(-side // 2)

        self.s2 = nn.Sequential(*after(width), subsample(2, ceil_mode=True))
        self.s4 = nn.Sequential(nn.Conv2d(width, c3, 5, padding=2), *after(c3), subsample(2, ceil_mode=True))
        left = (halve(halve(grid[0])), halve(halve(grid[1])))  # what C5's filters cover as a whole
        full = [nn.Conv2d(c3, c5, left), make_activation(activation), nn.Conv2d(c5, f6, 1), make_activation(activation)]
        self.f6 = nn.Sequential(*full)

    def forward(self, x: Tensor) -> list[Tensor]:
        s2 = self.s2(x)
        s4 = self.s4(s2)
        return [s2, s4, self.f6(s4)]
