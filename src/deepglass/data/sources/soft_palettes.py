"""Palettes of coloured masks whose pixels lie around a few colours: JPEG files, and soft edges.

A colour of the palette is one of regions; colours that are mixed on their edges are in none. Photographs have too many
colours within regions.
"""

import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image as Pillow

from deepglass.data.sources.class_names import RGB
from deepglass.data.sources.grey_levels import is_flat
from deepglass.errors import SourceError
from deepglass.features._images import BROKEN, decode
from deepglass.features.base import Media

MAX_CLASSES = 64  # colours of a palette
FAR = 48  # Euclidean distance to the palette, beyond which a pixel is told as far
_NOISE = 16  # around a colour in a region; the classes of Cityscapes are 20 apart
_MIN_SHARE = 0.0005  # of the pixels within regions, of a class
_MAX_HALO, _HALO = 0.02, 40  # share and distance of noise beside a more frequent colour
_MIN_FLAT, _MIN_NEAR = 0.5, 0.97  # pixels within regions, and those of them that are around a colour of the palette
_SAME, _MIN_SAME = 5, 0.8  # difference to it, and the pixels within regions that are as near; of photographs half
_MIN_MIXED, _MIN_SHARE_MIXED = 8, 0.9  # colours beside the palette, and those of them that are mixed from two of it
_MAX_SIDE = 1024  # pixels of a mask that are searched for the palette
_ROUND = (0, 64, 128, 192, 255)  # values of common palettes
_ROUNDING = 3  # difference to them by JPEG


class SoftColourMask(Media):
    """A coloured mask that reads as a PNG file of class indices: each pixel has the class of the nearest colour."""

    colours: tuple[RGB, ...]

    def __new__(cls, name: str, path: Path, colours: Sequence[RGB]) -> "SoftColourMask":
        mask = super().__new__(cls, name, path)
        mask.colours = tuple(colours)
        return mask

    def read(self) -> bytes:
        try:
            pixels = _rgb(decode(Media(self.name, self.path)))
        except SourceError as error:
            raise OSError(str(error).partition(": ")[2]) from error
        colours, index = _distinct(pixels)
        nearest = _distances(colours, self.colours).argmin(1).astype(np.uint8)
        file = io.BytesIO()
        Pillow.fromarray(nearest[index].reshape(pixels.shape[:2])).save(file, "PNG")
        return file.getvalue()


def find_palette(masks: Iterable[Media]) -> list[RGB] | None:
    """The colours of the masks' regions in ascending order; None where no palette emerges, as in photographs."""
    pixels = flat = 0
    counts: dict[int, int] = {}
    for mask in masks:
        try:
            shown = _rgb(decode(mask))[:_MAX_SIDE, :_MAX_SIDE]
        except (SourceError, *BROKEN):
            continue
        within = shown[is_flat(shown)].astype(np.int64)
        pixels, flat = pixels + shown.shape[0] * shown.shape[1], flat + len(within)
        codes, numbers = np.unique(within @ [65_536, 256, 1], return_counts=True)
        for code, number in zip(codes.tolist(), numbers.tolist(), strict=True):
            counts[code] = counts.get(code, 0) + number
    if not flat or flat < _MIN_FLAT * pixels:
        return None
    peaks = _peaks(counts)
    if not peaks or sum(p.near for p in peaks) < _MIN_NEAR * flat or sum(p.same for p in peaks) < _MIN_SAME * flat:
        return None
    return sorted(_rounded(peak.colour) for peak in peaks)


def are_mixed(colours: np.ndarray, palette: Sequence[RGB]) -> bool:
    """Whether many colours of masks are mixed from two of the palette, as on soft edges.

    Shapes:
        colours: (n, 3), distinct.
    """
    points = np.array(palette, np.float64)
    others = colours[_distances(colours, palette).min(1) > 0].astype(np.float64)
    if len(points) < 2 or len(others) <= len(points) + _MIN_MIXED:
        return False
    first, second = np.triu_indices(len(points), 1)
    ends = points[second] - points[first]
    mixed = np.zeros(len(others), bool)
    for start, end in zip(points[first], ends, strict=True):
        share = ((others - start) @ end / (end @ end)).clip(0, 1)
        mixed |= np.abs(others - start - share[:, None] * end).max(1) <= _SAME
    return bool(mixed.mean() >= _MIN_SHARE_MIXED)


def count_far(masks: Iterable[Media], palette: Sequence[RGB]) -> tuple[int, int]:
    """Pixels that are far from every colour of the palette, and all pixels."""
    far = pixels = 0
    for mask in masks:
        try:
            shown = _rgb(decode(mask))
        except (SourceError, *BROKEN):
            continue
        colours, index = _distinct(shown)
        is_far = _distances(colours, palette).min(1) > FAR**2
        far, pixels = far + int(is_far[index].sum()), pixels + index.size
    return far, pixels


class _Peak(NamedTuple):
    """A frequent colour, and the pixels that are around it, and those that have almost the same colour."""

    colour: RGB
    near: int
    same: int


def _peaks(counts: dict[int, int]) -> list[_Peak]:
    """The most frequent colours; none with more than there can be classes."""
    order = sorted(counts, key=lambda code: (-counts[code], code))
    colours = np.array([(code >> 16, code >> 8 & 255, code & 255) for code in order])
    numbers = np.array([counts[code] for code in order])
    free = np.ones(len(order), bool)
    least = max(_MIN_SHARE * numbers.sum(), 4)
    peaks: list[_Peak] = []
    while free.any():
        first = int(free.argmax())
        around = free & (np.abs(colours - colours[first]).max(1) <= _NOISE)
        near = int(numbers[around].sum())
        if near < least or numbers[first] < least / 4:
            break
        free &= ~around
        mean = np.rint(np.average(colours[around], axis=0, weights=numbers[around])).astype(int)
        beside = [peak.near for peak in peaks if np.abs(np.array(peak.colour) - mean).max() <= _HALO]
        if near < _MAX_HALO * max(beside, default=0):
            continue
        same = int(numbers[around & (np.abs(colours - mean).max(1) <= _SAME)].sum())
        peaks.append(_Peak(RGB(*mean.tolist()), near, same))
        if len(peaks) > MAX_CLASSES:
            return []
    return peaks


def _rounded(colour: RGB) -> RGB:
    """The colour of a common palette that JPEG has changed by a few levels."""
    return RGB(*(next((r for r in _ROUND if abs(r - value) <= _ROUNDING), value) for value in colour))


def _rgb(pixels: np.ndarray) -> np.ndarray:
    """Pixels (Y, X, 3) of an image (Y, X, C)."""
    return pixels[..., :3] if pixels.shape[2] >= 3 else pixels[..., [0, 0, 0]]


def _distinct(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The distinct colours (n, 3), and of each pixel (Y * X) the index of its colour."""
    places = np.array([65_536, 256, 1], np.int64)
    codes, index = np.unique(pixels.reshape(-1, 3).astype(np.int64) @ places, return_inverse=True)
    return np.stack([codes >> 16, codes >> 8 & 255, codes & 255], axis=1), index


def _distances(colours: np.ndarray, palette: Sequence[RGB]) -> np.ndarray:
    """Squared distances (n, K) of colours to those of a palette."""
    return np.stack([((colours - np.array(colour)) ** 2).sum(1) for colour in palette], axis=1)
