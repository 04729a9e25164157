"""Videos: frames laid over each other as the channels of one picture."""

from __future__ import annotations

from torch import Tensor, nn

from deepglass.nn.conv import ImageEncoder
from deepglass.nn.tokens import Field, Tokens


class VideoNormalizer(nn.Module):
    """Codes of frames to floats, each frame as a picture.

    Args:
        normalizer: of a picture, (B, C, Y, X) codes -> floats.

    Shapes:
        x: (B, T, C, Y, X) codes -> the same, float.
    """

    def __init__(self, normalizer: nn.Module) -> None:
        super().__init__()
        self.normalizer = normalizer

    def forward(self, x: Tensor) -> Tensor:
        return self.normalizer(x.flatten(0, 1)).view(x.shape)


class VideoEncoder(nn.Module):
    """Bytes of frames to tokens on the grid of a picture: normalizer, frames as channels, then a picture's stem.

    Shapes:
        field: values (B, T, C, Y, X), mask (B,) -> Tokens (B, Y' * X', D) with grid (Y', X').
    """

    def __init__(self, normalizer: nn.Module, frames: int, channels: int, dim: int, size: tuple[int, int]) -> None:
        super().__init__()
        self.normalizer = normalizer
        self.picture = ImageEncoder(nn.Identity(), frames * channels, dim, size)
        self.shape = self.picture.shape

    def forward(self, field: Field) -> Tokens:
        return self.picture(Field(self.normalizer(field.values).flatten(1, 2), field.mask))
