"""Image augmentation of a batch on its device: one random affine map per row, then pixel changes.

    augment = Augment.of(1, (28, 28))                   # label-preserving ranges for a kind of image
    augmented = augment(batch_of_bytes, generator)      # (B, C, Y, X), bytes or floats in the codes' own units

Shifts by whole pixels and flips only index pixels, which keeps bytes unchanged and costs a tenth of a resampling;
rotation, scaling, shearing and cropping resample. Drawing and applying a map are separate, so that masks, boxes and
points can follow it.
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
from deepglass.data.augment_pixels import color_jitter, gaussian_noise, random_erasing
from deepglass.nn.warp import Warp, warp

NUM_DRAWS = 11  # random numbers per map


@dataclass(frozen=True)
class Augment:
    """Ranges of the random changes; each row draws its own.

    First one affine map per row, then colour jitter, random erasing and noise.

    Args:
        shift: maximum translation, as a share of the side.
        flip: horizontal flip of half of the rows.
        rotate: maximum rotation in degrees, in both directions.
        scale: maximum relative change of height and width, independently; 0.1 for 10 %.
        shear: maximum slant, as a share of the height.
        crop: maximum share of the area that is cut away; the rest is enlarged (random resized crop).
        color_jitter: maximum relative change of brightness, contrast, saturation and hue; 0.4 is strong.
        random_erasing: side of a square that is filled, as a share of the image's side.
        noise: standard deviation of added Gaussian noise, relative to the batch's.
        mixup: alpha of mixup; 0.2 leaves most pairs near one of the two, 1 mixes evenly. Applied to the whole batch
            by `data.mixup`.

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
        """Augment a batch.

        Args:
            values: encoded images.
            generator: of the random numbers.
            map: the affine map, if other features use it too; None draws one.

        Shapes:
            values: (B, C, Y, X), or (B, T, C, Y, X) for frames that share the change, of any dtype; integers stay so
                without resampling, colour jitter and noise.
        """
        if self.moves:
            map = map or self.draw(len(values), (values.shape[-2], values.shape[-1]), generator)
            flat = values.flatten(1, -3)  # (B, T * C, Y, X)
            values = warp(flat, map).view(values.shape)
        if self.color_jitter:
            values = color_jitter(values, self.color_jitter, generator)
        if self.random_erasing:
            values = random_erasing(values, self.random_erasing, generator)
        if self.noise:
            values = gaussian_noise(values, self.noise, generator)
        return values

    @property
    def moves(self) -> bool:
        """Whether there is an affine map at all."""
        return bool(self.shift or self.flip or self._resamples)

    @property
    def _resamples(self) -> bool:
        return bool(self.rotate or self.scale or self.shear or self.crop)

    def draw(self, count: int, size: tuple[int, int], generator: Generator) -> Warp:
        """A random map for each of `count` rows of images of `size` (Y, X)."""
        return self.map(uniform_draws(count, generator), size)

    def map(self, draws: Tensor, size: tuple[int, int]) -> Warp:
        """The map given by uniform random numbers, so that the images of one row can share it.

        Shapes:
            draws: (NUM_DRAWS, B) in [0, 1).
        """
        angle, tall, wide, slant, down, right = 2 * draws[:6] - 1
        limits = [self.shift * side for side in size]
        if self._resamples:
            steps = [u * m for u, m in zip((down, right), limits, strict=True)]
        else:
            steps = [torch.round(u * (math.floor(m) + 0.499)) for u, m in zip((down, right), limits, strict=True)]
        mirror = torch.where((draws[6] < 0.5) & self.flip, -1.0, 1.0)
        turn = angle * math.radians(self.rotate)
        tall, wide = (1 + self.scale) ** tall, (1 + self.scale) ** wide
        cos, sin = turn.cos(), turn.sin()
        stretch = size[0] / size[1]  # coordinates run from -1 to 1 along both sides
        rows = [
            torch.stack([mirror * cos * wide, (slant * self.shear - sin) * tall * stretch, steps[1] * 2 / size[1]], 1),
            torch.stack([mirror * sin * wide / stretch, cos * tall, steps[0] * 2 / size[0]], 1),
        ]
        affine = torch.stack(rows, 1)  # (B, 2, 3)
        return Warp(self._cropped(affine, draws[7:]) if self.crop else affine, not self._resamples)

    def _cropped(self, affine: Tensor, draws: Tensor) -> Tensor:
        """The map composed with a random resized crop: random area, aspect ratio up to 4:3 and position.

        Source: Szegedy et al., 2014, arXiv 1409.4842, section 6; the area there goes down to 8 %.
        """
        area = 1 - self.crop * draws[0]
        lean = (2 * draws[1] - 1) * (-area.log()).clamp_max(math.log(4 / 3))  # so that neither side exceeds the whole
        sides = torch.stack([(area.log() - lean) / 2, (area.log() + lean) / 2], 1).exp()  # (B, 2): along x, along y
        centre = (2 * draws[2:4].T - 1) * (1 - sides)
        linear, shift = affine[:, :, :2], affine[:, :, 2:]
        return torch.cat([linear * sides[:, None], shift + linear @ centre[:, :, None]], 2)

    @classmethod
    def of(cls, channels: int, size: tuple[int, int], *, classes: Iterable[str] = (), strong: bool = False) -> Augment:
        """Label-preserving ranges for a kind of image.

        Grey images (digits, letters, scans) are shifted, rotated and scaled a little, never flipped. Colour photographs
        are shifted and flipped, unless a class is directional.

        Args:
            channels: C; 1 is grey.
            size: (Y, X).
            classes: names of the classes.
            strong: for long runs that see each image dozens of times.
        """
        step = 0.07 if min(size) < 16 else 0.1
        if channels == 1:
            return cls(shift=step, rotate=10.0, scale=0.1, shear=0.1)
        return cls(shift=0.125, flip=not is_directional(classes), random_erasing=0.25 if strong else 0.0)


def uniform_draws(count: int, generator: Generator) -> Tensor:
    """Uniform random numbers for the maps of `count` rows, (NUM_DRAWS, B)."""
    return torch.rand(NUM_DRAWS, count, generator=generator, device=generator.device)


_SIDE_WORDS = frozenset(["left", "right", "clockwise", "counterclockwise", "anticlockwise", "east", "west", "turn"])
_ANGLE_WORDS = frozenset(["steering", "angle", "yaw", "heading", "bearing", "azimuth", "x", "horizontal"])


def is_directional(classes: Iterable[str]) -> bool:
    """Whether a horizontal flip would change a class: digits, letters, and words for sides."""
    names = [str(name).strip().lower() for name in classes]
    single = [name for name in names if len(name) == 1 or name.isdigit()]
    all_words = {word for name in names for word in words(name)}
    return len(single) > len(names) / 2 or bool(all_words & _SIDE_WORDS)


def is_angle(name: str) -> bool:
    """Whether a number would change its sign under a horizontal flip, by its name, such as a steering angle."""
    return bool(set(words(name)) & (_ANGLE_WORDS | _SIDE_WORDS))


def words(name: str) -> list[str]:
    """The words of a name in lower case; the same for front_left, "front left" and frontLeft."""
    return [word.lower() for word in re.findall(r"[A-Z]?[^\W\d_A-Z]+|[A-Z]+(?![a-z])|\d+", name)]
