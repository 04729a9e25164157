"""Decoders from a latent vector to images and vectors.

Source: transposed convolutions as in Radford, Metz and Chintala, 2015, arXiv 1511.06434 (DCGAN).
"""

import math
from collections.abc import Sequence

from torch import Tensor, nn

from deepglass.nn.activations import activation as make_activation
from deepglass.nn.norms import Norm, norm2d

MAX_FIRST_SIDE = 8  # rows or columns of the first feature map


class ImageDecoder(nn.Module):
    """Convolutional decoder: a small feature map, doubled by transposed convolutions up to the size of the image.

    Args:
        dim: of the latent vector.
        shape: (C, Y, X) of the image.
        width: channels of the first map; each doubling halves them, down to 16.
        norm: "batch", "layer", "instance", "group" or "none".

    Shapes:
        latent: (B, dim) -> (B, C * Y * X), without an output activation.
    """

    def __init__(
        self, dim: int, shape: tuple[int, int, int], *, width: int = 64, norm: Norm = "batch", activation: str = "relu"
    ) -> None:
        super().__init__()
        channels, *self.size = shape
        doublings = max(1, math.ceil(math.log2(max(self.size) / MAX_FIRST_SIDE)))
        self.grid = tuple(-(-side // 2**doublings) for side in self.size)
        self.width = width
        self.first = nn.Linear(dim, width * math.prod(self.grid))
        self.first_norm = nn.Sequential(norm2d(norm, width), make_activation(activation))
        stages: list[nn.Module] = []
        for i in range(doublings):
            out = max(width // 2, 16)
            last = i == doublings - 1
            stages.append(nn.ConvTranspose2d(width, channels if last else out, 4, stride=2, padding=1))
            if not last:
                stages += [norm2d(norm, out), make_activation(activation)]
            width = out
        self.up = nn.Sequential(*stages)

    def forward(self, latent: Tensor) -> Tensor:
        x = self.first_norm(self.first(latent).view(-1, self.width, *self.grid))
        rows, columns = self.size
        return self.up(x)[:, :, :rows, :columns].flatten(1)


class VectorDecoder(nn.Sequential):
    """Multilayer perceptron decoder for vectors.

    Shapes:
        latent: (B, dim) -> (B, size), without an output activation.
    """

    def __init__(self, dim: int, size: int, widths: Sequence[int] = (256, 256), activation: str = "relu") -> None:
        layers: list[nn.Module] = []
        for width in widths:
            layers += [nn.Linear(dim, width), make_activation(activation)]
            dim = width
        super().__init__(*layers, nn.Linear(dim, size))
