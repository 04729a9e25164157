"""Settings that images and videos share; quantisation of pixels, with what it learns from a sample of the images."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Literal, NamedTuple

import numpy as np

from deepglass.constraints import Pixels
from deepglass.features._images import as_images, channel_axis, decode, map_images
from deepglass.features._reading import sample_rows, try_read
from deepglass.features.base import Feature, Raw, TypeGuess

SAMPLE = 512  # images that are decoded to learn size, channels, range and statistics
_MIN_SIDE = 4  # of images in an array of floats; less are steps of a few numbers
_NUM_CHECKED = 100  # rows of an array that are searched for negative numbers
CHUNK_SAMPLE = 128  # of these from one chunk, at most


@dataclass(frozen=True, kw_only=True)
class PixelFeature(Feature):
    """Size, channels, range and statistics of the pixels of a column of images or videos.

    Args:
        size: (rows, columns) that all images are resized to, 1 to 4096 each; None learns it: the common size, or the
            median, at most `max_side` on the longer side.
        mode: "grayscale", "rgb", or "auto": grayscale if all images of a sample are grey.
        size_: (rows, columns).
        channels_: C.
        levels_: the largest code: 255 for 8 bit, 65,535 for 16 bit.
        low_: raw value of code 0.
        high_: raw value of code `levels_`.
        mean_: mean code of each channel; fills a letterbox.
        std_: standard deviation of each channel's codes.
        background_: brightness behind transparent pixels, 0 (black) or 1 (white).
    """

    size: tuple[Pixels, Pixels] | None = None
    mode: Literal["auto", "grayscale", "rgb"] = "auto"
    size_: tuple[int, int] | None = None
    channels_: int | None = None
    levels_: int | None = None
    low_: float | None = None
    high_: float | None = None
    mean_: tuple[float, ...] | None = None
    std_: tuple[float, ...] | None = None
    background_: float | None = None

    file_based: ClassVar[bool] = True


class Range(NamedTuple):
    """Linear map of raw values from `low` to `high` to codes from 0 to `levels`."""

    low: float
    high: float
    levels: int


def channels_of(sample: Sequence[np.ndarray], mode: str) -> int:
    """Number of channels of a column, from the setting `mode` or the sample."""
    if mode != "auto":
        return 1 if mode == "grayscale" else 3
    depth = max(pixels.shape[2] for pixels in sample)
    if depth > 4 or (all(p.shape[2] == 4 for p in sample) and not any(_has_alpha(pixels) for pixels in sample)):
        return depth  # bands; where other images have fewer channels, a fourth is alpha
    coloured = (p.shape[2] >= 3 and bool((p[..., :1] != p[..., 1:3]).any()) for p in sample)
    return 3 if any(coloured) else 1


def _has_alpha(pixels: np.ndarray) -> bool:
    """Whether a fourth channel is alpha: mostly 0 or 1, which a band of a satellite image is not."""
    top = 1.0 if pixels.dtype.kind == "f" else np.iinfo(pixels.dtype).max
    return pixels.shape[2] == 4 and bool(np.isin(pixels[..., 3], (0, top)).mean() > 0.2)


def background_of(sample: Sequence[np.ndarray]) -> float:
    """The background of transparent pixels: 0 (black) where opaque ones are bright, else 1 (white)."""
    opaque = [p[..., :-1].mean(2)[p[..., -1] > 0] for p in sample if p.shape[2] in (2, 4)]
    values = np.concatenate(opaque) if opaque else np.zeros(1)
    top = 1.0 if sample[0].dtype.kind == "f" else np.iinfo(sample[0].dtype).max
    return 0.0 if values.size and values.mean() > 0.7 * top else 1.0


def range_of(sample: Sequence[np.ndarray]) -> Range:
    """The range of a column's raw values, from the sample; of a few images of fractions, from the others."""
    whole = [pixels for pixels in sample if pixels.dtype.kind == "u"]
    sample = whole if 2 * len(whole) >= len(sample) and whole else sample
    if all(pixels.dtype == np.uint8 for pixels in sample):
        return Range(0.0, 255.0, 255)
    if all(pixels.dtype.kind == "u" for pixels in sample):
        return Range(0.0, 65535.0, 65535)
    low, high = min(float(np.nanmin(p)) for p in sample), max(float(np.nanmax(p)) for p in sample)
    grey_levels = float(round(high)) if 1 < high <= 32 else 1.0  # images of few grey levels, such as 0 to 16
    for top, levels in ((grey_levels, int(grey_levels)), (255.0, 255), (1.0, 255)):
        if low >= 0 and high <= top and all(_are_integers(p * (levels / top)) for p in sample[:50]):
            return Range(0.0, top, levels)
    return Range(low, high if high > low else low + 1, 65535)


