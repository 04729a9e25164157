"""Changes of a picture's pixels that leave everything in its place: colour, noise, a blank square."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor


def colour(values: Tensor, most: float, generator: Generator) -> Tensor:
    """Brightness, contrast, saturation and hue changed, each row by its own amounts, as one linear map of its channels.

    Brightness, contrast and saturation are multiplied by 1 - most to 1 + most, hues are turned around the grey axis by
    at most `most` of a quarter turn. Pictures that have not three channels keep saturation and hue.

    Args:
        most: from 0 to 1.

    Shapes:
        values: (B, ..., C, Y, X) -> the same, float, within the range of the batch's own codes; all that is between B
            and C, such as the frames of a video, is changed alike.

    Source: the changes are those of Krizhevsky et al., 2012 and Howard, 2013, arXiv 1312.5402; theirs follow each other
    in random order, ours are one product.
    """
    B, C = values.shape[0], values.shape[-3]
    x = values.float()
    low, high = x.aminmax()
    bright, contrast, saturation, hue = 2 * torch.rand(4, B, generator=generator, device=x.device) - 1
    bright, contrast, saturation = 1 + most * bright, 1 + most * contrast, 1 + most * saturation
    grey = x.flatten(1).mean(1)
    gain, shift = bright * contrast, bright * (1 - contrast) * grey  # contrast turns around the row's own grey
    each = (B, *[1] * (x.ndim - 1))
    if C != 3:
        return (x * gain.view(each) + shift.view(each)).clamp_(low, high)
    turned = _rotation(hue * most * math.pi / 2)  # (B, 3, 3)
    mean = torch.full((3, 3), 1 / 3, device=x.device)
    mixing = gain[:, None, None] * (saturation[:, None, None] * (turned - mean) + mean)
    frames = x.reshape(B, -1, 3, values.shape[-2] * values.shape[-1])  # (B, T, 3, Y * X)
    T = frames.shape[1]
    mixing = mixing[:, None].expand(B, T, 3, 3).reshape(B * T, 3, 3)
    shifts = shift.repeat_interleave(T)[:, None, None]
    return torch.baddbmm(shifts, mixing, frames.flatten(0, 1)).clamp_(low, high).view(values.shape)


def noise(values: Tensor, share: float, generator: Generator) -> Tensor:
    """Gaussian noise added, of so many of the batch's own standard deviations; floats come out."""
    x = values.float()
    spread = x.std() * share
    return x + spread * torch.randn(x.shape, generator=generator, device=x.device)


def erase(values: Tensor, share: float, generator: Generator) -> Tensor:
    """A square of each picture set to the batch's mean, at a random place that may hang over the border.

    Shapes:
        values: (B, ..., C, Y, X); the frames of a video lose the same square.

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
    """Turns of colours (r, g, b) around the grey axis, (B,) radians -> (B, 3, 3); a grey stays as it is."""
    cos, sin = angle.cos(), angle.sin() / math.sqrt(3)
    rest = (1 - cos) / 3
    same, ahead, behind = cos + rest, rest - sin, rest + sin
    rows = [same, ahead, behind, behind, same, ahead, ahead, behind, same]
    return torch.stack(rows, 1).view(-1, 3, 3)
