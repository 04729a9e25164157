"""Normalisation layers by name: `norm` for vectors and token sequences, `norm2d` for images.

batch     over the rows, per unit or channel; running averages in evaluation
layer     over the units of each token, or the channels of each pixel
group     over groups of units or channels of one row
instance  over the tokens or pixels of one row, per unit or channel
none      identity
"""

from collections.abc import Callable
from typing import Literal, get_args

import torch.nn.functional as F
from torch import Tensor, nn

from deepglass.errors import SpecError, near_miss

Norm = Literal["batch", "layer", "instance", "group", "none"]

_GROUPS = 32  # the paper's default; fewer for small widths


class TokenNorm(nn.Module):
    """A norm of torch applied to each token: statistics over the last axis, or of it over all other axes.

    With batch normalisation padded tokens count, so use `layer` where lengths differ much.

    Args:
        norm: `nn.BatchNorm1d` or `nn.GroupNorm`, of width D.

    Shapes:
        x: (B, D) or (B, T, D) float -> the same shape.

    Source: Ioffe & Szegedy, 2015, arXiv 1502.03167 (batch); Wu & He, 2018, arXiv 1803.08494 (group).
    """

    def __init__(self, norm: nn.Module) -> None:
        super().__init__()
        self.norm = norm

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(x) if x.ndim == 2 else self.norm(x.flatten(0, -2)).view_as(x)


class TokenInstanceNorm(nn.Module):
    """Instance normalisation: each unit over the tokens of its row; a single token over its units.

    Padded tokens count.

    Args:
        dim: width D.
        eps: added to the variance.

    Shapes:
        x: (B, D) or (B, T, D) float -> the same shape.

    Source: Ulyanov et al., 2016, arXiv 1607.08022.
    """

    def __init__(self, dim: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.scale = nn.LayerNorm(dim, eps=eps)

    def forward(self, x: Tensor) -> Tensor:
        if x.ndim == 2 or x.shape[1] == 1:
            return self.scale(x)
        centred = x - x.mean(1, keepdim=True)
        variance = centred.square().mean(1, keepdim=True)
        return centred * (variance + self.scale.eps).rsqrt() * self.scale.weight + self.scale.bias


class PixelNorm(nn.Module):
    """Layer normalisation over the channels of each pixel, without a copy in channels-last memory.

    Args:
        channels: C.

    Shapes:
        x: (B, C, Y, X) float -> the same shape.

    Source: Ba et al., 2016, arXiv 1607.06450; over channels as in Liu et al., 2022, arXiv 2201.03545.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.scale = nn.LayerNorm(channels)

    def forward(self, x: Tensor) -> Tensor:
        x = x.permute(0, 2, 3, 1)  # (B, Y, X, C)
        return F.layer_norm(x, self.scale.normalized_shape, self.scale.weight, self.scale.bias).permute(0, 3, 1, 2)


class ImageInstanceNorm(nn.InstanceNorm2d):
    """Instance normalisation of each channel over the pixels of its row; a single pixel over its channels.

    Args:
        channels: C.

    Shapes:
        x: (B, C, Y, X) float -> the same shape.

    Source: Ulyanov et al., 2016, arXiv 1607.08022.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels, affine=True)

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[2] * x.shape[3] > 1:
            return super().forward(x)
        return F.layer_norm(x.flatten(1), (x.shape[1],), self.weight, self.bias, self.eps).view_as(x)


def norm(name: Norm, dim: int) -> nn.Module:
    """Normalisation layer for vectors (B, D) and token sequences (B, T, D).

    Raises:
        SpecError: `unknown-name`, with the near miss.
    """
    makers: dict[str, Callable[[], nn.Module]] = {
        "batch": lambda: TokenNorm(nn.BatchNorm1d(dim)),
        "layer": lambda: nn.LayerNorm(dim),
        "instance": lambda: TokenInstanceNorm(dim),
        "group": lambda: TokenNorm(nn.GroupNorm(_groups(dim), dim)),
        "none": nn.Identity,
    }
    return makers[_check_name(name)]()


def norm2d(name: Norm, channels: int) -> nn.Module:
    """Normalisation layer for images (B, C, Y, X).

    Raises:
        SpecError: `unknown-name`, with the near miss.
    """
    makers: dict[str, Callable[[], nn.Module]] = {
        "batch": lambda: nn.BatchNorm2d(channels),
        "layer": lambda: PixelNorm(channels),
        "instance": lambda: ImageInstanceNorm(channels),
        "group": lambda: nn.GroupNorm(_groups(channels), channels),
        "none": nn.Identity,
    }
    return makers[_check_name(name)]()


def _check_name(name: str) -> str:
    if name not in get_args(Norm):
        raise SpecError("unknown-name", f"no norm {name!r}{near_miss(name, get_args(Norm))}")
    return name


def _groups(dim: int) -> int:
    """Largest number of groups up to 32 that divides the width, with at least four units each."""
    return max(g for g in range(1, _GROUPS + 1) if dim % g == 0 and (g == 1 or dim // g >= 4))