def _are_integers(values: np.ndarray) -> bool:
    return bool(np.nanmax(np.abs(values - np.round(values))) < 1e-3)


def code_dtype(levels: int) -> type[np.unsignedinteger]:
    """The smallest unsigned dtype for codes from 0 to `levels`."""
    return np.uint8 if levels <= 255 else np.uint16


def to_range(values: np.ndarray, value_range: Range) -> np.ndarray:
    """An image of fractions in the range of a column of whole numbers; other images unchanged.

    Values from 0 to 1 are shares of the largest number. Values beyond the range are scaled from their own to it.
    """
    is_whole = value_range.low == 0 and value_range.high == value_range.levels
    if values.dtype.kind != "f" or not is_whole or not np.isfinite(values).any():
        return values
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    if low >= 0 and high <= 1 and not _are_integers(values):
        return values * value_range.high
    if low >= 0 and high <= value_range.high:
        return values
    return (values - low) * (value_range.high / (high - low)) if high > low else np.clip(values, 0, value_range.high)


def quantize(values: np.ndarray, value_range: Range) -> np.ndarray:
    """Raw values as codes; missing ones as code 0."""
    dtype = code_dtype(value_range.levels)
    if values.dtype == dtype and value_range.high == np.iinfo(dtype).max:
        return values
    if values.dtype.kind == "u" and value_range.high in (255.0, 65535.0):  # 8 and 16 bit images in one column
        values = values * (value_range.high / np.iinfo(values.dtype).max)
    codes = (np.nan_to_num(values, nan=value_range.low) - value_range.low) * (
        value_range.levels / (value_range.high - value_range.low)
    )
    return np.clip(np.round(codes), 0, value_range.levels).astype(dtype)


def infer_array_type(array: np.ndarray) -> TypeGuess | None:
    """How well an array fits a column of images."""
    if array.ndim not in (3, 4) or array.dtype.kind not in "uf":
        return None
    if array.ndim == 4 and channel_axis(array.shape) is None:
        return None
    confidence = 0.95 if array.dtype in (np.uint8, np.uint16) else 0.5
    if array.ndim == 3 and array.dtype.kind == "f":
        rows, columns = array.shape[1:]
        if min(rows, columns) < _MIN_SIDE:
            return None
        if rows != columns and bool((array[:_NUM_CHECKED] < 0).any()):
            confidence = 0.4  # steps of several numbers are likelier
    return TypeGuess(confidence, f"an array of {array.dtype} with shape {array.shape}")


def sample_images(chunks: Iterable[Raw]) -> list[np.ndarray]:
    """Decoded images of a sample of each chunk; unreadable ones are left out."""
    sample: list[np.ndarray] = []
    for raw in chunks:
        items = as_images(raw)
        limit = min(SAMPLE - len(sample), CHUNK_SAMPLE if sample else SAMPLE)
        images = [items[i] for i in sample_rows(len(items), limit) if items[i] is not None]
        sample += [pixels for pixels in map_images(partial(try_read, decode), images) if pixels is not None]
    return sample


def median_size(shapes: Sequence[tuple[int, ...]], max_side: int) -> tuple[int, int]:
    """Median rows and columns of shapes (Y, X), scaled down to at most `max_side` on the longer side."""
    rows, columns = np.median(shapes, 0)
    scale = min(1.0, max_side / max(rows, columns))
    return max(round(rows * scale), 1), max(round(columns * scale), 1)
