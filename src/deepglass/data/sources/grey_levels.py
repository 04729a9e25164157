"""Grey masks whose classes are levels such as 0 and 255, also with soft edges or as JPEG, where values lie around them.

A level is a value of regions, while the values between levels lie on their edges. A mask of class indices has none of
this noise, and stays as it is.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image as Pillow

from deepglass.data.sources.base import ReadLog
from deepglass.errors import SourceError
from deepglass.features._images import BROKEN, RawImage, decode, map_images
from deepglass.features.base import Media
from deepglass.formatting import plain_percent

_DISTANCE = 20  # least distance of two levels
_SMOOTHED = 7  # values over which pixels are counted to find the levels, as JPEG spreads them
_MIN_SHARE = 0.001  # of all pixels that lie so near to a level
_FLAT = 6  # difference of a pixel within a region to those beside it
_NEAR, _MIN_NEAR, _MIN_FLAT_NEAR = 12, 0.75, 0.97  # distance from the levels, and the share of pixels within it
_MIN_EXACT = 0.6  # share of the pixels that have the value of a level
_MIN_REGION = 0.02  # share of the pixels around a level that lie within regions
_MIN_RUNS = 0.4  # runs of equal values in the rows for each pixel between the levels: regions have few
_MAX_VALLEY = 0.25  # pixels between two levels, relative to the smaller of them
_CLEAR_GAP = 40  # between values that are levels even if they are unevenly spaced; class indices are closer
_SNAP = 12  # levels as near to black and white are these
_MAX_CHROMA = 8  # difference of the channels of a grey JPEG
_MAX_READ = 200  # masks that are read to find the levels


class LevelMask(Media):
    """A mask of grey levels that reads as a PNG file of class indices."""

    levels: tuple[int, ...]
    classes: tuple[int, ...]

    def __new__(cls, name: str, path: Path, levels: Sequence[int], classes: Sequence[int]) -> LevelMask:
        mask = super().__new__(cls, name, path)
        mask.levels, mask.classes = tuple(levels), tuple(classes)
        return mask

    def read(self) -> bytes:
        try:
            grey = grey_values(Media(self.name, self.path))
        except SourceError as error:
            raise OSError(str(error).partition(": ")[2]) from error
        if grey is None:
            raise OSError("expected a mask in grey levels, as the other masks are, got colours")
        nearest = np.abs(np.arange(256)[:, None] - np.array(self.levels)).argmin(1)
        file = io.BytesIO()
        Pillow.fromarray(np.array(self.classes, np.uint8)[nearest][grey]).save(file, "PNG")
        return file.getvalue()


class GreyLevels(NamedTuple):
    """The levels of some masks: those in them, or those that their values lie around (`soft`)."""

    values: tuple[int, ...]
    soft: bool


def to_levels(masks: Sequence[Media], names: dict[int, str], log: ReadLog) -> Sequence[Media]:
    """The masks as class indices, if they are grey levels: each value as the nearest level.

    Args:
        names: class names by index; where there are as many as levels, a level is the index of its name.
    """
    sample = [masks[i] for i in np.unique(np.linspace(0, len(masks) - 1, min(len(masks), _MAX_READ)).astype(int))]
    total = sum((c for c in map_images(count_greys, sample) if c is not None), np.zeros((3, 256), np.int64))
    levels, counts = find_levels(total), total[0]
    if levels is None:
        return masks
    named = len(names) == len(levels.values) and not set(levels.values) <= set(names)
    if not levels.soft and not named:
        return masks
    classes = sorted(names) if named else levels.values
    listed = ", ".join(map(str, levels.values))
    if levels.soft:
        between = 1 - counts[list(levels.values)].sum() / counts.sum()
        log.note(
            "soft masks",
            f"levels {listed}",
            f"{plain_percent(between)} of the pixels lie between them: the nearest counts",
        )
    if named:
        log.note("levels", listed, "in the order of the class names")
    return [LevelMask(media.name, media.path, levels.values, classes) for media in masks]


def find_levels(greys: np.ndarray) -> GreyLevels | None:
    """The levels of masks; None for class indices, and for photographs.

    Shapes:
        greys: (3, 256), as `count_greys` returns it.
    """
    counts, runs, flat = greys
    values, total = np.flatnonzero(counts), int(counts.sum())
    if len(values) < 2:
        return None
    if are_levels(values.tolist()):
        return GreyLevels(tuple(values.tolist()), soft=False)
    peaks = _peaks(counts)
    peaks = [v for v in peaks if v in (peaks[0], peaks[-1]) or _is_region(v, counts, flat)]
    near = np.zeros(256, bool)
    for peak in peaks:
        near[max(peak - _NEAR, 0) : peak + _NEAR + 1] = True
    between = np.delete(np.arange(256), peaks)
    if len(peaks) < 2 or counts[near].sum() < _MIN_NEAR * total or counts[peaks].sum() < _MIN_EXACT * total:
        return None
    if flat[near].sum() < _MIN_FLAT_NEAR * flat.sum():
        return None
    if runs[between].sum() < _MIN_RUNS * counts[between].sum():
        return None  # regions of one value: classes
    top = peaks[-1]
    if np.count_nonzero(counts[max(top - _DISTANCE, 0) : top + _DISTANCE + 1]) < 2:
        return None  # no noise around it, as at the ignored value 255 of class indices
    snapped = [0 if v <= _SNAP else 255 if v >= 255 - _SNAP else v for v in peaks]
    even = [round(255 * i / (len(snapped) - 1) + 1e-3) for i in range(len(snapped))]  # 0, 128 and 255
    is_even = max(abs(v - e) for v, e in zip(snapped, even, strict=True)) <= _SNAP // 2
    return GreyLevels(tuple(even if is_even else snapped), soft=True)


def _peaks(counts: np.ndarray) -> list[int]:
    """Values around which most pixels lie, in ascending order, with few between them."""
    smooth = np.convolve(counts, np.ones(_SMOOTHED), "same")
    peaks: list[int] = []
    for value in np.argsort(-smooth, kind="stable").tolist():
        if smooth[value] < _MIN_SHARE * counts.sum():
            break
        if all(abs(value - peak) > _DISTANCE for peak in peaks):
            around = slice(max(value - _SMOOTHED // 2, 0), value + _SMOOTHED // 2 + 1)
            peaks.append(around.start + int(counts[around].argmax()))
    peaks.sort()
    i = 0
    while i + 1 < len(peaks):
        smaller = min(peaks[i : i + 2], key=lambda peak: smooth[peak])
        if smooth[peaks[i] : peaks[i + 1] + 1].min() > _MAX_VALLEY * smooth[smaller]:
            peaks.remove(smaller)
            i = 0
        else:
            i += 1
    return peaks


def _is_region(value: int, counts: np.ndarray, flat: np.ndarray) -> bool:
    """Whether pixels around a value lie within regions too, and not only on the edges between others."""
    around = slice(value - _SMOOTHED // 2, value + _SMOOTHED // 2 + 1)
    return bool(flat[around].sum() >= _MIN_REGION * counts[around].sum())


def are_levels(values: Sequence[int]) -> bool:
    """Whether values up to 255 are grey levels, such as 0, 128 and 255, rather than class indices."""
    ordered = np.array(sorted(values))
    if len(ordered) < 2 or ordered[-1] != 255:
        return False
    even = np.linspace(0, 255, len(ordered))
    return bool(np.diff(ordered).min() >= _CLEAR_GAP or (len(ordered) <= 32 and np.abs(ordered - even).max() <= 2))


def count_greys(image: RawImage) -> np.ndarray | None:
    """Counts of each value of a grey image, (3, 256): its pixels, its runs in rows, its pixels within regions.

    None for other images.
    """
    try:
        grey = grey_values(image)
    except (SourceError, *BROKEN):
        return None
    if grey is None:
        return None
    starts = np.concatenate([grey[:, :1].ravel(), grey[:, 1:][grey[:, 1:] != grey[:, :-1]]])
    values = grey.ravel(), starts, grey[is_flat(grey[..., None])]
    return np.stack([np.bincount(v, minlength=256) for v in values])


def is_flat(pixels: np.ndarray) -> np.ndarray:
    """Which pixels (Y, X) of an image (Y, X, C) uint8 are within a region: like those above, below, left and right."""
    flat = np.ones(pixels.shape[:2], bool)
    for axis in (0, 1):
        same = np.abs(np.diff(pixels.astype(np.int16), axis=axis)).max(2) <= _FLAT
        lines = np.moveaxis(flat, axis, 0)
        lines[:-1] &= np.moveaxis(same, axis, 0)
        lines[1:] &= np.moveaxis(same, axis, 0)
    return flat


def grey_values(image: RawImage) -> np.ndarray | None:
    """The values (Y, X) uint8 of a grey image; None if it is coloured or has another depth."""
    pixels = decode(image)
    if pixels.dtype != np.uint8:
        return None
    colours = pixels[..., :-1] if pixels.shape[2] in (2, 4) else pixels
    if colours.shape[2] > 1 and np.ptp(colours.astype(np.int16), axis=2).max() > _MAX_CHROMA:
        return None
    return colours[..., 0]
