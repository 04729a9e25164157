"""Pictures varied in training, a batch at a time on its device: one affine map a row is drawn, then applied.

    augment = Augment.of("grey")                     # ranges that are safe for the kind of picture
    varied = augment(batch_of_bytes, generator)      # (B, C, Y, X), bytes or floats in the codes' own units

Whole steps and mirrors are done by picking pixels, which keeps bytes as they are and costs a tenth of a resampling;
turning, scaling and shearing resample. Draw and apply can be taken apart, so that masks, boxes and points stay in step.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from deepglass.nn.warp import Warp, warp


@dataclass(frozen=True)
class Augment:
    """Ranges of random changes; each row draws its own.

    Args:
        shift: steps along rows and columns, at most this share of the side.
        flip: mirror left and right in half of the rows.
        rotate: degrees, at most, either way.
        scale: at most so much larger or smaller, 0.1 for 10 %, rows and columns apart.
        shear: slant, at most, as a share of the height.
        erase: side of a square that is blanked, as a share of the picture's side.
        noise: standard deviation of added noise, in units of each batch's own.

    Example:
        >>> Augment(shift=0.1, flip=True)(torch.zeros(2, 3, 8, 8, dtype=torch.uint8), torch.Generator()).dtype
        torch.uint8
    """

    shift: float = 0.0
    flip: bool = False
    rotate: float = 0.0
    scale: float = 0.0
    shear: float = 0.0
    erase: float = 0.0
    noise: float = 0.0

    def __call__(self, values: Tensor, generator: Generator, map: Warp | None = None) -> Tensor:
        """Vary a batch.

        Args:
            map: drawn before, so that others can follow it; None draws one.

        Shapes:
            values: (B, C, Y, X) of any dtype; whole numbers stay so unless a picture is resampled or noise is added.
        """
        if self.moves:
            values = warp(values, map or self.draw(len(values), (values.shape[-2], values.shape[-1]), generator))
        if self.erase:
            values = erase(values, self.erase, generator)
        if self.noise:
            values = values.float()
            spread = values.std() * self.noise
            values = values + spread * torch.randn(values.shape, generator=generator, device=values.device)
        return values

    @property
    def moves(self) -> bool:
        """Whether pixels change their places at all."""
        return bool(self.shift or self.flip or self.rotate or self.scale or self.shear)

    def draw(self, count: int, size: tuple[int, int], generator: Generator) -> Warp:
        """A map for each of `count` rows of pictures of `size` (Y, X)."""
        device = generator.device
        uniform = torch.rand(7, count, generator=generator, device=device)
        angle, tall, wide, slant, down, right = 2 * uniform[:6] - 1
        whole = not (self.rotate or self.scale or self.shear)
        most = [self.shift * side for side in size]
        if whole:
            steps = [torch.round(u * (math.floor(m) + 0.499)) for u, m in zip((down, right), most, strict=True)]
        else:
            steps = [u * m for u, m in zip((down, right), most, strict=True)]
        mirror = torch.where((uniform[6] < 0.5) & self.flip, -1.0, 1.0)
        turn = angle * math.radians(self.rotate)
        tall, wide = (1 + self.scale) ** tall, (1 + self.scale) ** wide
        cos, sin = turn.cos(), turn.sin()
        stretch = size[0] / size[1]  # places run from -1 to 1 on both sides, whatever their lengths
        rows = [
            torch.stack([mirror * cos * wide, (slant * self.shear - sin) * tall * stretch, steps[1] * 2 / size[1]], 1),
            torch.stack([mirror * sin * wide / stretch, cos * tall, steps[0] * 2 / size[0]], 1),
        ]
        return Warp(torch.stack(rows, 1), whole)

    @classmethod
    def of(cls, channels: int, size: tuple[int, int], *, classes: Iterable[str] = (), strong: bool = False) -> Augment:
        """Ranges that are safe for a kind of picture.

        Grey pictures (digits, letters, scans) are shifted, turned and scaled a little and never mirrored. Colour
        photographs are mirrored and shifted, unless a class says that it has a side.

        Args:
            channels: C; 1 is grey.
            size: (Y, X).
            classes: the names of the classes that are to be told apart.
            strong: for long runs, in which each picture is seen dozens of times.
        """
        step = 0.07 if min(size) < 16 else 0.1
        if channels == 1:
            return cls(shift=step, rotate=10.0, scale=0.1, shear=0.1)
        return cls(shift=0.125, flip=not sided(classes), erase=0.25 if strong else 0.0)


def erase(values: Tensor, share: float, generator: Generator) -> Tensor:
    """A square of each picture set to the batch's mean, at a random place that may hang over the border.

    Source: DeVries & Taylor, 2017, arXiv 1708.04552.
    """
    B, _C, Y, X = values.shape
    centre = torch.rand(2, B, 1, generator=generator, device=values.device)
    down = (torch.arange(Y, device=values.device) + 0.5 - centre[0] * Y).abs() < share * Y / 2  # (B, Y)
    right = (torch.arange(X, device=values.device) + 0.5 - centre[1] * X).abs() < share * X / 2
    mean = values.float().mean((0, 2, 3), keepdim=True).to(values.dtype)
    return torch.where(down[:, None, :, None] & right[:, None, None, :], mean, values)


_SIDED = frozenset(["left", "right", "clockwise", "counterclockwise", "anticlockwise", "east", "west", "turn"])


def sided(classes: Iterable[str]) -> bool:
    """Whether a class would become another one, or nothing, in a mirror: digits, letters, and words for sides."""
    names = [str(name).strip().lower() for name in classes]
    single = [name for name in names if len(name) == 1 or name.isdigit()]
    words = {word for name in names for word in name.replace("-", " ").replace("_", " ").split()}
    return len(single) > len(names) / 2 or bool(words & _SIDED)
