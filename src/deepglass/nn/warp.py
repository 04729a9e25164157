"""Affine resampling of images and maps, one transform per row."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


class Warp(NamedTuple):
    """Affine map from output to input positions.

    Args:
        affine: output to input positions, both from -1 to 1 along x and y.
        whole: only flips and integer translations, so that pixels are copied.

    Shapes:
        affine: (B, 2, 3) float.
    """

    affine: Tensor
    whole: bool

    @property
    def mirrored(self) -> Tensor:
        """Which rows are flipped, (B,) bool."""
        a = self.affine
        return a[:, 0, 0] * a[:, 1, 1] - a[:, 0, 1] * a[:, 1, 0] < 0


def warp(values: Tensor, map: Warp, *, nearest: bool = False) -> Tensor:
    """Resample images, masks or maps by an affine map per row; positions outside repeat the border.

    Args:
        nearest: nearest-neighbour interpolation, for masks.

    Shapes:
        values: (B, C, Y, X) -> the same; float unless the map is whole or `nearest`.
    """
    if map.whole:
        return _pick(values, map.affine)
    grid = _input_positions(map, values.shape[-2], values.shape[-1])
    mode = "nearest" if nearest else "bilinear"
    out = F.grid_sample(values.float(), grid, mode, padding_mode="border", align_corners=False)
    return out.to(values.dtype) if nearest else out


def inside(map: Warp, size: tuple[int, int]) -> Tensor:
    """Which positions of an output of `size` come from inside the input, (B, Y, X) bool."""
    return (_input_positions(map, *size).abs() <= 1).all(-1)


def _input_positions(map: Warp, Y: int, X: int) -> Tensor:
    """Position (x, y) in the input, from -1 to 1, of each position of an output, (B, Y, X, 2)."""
    x = (torch.arange(X, device=map.affine.device) * 2 + 1) / X - 1
    y = (torch.arange(Y, device=map.affine.device) * 2 + 1) / Y - 1
    a = map.affine[:, None, None]  # (B, 1, 1, 2, 3)
    return a[..., 0] * x.view(1, 1, X, 1) + (a[..., 1] * y.view(1, Y, 1, 1) + a[..., 2])


def _pick(values: Tensor, affine: Tensor) -> Tensor:
    """Flips and integer translations without resampling; positions outside mirror the image."""
    B, C, Y, X = values.shape
    rows = _mirrored(torch.arange(Y, device=values.device) + (affine[:, 1, 2:] * Y / 2).round().long(), Y)
    columns = torch.arange(X, device=values.device)
    columns = torch.where(affine[:, 0, :1] < 0, X - 1 - columns, columns)
    columns = _mirrored(columns + (affine[:, 0, 2:] * X / 2).round().long(), X)
    positions = (rows[:, :, None] * X + columns[:, None, :]).view(B, 1, Y * X).expand(B, C, Y * X)
    codes = values.view(torch.int16) if values.dtype == torch.uint16 else values  # torch gathers no uint16
    return codes.reshape(B, C, Y * X).gather(2, positions).view(B, C, Y, X).view(values.dtype)


def _mirrored(positions: Tensor, side: int) -> Tensor:
    last = side - 1
    return (last - (last - positions.abs()).abs()).clamp(0, last)
