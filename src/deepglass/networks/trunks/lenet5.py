"""LeNet-5: convolutions and subsampling, then fully connected layers."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from torch import Tensor, nn

from deepglass.constraints import Count, Share
from deepglass.hyperparameters import IMAGE_DEFAULTS
from deepglass.networks.trunks._images import ImageTrunk, common_grid
from deepglass.nn.activations import activation as make_activation
from deepglass.nn.conv import apply_stages
from deepglass.nn.norms import Norm, norm2d
from deepglass.nn.tokens import TokenShape


class Lenet5(ImageTrunk):
    """LeNet-5: C1 (the encoder's convolution), S2, C3, S4, C5, F6 of the paper; the head is the output layer.

    Args:
        width: maps of C1; C3 has 16 / 6 times as many, C5 and F6 have 20 and 14 times as many.
        activation: name of the activation, see `deepglass list activations`; the paper's is "tanh".
        norm: "batch", "layer", "instance", "group" or "none", the paper's; before the activations of C1 and C3.
        pool: "mean" as in the paper, or "max".
        dropout: dropout rate for F6; the paper has none.

    Shapes:
        (B, T, width) per input -> (B, 1, 14 * width).

    Raises:
        SpecError: `bad-value` when no input has rows and columns.

    Source: LeCun, Bottou, Bengio and Haffner, 1998, Proc. IEEE 86(11). C1 here has 3 x 3 filters instead of 5 x 5, and
    every map of C3 sees all of S2's.
    """

    training_defaults = replace(IMAGE_DEFAULTS, learning_rate=4e-3)

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
        body = _LenetBody(width, common_grid(inputs, "lenet5"), activation, norm, pool)
        super().__init__(inputs, body, width, 14 * width, pooling="mean", activation=activation, dropout=dropout)


class _LenetBody(nn.Module):
    """Shapes: x: (B, width, Y, X) -> the maps S2, S4 and F6, the last (B, 14 * width, 1, 1) for images of `grid`."""

    def __init__(self, width: int, grid: tuple[int, int], activation: str, norm: Norm, pool: str) -> None:
        super().__init__()
        c3, c5, f6 = round(width * 16 / 6), 20 * width, 14 * width
        subsample = nn.AvgPool2d if pool == "mean" else nn.MaxPool2d

        def after(dim: int) -> list[nn.Module]:
            return [norm2d(norm, dim), make_activation(activation)]

        self.s2 = nn.Sequential(*after(width), subsample(2, ceil_mode=True))
        self.s4 = nn.Sequential(nn.Conv2d(width, c3, 5, padding=2), *after(c3), subsample(2, ceil_mode=True))
        kernel = (-(-grid[0] // 4), -(-grid[1] // 4))  # C5 covers the whole map S4
        full = [
            nn.Conv2d(c3, c5, kernel),
            make_activation(activation),
            nn.Conv2d(c5, f6, 1),
            make_activation(activation),
        ]
        self.f6 = nn.Sequential(*full)

    def forward(self, x: Tensor) -> list[Tensor]:
        return apply_stages((self.s2, self.s4, self.f6), x)
