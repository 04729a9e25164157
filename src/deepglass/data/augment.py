"""Pictures varied in training, a batch at a time on its device: one affine map a row is drawn, then applied.

    augment = Augment.of(1, (28, 28))                # ranges that are safe for the kind of picture
    varied = augment(batch_of_bytes, generator)      # (B, C, Y, X), bytes or floats in the codes' own units

Whole steps and mirrors are done by picking pixels, which keeps bytes as they are and costs a tenth of a resampling;
turning, scaling, shearing and cropping resample. Draw and apply can be taken apart, so that masks, boxes and points
stay in step.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Generator, Tensor

from deepglass.constraints import Ge, Le, Share
from deepglass.data.augment_pixels import colour, erase, noise
from deepglass.nn.warp import Warp, warp

NUM_DRAWS = 11  # random numbers that a row's map is made of


@dataclass(frozen=True)
class Augment:
    """Ranges of random changes; each row draws its own.

    The places of pixels change by one affine map a row, then come colour, a blank square and noise.

    Args:
        shift: steps along rows and columns, at most this share of the side.
        flip: mirror left and right in half of the rows.
        rotate: degrees, at most, either way.
        scale: at most so much larger or smaller, 0.1 for 10 %, rows and columns apart.
        shear: slant, at most, as a share of the height.
        crop: the picture's part that may be cut away, at most, as a share of its area; what is left is enlarged.
        color_jitter: brightness, contrast, saturation and hue change by this share at most, 0.4 is strong.
        random_erasing: side of a square that is blanked, as a share of the picture's side.
        noise: standard deviation of added noise, in units of each batch's own.
        mixup: pairs of rows are mixed, answers too; 0.2 leaves most pairs near one of the two, 1 mixes evenly. Not done
            here but to a whole batch: `data.mixing`.

    Example:
        >>> Augment(shift=0.1, flip=True)(torch.zeros(2, 3, 8, 8, dtype=torch.uint8), torch.Generator()).dtype
        torch.uint8
    """

    shift: Share = 0.0
    flip: bool = False
    rotate: Annotated[float, Ge(0), Le(180)] = 0.0
    scale: Share = 0.0
    shear: Share = 0.0
    crop: Annotated[float, Ge(0), Le(0.95)] = 0.0
    color_jitter: Share = 0.0
    random_erasing: Share = 0.0
    noise: Share = 0.0
    mixup: Share = 0.0

    def __call__(self, values: Tensor, generator: Generator, map: Warp | None = None) -> Tensor:
        """Vary a batch.

        Args:
            map: drawn before, so that others can follow it; None draws one.

        Shapes:
            values: (B, C, Y, X), or (B, T, C, Y, X) for frames that change alike, of any dtype; whole numbers stay so
                unless a picture is resampled or its colours or noise change it.
        """
        if self.moves:
            map = map or self.draw(len(values), (values.shape[-2], values.shape[-1]), generator)
            flat = values.flatten(1, -3)  # (B, T * C, Y, X)
            values = warp(flat, map).view(values.shape)
        if self.color_jitter:
            values = colour(values, self.color_jitter, generator)
        if self.random_erasing:
            values = erase(values, self.random_erasing, generator)
        if self.noise:
            values = noise(values, self.noise, generator)
        return values

    @property
    def moves(self) -> bool:
        """Whether pixels change their places at all."""
        return bool(self.shift or self.flip or self._resamples)

    @property
    def _resamples(self) -> bool:
        return bool(self.rotate or self.scale or self.shear or self.crop)

    def draw(self, count: int, size: tuple[int, int], generator: Generator) -> Warp:
        """A map for each of `count` rows of pictures of `size` (Y, X)."""
        return self.map(uniform_draws(count, generator), size)

    def map(self, chances: Tensor, size: tuple[int, int]) -> Warp:
        """The map that follows from random numbers, so that the pictures of one row can share them.

        Shapes:
            chances: (NUM_DRAWS, B) from 0 to 1.
        """
        angle, tall, wide, slant, down, right = 2 * chances[:6] - 1
        most = [self.shift * side for side in size]
        if self._resamples:
            steps = [u * m for u, m in zip((down, right), most, strict=True)]
        else:
            steps = [torch.round(u * (math.floor(m) + 0.499)) for u, m in zip((down, right), most, strict=True)]
        mirror = torch.where((chances[6] < 0.5) & self.flip, -1.0, 1.0)
        turn = angle * math.radians(self.rotate)
        tall, wide = (1 + self.scale) ** tall, (1 + self.scale) ** wide
        cos, sin = turn.cos(), turn.sin()
        stretch = size[0] / size[1]  # places run from -1 to 1 on both sides, whatever their lengths
        rows = [
            torch.stack([mirror * cos * wide, (slant * self.shear - sin) * tall * stretch, steps[1] * 2 / size[1]], 1),
            torch.stack([mirror * sin * wide / stretch, cos * tall, steps[0] * 2 / size[0]], 1),
        ]
        affine = torch.stack(rows, 1)  # (B, 2, 3)
        return Warp(self._cropped(affine, chances[7:]) if self.crop else affine, not self._resamples)

    def _cropped(self, affine: Tensor, chances: Tensor) -> Tensor:
        """The map after a part of the picture was enlarged to the whole: any area, sides up to 4 to 3, anywhere.

        Source: Szegedy et al., 2014, arXiv 1409.4842, section 6; the area there goes down to 8 %.
        """
        area = 1 - self.crop * chances[0]
        lean = (2 * chances[1] - 1) * (-area.log()).clamp_max(math.log(4 / 3))  # so that neither side exceeds the whole
        sides = torch.stack([(area.log() - lean) / 2, (area.log() + lean) / 2], 1).exp()  # (B, 2): along x, along y
        centre = (2 * chances[2:4].T - 1) * (1 - sides)
        linear, shift = affine[:, :, :2], affine[:, :, 2:]
        return torch.cat([linear * sides[:, None], shift + linear @ centre[:, :, None]], 2)

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
        return cls(shift=0.125, flip=not is_directional(classes), random_erasing=0.25 if strong else 0.0)


def uniform_draws(count: int, generator: Generator) -> Tensor:
    """The random numbers of `count` rows' maps, (NUM_DRAWS, B)."""
    return torch.rand(NUM_DRAWS, count, generator=generator, device=generator.device)


_SIDED = frozenset(["left", "right", "clockwise", "counterclockwise", "anticlockwise", "east", "west", "turn"])
_TURNS = frozenset(["steering", "angle", "yaw", "heading", "bearing", "azimuth", "x", "horizontal"])


def is_directional(classes: Iterable[str]) -> bool:
    """Whether a class would become another one, or nothing, in a mirror: digits, letters, and words for sides."""
    names = [str(name).strip().lower() for name in classes]
    single = [name for name in names if len(name) == 1 or name.isdigit()]
    spoken = {word for name in names for word in words(name)}
    return len(single) > len(names) / 2 or bool(spoken & _SIDED)


def is_angle(name: str) -> bool:
    """Whether a number's name sounds as if it changed in a mirror, such as a steering angle."""
    return bool(set(words(name)) & (_TURNS | _SIDED))


def words(name: str) -> list[str]:
    """The words of a name in small letters: of front_left, "front left" and frontLeft alike."""
    return [word.lower() for word in re.findall(r"[A-Z]?[^\W\d_A-Z]+|[A-Z]+(?![a-z])|\d+", name)]
