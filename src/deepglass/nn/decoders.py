"""From a code back to pictures and rows of numbers.

Source: the way up by transposed convolutions is Radford, Metz and Chintala, 2015, arXiv 1511.06434 (DCGAN).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor, nn

from deepglass.nn.activations import activation as make_activation
from deepglass.nn.norms import Norm, norm2d

SMALLEST = 8  # rows or columns of the map that drawing begins with, at most


class PictureDecoder(nn.Module):
    """A small map is made of the code, and doubled until it is as large as the picture.

    Args:
        dim: of the code.
        shape: (C, Y, X) of the picture.
        width: channels of the smallest map; each doubling halves them, down to 16.
        norm: "batch", "layer", "instance", "group" or "none".

    Shapes:
        code: (B, dim) -> (B, C * Y * X), without a last activation.
    """

    def __init__(
        self,
        dim: int,
        shape: tuple[int, int, int],
        *,
        width: int = 64,
        norm: Norm = "batch",
        activation: str = "relu",
    ) -> None:
        super().__init__()
        channels, *self.size = shape
        doublings = max(1, math.ceil(math.log2(max(self.size) / SMALLEST)))
        self.grid = tuple(-(-side // 2**doublings) for side in self.size)
        self.width = width
        self.first = nn.Linear(dim, width * math.prod(self.grid))
        self.enter = nn.Sequential(norm2d(norm, width), make_activation(activation))
        stages: list[nn.Module] = []
        for i in range(doublings):
            out = max(width // 2, 16)
            last = i == doublings - 1
            stages.append(nn.ConvTranspose2d(width, channels if last else out, 4, stride=2, padding=1))
            if not last:
                stages += [norm2d(norm, out), make_activation(activation)]
            width = out
        self.up = nn.Sequential(*stages)

    def forward(self, code: Tensor) -> Tensor:
        x = self.enter(self.first(code).view(-1, self.width, *self.grid))
        rows, columns = self.size
        return self.up(x)[:, :, :rows, :columns].flatten(1)


class VectorDecoder(nn.Sequential):
    """A multilayer perceptron from a code to numbers.

    Shapes:
        code: (B, dim) -> (B, size), without a last activation.
    """

    def __init__(self, dim: int, size: int, widths: Sequence[int] = (256, 256), activation: str = "relu") -> None:
        layers: list[nn.Module] = []
        for width in widths:
            layers += [nn.Linear(dim, width), make_activation(activation)]
            dim = width
        super().__init__(*layers, nn.Linear(dim, size))
