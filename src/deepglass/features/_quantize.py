"""What is learned from a sample of a column's pictures: size, channels, and the range of values that become codes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from deepglass.errors import SourceError
from deepglass.features._images import Picture, channel_axis, decode, each, pictures
from deepglass.features.base import Raw, TypeGuess

SAMPLE = 512  # pictures that are decoded to learn size, colour, range and statistics
CHUNK_SAMPLE = 128  # of these at most so many from one chunk


class Range(NamedTuple):
    """Raw values from `low` to `high` as codes from 0 to `levels`."""

    low: float
    high: float
    levels: int


def channels_of(sample: Sequence[np.ndarray], colour: str) -> int:
    if colour != "auto":
        return 1 if colour == "grey" else 3
    most = max(pixels.shape[2] for pixels in sample)
    if most > 4 or (all(p.shape[2] == 4 for p in sample) and not any(_has_alpha(pixels) for pixels in sample)):
        return most  # bands; among pictures of fewer channels a fourth can only be an alpha
    coloured = (p.shape[2] >= 3 and bool((p[..., :1] != p[..., 1:3]).any()) for p in sample)
    return 3 if any(coloured) else 1


def _has_alpha(pixels: np.ndarray) -> bool:
    """Whether a fourth channel is an alpha: mostly all or nothing, which a band of a satellite picture is not."""
    top = 1.0 if pixels.dtype.kind == "f" else np.iinfo(pixels.dtype).max
    return pixels.shape[2] == 4 and bool(np.isin(pixels[..., 3], (0, top)).mean() > 0.2)


def background_of(sample: Sequence[np.ndarray]) -> float:
    """Black where what is not transparent is bright, so that white drawings do not vanish; else white."""
    shown = [p[..., :-1].mean(2)[p[..., -1] > 0] for p in sample if p.shape[2] in (2, 4)]
    bright = np.concatenate(shown) if shown else np.zeros(1)
    top = 1.0 if sample[0].dtype.kind == "f" else np.iinfo(sample[0].dtype).max
    return 0.0 if bright.size and bright.mean() > 0.7 * top else 1.0


def range_of(sample: Sequence[np.ndarray]) -> Range:
    if all(pixels.dtype == np.uint8 for pixels in sample):
        return Range(0.0, 255.0, 255)
    if all(pixels.dtype.kind == "u" for pixels in sample):
        return Range(0.0, 65535.0, 65535)
    low, high = min(float(np.nanmin(p)) for p in sample), max(float(np.nanmax(p)) for p in sample)
    few = float(round(high)) if 1 < high <= 32 else 1.0  # few grey levels, such as 0 to 16
    for top, levels in ((few, int(few)), (255.0, 255), (1.0, 255)):
        if low >= 0 and high <= top and all(_whole(p * (levels / top)) for p in sample[:50]):
            return Range(0.0, top, levels)
    return Range(low, high if high > low else low + 1, 65535)


def _whole(values: np.ndarray) -> bool:
    return bool(np.nanmax(np.abs(values - np.round(values))) < 1e-3)


def code_dtype(levels: int) -> type[np.unsignedinteger]:
    return np.uint8 if levels <= 255 else np.uint16


def quantise(values: np.ndarray, scope: Range) -> np.ndarray:
    dtype = code_dtype(scope.levels)
    if values.dtype == dtype and scope.high == np.iinfo(dtype).max:
        return values
    if values.dtype.kind == "u" and scope.high in (255.0, 65535.0):  # 8 and 16 bit pictures side by side
        values = values * (scope.high / np.iinfo(values.dtype).max)
    codes = (np.nan_to_num(values, nan=scope.low) - scope.low) * (scope.levels / (scope.high - scope.low))
    return np.clip(np.round(codes), 0, scope.levels).astype(dtype)


def infer_array_type(array: np.ndarray) -> TypeGuess | None:
    """How well an array fits as pictures."""
    if array.ndim not in (3, 4) or array.dtype.kind not in "uf":
        return None
    if array.ndim == 4 and channel_axis(array.shape) is None:
        return None
    return TypeGuess(
        0.95 if array.dtype in (np.uint8, np.uint16) else 0.5, f"an array of {array.dtype} with shape {array.shape}"
    )


def sample_of(chunks: Iterable[Raw]) -> list[np.ndarray]:
    """Some pictures of each chunk, decoded; those that cannot be read are left out."""
    sample: list[np.ndarray] = []
    for raw in chunks:
        items = pictures(raw)
        room = min(SAMPLE - len(sample), CHUNK_SAMPLE if sample else SAMPLE, len(items))
        rows = np.unique(np.linspace(0, len(items) - 1, room).astype(int))
        decoded = each(_decoded_or_none, [items[int(i)] for i in rows])
        sample += [pixels for pixels in decoded if pixels is not None]
    return sample


def _decoded_or_none(picture: Picture) -> np.ndarray | None:
    try:
        return None if picture is None else decode(picture)
    except SourceError:  # counted and named by `unreadable`
        return None


def size_of(sample: Sequence[np.ndarray], longest: int) -> tuple[int, int]:
    """The median rows and columns, shrunk to at most `longest` on the longer side."""
    rows, columns = np.median([pixels.shape[:2] for pixels in sample], 0)
    shrink = min(1.0, longest / max(rows, columns))
    return max(round(rows * shrink), 1), max(round(columns * shrink), 1)
