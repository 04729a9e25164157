"""Pixel-wise image augmentation: colour jitter, Gaussian noise, random erasing."""

import math

import torch
from torch import Generator, Tensor


def color_jitter(values: Tensor, strength: float, generator: Generator) -> Tensor:
    """Colour jitter: random brightness, contrast, saturation and hue per row, as one linear map of the channels.

    Brightness, contrast and saturation are multiplied by factors in 1 +- strength; the hue is rotated by at most
    strength * 90 degrees. Images without three channels keep saturation and hue.

    Args:
        values: encoded images.
        strength: from 0 to 1.
        generator: of the random numbers.

    Shapes:
        values: (B, ..., C, Y, X) -> the same, float, within the range of the batch; the frames of a video share the
            change.

    Source: Krizhevsky et al., 2012; Howard, 2013, arXiv 1312.5402; they apply the changes in random order, ours are one
    matrix product.
    """
    B, C = values.shape[0], values.shape[-3]
    x = values.float()
    low, high = x.aminmax()
    bright, contrast, saturation, hue = 2 * torch.rand(4, B, generator=generator, device=x.device) - 1
    bright, contrast, saturation = 1 + strength * bright, 1 + strength * contrast, 1 + strength * saturation
    grey = x.flatten(1).mean(1)
    gain, shift = bright * contrast, bright * (1 - contrast) * grey  # contrast is relative to the row's mean
    each = (B, *[1] * (x.ndim - 1))
    if C != 3:
        return (x * gain.view(each) + shift.view(each)).clamp_(low, high)
    turned = _rotation(hue * strength * math.pi / 2)  # (B, 3, 3)
    mean = torch.full((3, 3), 1 / 3, device=x.device)
    mixing = gain[:, None, None] * (saturation[:, None, None] * (turned - mean) + mean)
    frames = x.reshape(B, -1, 3, values.shape[-2] * values.shape[-1])  # (B, T, 3, Y * X)
    T = frames.shape[1]
    mixing = mixing[:, None].expand(B, T, 3, 3).reshape(B * T, 3, 3)
    shifts = shift.repeat_interleave(T)[:, None, None]
    return torch.baddbmm(shifts, mixing, frames.flatten(0, 1)).clamp_(low, high).view(values.shape)


def gaussian_noise(values: Tensor, share: float, generator: Generator) -> Tensor:
    """Add Gaussian noise with `share` times the batch's standard deviation; the result is float."""
    x = values.float()
    spread = x.std() * share
    return x + spread * torch.randn(x.shape, generator=generator, device=x.device)


def random_erasing(values: Tensor, share: float, generator: Generator) -> Tensor:
    """Random erasing (cutout): a square of each image at a random position is set to the batch's mean.

    Shapes:
        values: (B, ..., C, Y, X); the frames of a video share the square.

    Source: DeVries & Taylor, 2017, arXiv 1708.04552.
    """
    B, Y, X = values.shape[0], values.shape[-2], values.shape[-1]
    centre = torch.rand(2, B, 1, generator=generator, device=values.device)
    down = (torch.arange(Y, device=values.device) + 0.5 - centre[0] * Y).abs() < share * Y / 2  # (B, Y)
    right = (torch.arange(X, device=values.device) + 0.5 - centre[1] * X).abs() < share * X / 2
    mean = values.float().mean((0, -2, -1), keepdim=True).to(values.dtype)
    blank = (down[:, :, None] & right[:, None, :]).view(B, *[1] * (values.ndim - 3), Y, X)
    return torch.where(blank, mean, values)


def _rotation(angle: Tensor) -> Tensor:
    """Rotation matrices of RGB colours around the grey axis, (B,) radians -> (B, 3, 3)."""
    cos, sin = angle.cos(), angle.sin() / math.sqrt(3)
    rest = (1 - cos) / 3
    same, ahead, behind = cos + rest, rest - sin, rest + sin
    rows = [same, ahead, behind, behind, same, ahead, ahead, behind, same]
    return torch.stack(rows, 1).view(-1, 3, 3)
