"""Videos: frames laid over each other as the channels of one picture."""

from __future__ import annotations

from torch import Tensor, nn

from deepglass.nn.conv import PictureEncoder
from deepglass.nn.tokens import Field, Tokens


class VideoPrepare(nn.Module):
    """Codes of frames to floats, each frame as a picture.

    Args:
        prepare: of a picture, (B, C, Y, X) codes -> floats.

    Shapes:
        x: (B, T, C, Y, X) codes -> the same, float.
    """

    def __init__(self, prepare: nn.Module) -> None:
        super().__init__()
        self.prepare = prepare

    def forward(self, x: Tensor) -> Tensor:
        return self.prepare(x.flatten(0, 1)).view(x.shape)


class VideoEncoder(nn.Module):
    """Bytes of frames to tokens on the grid of a picture: prepare, frames as channels, then a picture's stem.

    Shapes:
        field: values (B, T, C, Y, X), mask (B,) -> Tokens (B, Y' * X', D) with grid (Y', X').
    """

    def __init__(self, prepare: nn.Module, frames: int, channels: int, dim: int, size: tuple[int, int]) -> None:
        super().__init__()
        self.prepare = prepare
        self.picture = PictureEncoder(nn.Identity(), frames * channels, dim, size)
        self.shape = self.picture.shape

    def forward(self, field: Field) -> Tokens:
        return self.picture(Field(self.prepare(field.values).flatten(1, 2), field.mask))
