"""Video encoder: frames as the channels of one image."""

from torch import Tensor, nn

from deepglass.nn.conv import ImageEncoder
from deepglass.nn.tokens import Field, Tokens


class VideoNormalizer(nn.Module):
    """Frame codes to floats, each frame as an image.

    Args:
        normalizer: of an image, (B, C, Y, X) codes -> floats.

    Shapes:
        x: (B, T, C, Y, X) codes -> the same, float.
    """

    def __init__(self, normalizer: nn.Module) -> None:
        super().__init__()
        self.normalizer = normalizer

    def forward(self, x: Tensor) -> Tensor:
        return self.normalizer(x.flatten(0, 1)).view(x.shape)


class VideoEncoder(nn.Module):
    """Encoder of a video as tokens on the grid of an image: normaliser, frames as channels, image stem.

    Shapes:
        field: values (B, T, C, Y, X), mask (B,) -> Tokens (B, Y' * X', D) with grid (Y', X').
    """

    def __init__(self, normalizer: nn.Module, frames: int, channels: int, dim: int, size: tuple[int, int]) -> None:
        super().__init__()
        self.normalizer = normalizer
        self.image_encoder = ImageEncoder(nn.Identity(), frames * channels, dim, size)
        self.shape = self.image_encoder.shape

    def forward(self, field: Field) -> Tokens:
        return self.image_encoder(Field(self.normalizer(field.values).flatten(1, 2), field.mask))
