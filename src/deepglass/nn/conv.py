"""Convolutional building blocks for images: stem, plain and residual bodies.

Images (B, C, Y, X) are in channels-last memory, (B, Y, X, C): the fast bfloat16 convolutions of a CPU need it, and
conversion to tokens and back is then a view.
"""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from deepglass.nn.activations import activation as make_activation
from deepglass.nn.norms import Norm, norm2d
from deepglass.nn.tokens import Field, Tokens, TokenShape, from_image


class ConvBlock(nn.Module):
    """Convolution, pooling, norm, activation.

    Pooling comes before the norm, which leaves a quarter of the values for norm and activation.

    Args:
        kernel: side of the filter, odd.
        pool: side of the max pooling; 1 for none.

    Shapes:
        x: (B, dim, Y, X) -> (B, out_dim, Y', X') with Y' = ceil(ceil(Y / stride) / pool), X' alike.
    """

    def __init__(
        self,
        dim: int,
        out_dim: int,
        *,
        stride: int = 1,
        pool: int = 1,
        norm: Norm = "batch",
        activation: str = "gelu",
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(dim, out_dim, 3, stride, 1, bias=norm == "none")
        self.pool = nn.MaxPool2d(pool, ceil_mode=True) if pool > 1 else nn.Identity()
        self.norm = norm2d(norm, out_dim)
        self.activation = make_activation(activation)

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(self.norm(self.pool(self.conv(x))))


class ResidualBlock(nn.Module):
    """Residual block of two convolutions; the second norm starts at zero, so that the block starts as its shortcut.

    Shapes:
        x: (B, dim, Y, X) -> (B, out_dim, ceil(Y / stride), ceil(X / stride)).

    Source: He et al., 2015, arXiv 1512.03385; average pooling in the shortcut as in He et al., 2018, arXiv 1812.01187.
    """

    def __init__(
        self, dim: int, out_dim: int, *, stride: int = 1, norm: Norm = "batch", activation: str = "relu"
    ) -> None:
        super().__init__()
        self.first = ConvBlock(dim, out_dim, stride=stride, norm=norm, activation=activation)
        self.second = ConvBlock(out_dim, out_dim, norm=norm, activation="identity")
        self.activation = make_activation(activation)
        same = dim == out_dim and stride == 1
        self.shortcut = nn.Identity() if same else Shortcut(dim, out_dim, stride=stride, norm=norm)
        gains = [p for name, p in self.second.norm.named_parameters() if name.endswith("weight")]
        for parameter in gains or self.second.conv.parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(self.shortcut(x) + self.second(self.first(x)))


class Shortcut(nn.Module):
    """Shortcut of a residual block that changes size or width."""

    def __init__(self, dim: int, out_dim: int, *, stride: int, norm: Norm) -> None:
        super().__init__()
        self.stride = stride
        self.conv = nn.Conv2d(dim, out_dim, 1, bias=norm == "none")
        self.norm = norm2d(norm, out_dim)

    def forward(self, x: Tensor) -> Tensor:
        if self.stride > 1:
            x = F.avg_pool2d(x, self.stride, ceil_mode=True, count_include_pad=False)
        return self.norm(self.conv(x))


def residual_stage(dim: int, out_dim: int, blocks: int, stride: int, norm: Norm, activation: str) -> nn.Sequential:
    """Residual blocks in a row, the first with the stride and the change of width."""
    first = ResidualBlock(dim, out_dim, stride=stride, norm=norm, activation=activation)
    others = (ResidualBlock(out_dim, out_dim, norm=norm, activation=activation) for _ in range(blocks - 1))
    return nn.Sequential(first, *others)


def plain_stage(dim: int, out_dim: int, blocks: int, norm: Norm, activation: str) -> nn.Sequential:
    """Convolutions, the first of which halves the map."""
    first = ConvBlock(dim, out_dim, pool=2, norm=norm, activation=activation)
    others = (ConvBlock(out_dim, out_dim, norm=norm, activation=activation) for _ in range(blocks - 1))
    return nn.Sequential(first, *others)


def apply_stages(stages: Iterable[nn.Module], x: Tensor) -> list[Tensor]:
    """The output of each stage, one after the other."""
    maps = []
    for stage in stages:
        x = stage(x)
        maps.append(x)
    return maps


class StagedBody(nn.Module):
    """Stages of convolutions after a stem's convolution.

    Args:
        dim: channels of the stem.
        stages: modules, each applied to the map of the one before.
        downsample_stem: max pooling of the input, before its norm.

    Shapes:
        x: (B, dim, Y, X) -> one map (B, ..., ..., ...) per stage, finest first.
    """

    def __init__(
        self, dim: int, stages: Iterable[nn.Module], *, downsample_stem: bool, norm: Norm, activation: str
    ) -> None:
        super().__init__()
        pool = [nn.MaxPool2d(2, ceil_mode=True)] if downsample_stem else []
        self.enter = nn.Sequential(*pool, norm2d(norm, dim), make_activation(activation))
        self.stages = nn.ModuleList(stages)

    def forward(self, x: Tensor) -> list[Tensor]:
        return apply_stages(self.stages, self.enter(x))


class ImageNormalizer(nn.Module):
    """Pixel codes to floats: (codes - shift) / scale per channel.

    Shapes:
        x: (B, C, Y, X) uint8, uint16 or float codes -> (B, C, Y, X) float, in channels-last memory.
    """

    def __init__(self, shift: Sequence[float], scale: Sequence[float]) -> None:
        super().__init__()
        self.shift = nn.Buffer(torch.tensor(shift).view(1, -1, 1, 1))
        self.factor = nn.Buffer(1 / torch.tensor(scale).view(1, -1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        x = x.to(self.factor.dtype, memory_format=torch.channels_last)
        return (x - self.shift) * self.factor


class ImageStem(nn.Module):
    """First convolution, with a learned image in place of a missing one.

    Args:
        channels: C of the normalised image.
        dim: width D of the output.
        size: (Y, X) of the images.
        stride: of the convolution; the kernel is a bit larger.

    Shapes:
        x: (B, C, Y, X) normalised; mask: (B,) bool -> (B, D, ceil(Y / stride), ceil(X / stride)).
    """

    def __init__(self, channels: int, dim: int, size: tuple[int, int], *, stride: int = 1) -> None:
        super().__init__()
        kernel = 3 if stride == 1 else 2 * stride - 1
        self.missing = nn.Parameter(torch.zeros(channels, *size))
        self.conv = nn.Conv2d(channels, dim, kernel, stride, kernel // 2)
        self.stride = stride

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        missing: Tensor = self.missing
        if missing.shape[-2:] != x.shape[-2:]:
            missing = F.interpolate(missing[None], x.shape[-2:], mode="bilinear", align_corners=False)[0]
        return self.conv(torch.where(mask.view(-1, 1, 1, 1), x, missing))


class ImageEncoder(nn.Module):
    """Encoder of an image as tokens on a grid: normaliser and stem.

    Args:
        normalizer: codes to floats.
        stride: of the stem; None: by `stem_stride`. A large one gives patches that overlap by half.

    Shapes:
        field: values (B, C, Y, X), mask (B,) -> Tokens (B, Y' * X', D) with grid (Y', X').
    """

    def __init__(
        self, normalizer: nn.Module, channels: int, dim: int, size: tuple[int, int], *, stride: int | None = None
    ) -> None:
        super().__init__()
        stride = stride or stem_stride(size)
        self.normalizer = normalizer
        self.stem = ImageStem(channels, dim, size, stride=stride)
        grid = (-(-size[0] // stride), -(-size[1] // stride))
        self.shape = TokenShape(grid[0] * grid[1], grid)

    def forward(self, field: Field) -> Tokens:
        return from_image(self.stem(self.normalizer(field.values), field.mask))


class FlatImageEncoder(nn.Module):
    """Encoder of an image as a single token: normaliser and a linear map of all pixels.

    Shapes:
        field: values (B, C, Y, X), mask (B,) -> Tokens (B, 1, D) without a grid.
    """

    def __init__(self, normalizer: nn.Module, channels: int, dim: int, size: tuple[int, int]) -> None:
        super().__init__()
        self.normalizer = normalizer
        self.linear = nn.Linear(channels * size[0] * size[1], dim)
        self.missing = nn.Parameter(torch.randn(dim) * 0.1)
        self.shape = TokenShape(1)

    def forward(self, field: Field) -> Tokens:
        pixels = self.normalizer(field.values).flatten(1)  # (B, C * Y * X)
        return Tokens.of_vector(torch.where(field.mask[:, None], self.linear(pixels), self.missing))


def stem_stride(size: tuple[int, int]) -> int:
    """Stride of the stem, for a map of at most about 48 columns."""
    return 1 if max(size) <= 40 else 2 if max(size) <= 96 else 4


def stage_count(grid: tuple[int, int]) -> int:
    """Number of stages, each halving the map, until its shorter side is below 3; at least one."""
    side, count = min(grid), 0
    while side >= 3:
        side, count = side // 2, count + 1
    return max(count, 1)
