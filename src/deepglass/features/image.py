"""Pictures: files of any common kind, arrays, or paths in a table.

A picture stays bytes until it is in the network: `encode` decodes, turns, converts and resizes; `prepare` is the first
layer of the encoder. All pictures of a column have one size, learned from the training rows; one of another shape is
shrunk to fit and the rest is filled with the mean colour (letterbox).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple, cast

import numpy as np
import polars as pl
from PIL import Image as Pillow

from deepglass.errors import SourceError, SpecError
from deepglass.features._pictures import (
    ENDINGS,
    Picture,
    channel_axis,
    channels_last,
    check,
    decode,
    decode_sized,
    each,
    frames,
    pictures,
    resize,
    with_channels,
)
from deepglass.features._room import room
from deepglass.features.base import Column, Feature, Guess, Media, Raw, sequence_of

if TYPE_CHECKING:
    from torch import nn

LONGEST_SIDE = 128  # where nobody states a size; larger pictures rarely pay for their time
SAMPLE = 512  # pictures that are decoded to learn size, colour, range and statistics
CHUNK = 4096  # pictures that are decoded before they are put in their place
CHUNK_SAMPLE = 128  # of these at most so many from one chunk


@dataclass(frozen=True, kw_only=True)
class Image(Feature):
    """A picture, grey or in colour.

    Args:
        size: (rows, columns) that all pictures are brought to; None learns it: their own size when they share one,
            else the median, at most 128 on the longer side.
        colour: "grey", "rgb", or "auto": grey where all of a sample are.
        size_: the size in use.
        channels_: C.
        levels_: the largest code: 255 for bytes, 65,535 for 16 bit.
        low_: the raw value of code 0.
        high_: the raw value of code `levels_`.
        mean_: mean code of each channel, which is also what a letterbox is filled with.
        std_: standard deviation of each channel's codes.
        background_: what shows through transparent pixels, 0 black or 1 white.

    Shapes:
        encoded: (N, C, Y, X) uint8 or uint16.

    Example:
        >>> feature = Image(name="digit").fit([np.zeros((10, 28, 28), np.uint8)])
        >>> feature.encode(np.zeros((2, 28, 28), np.uint8)).values.shape
        (2, 1, 28, 28)
    """

    size: tuple[int, int] | None = None
    colour: Literal["auto", "grey", "rgb"] = "auto"
    size_: tuple[int, int] | None = None
    channels_: int | None = None
    levels_: int | None = None
    low_: float | None = None
    high_: float | None = None
    mean_: tuple[float, ...] | None = None
    std_: tuple[float, ...] | None = None
    background_: float | None = None

    augments: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        where = f"inputs.{self.name}"
        if self.colour not in ("auto", "grey", "rgb"):
            raise SpecError("bad-value", f"{where}.colour: expected auto, grey or rgb, got {self.colour!r}")
        if self.size is not None and (len(self.size) != 2 or not all(1 <= s <= 4096 for s in self.size)):
            raise SpecError("bad-value", f"{where}.size: expected [rows, columns] from 1 to 4096, got {self.size!r}")

    @classmethod
    def recognise(cls, raw: Raw, name: str) -> Guess | None:
        if isinstance(raw, np.ndarray):
            return _recognise_array(raw)
        cells = [cell for cell in sequence_of(raw) if cell is not None]
        if not cells:
            return None
        if isinstance(raw, pl.Series):
            named = raw.dtype == pl.String and all(cell.lower().endswith(ENDINGS) for cell in cells)
            exist = named and any(Path(cell).is_file() for cell in cells[:20])
            return Guess(0.9, "each cell is the path of a picture") if exist else None
        if all(isinstance(cell, Pillow.Image) for cell in cells):
            return Guess(1.0, "decoded pictures")
        names = [(cell.member or cell.path.name).lower() if isinstance(cell, Media) else "" for cell in cells]
        return Guess(1.0, "each file is a picture") if all(n.endswith(ENDINGS) for n in names) else None

    def fit(self, chunks: Iterable[Raw]) -> Image:
        """Learn size, colour, range and statistics from a sample of the pictures.

        Raises:
            SourceError: `no-rows` when none of them can be read.
        """
        sample = _sample(chunks)
        if not sample:
            raise SourceError("no-rows", f"{self.name}: there is no readable picture to learn from")
        scope = _range(sample)
        channels = _channels(sample, self.colour)
        known = replace(
            self,
            size_=cast(tuple[int, int], tuple(self.size or _size(sample))),
            channels_=channels,
            levels_=scope.levels,
            low_=scope.low,
            high_=scope.high,
            background_=_background(sample),
        )
        codes = np.concatenate([known._codes(pixels).reshape(channels, -1) for pixels in sample], 1).astype(np.float64)
        std = np.maximum(codes.std(1), scope.levels / 1000)  # else a constant channel is blown up
        return replace(known, mean_=tuple(map(float, codes.mean(1))), std_=tuple(map(float, std)))

    def encode(self, raw: Raw) -> Column:
        """Decode, turn, convert and resize.

        Raises:
            SourceError: `not-found`, `unreadable-image` or `too-large`, naming the file.
        """
        if isinstance(raw, np.ndarray) and channels_last(raw[:0]).shape[1:] == (*self.size_, self.channels_):
            return self._encode_array(channels_last(raw))
        items = pictures(raw)
        mask = np.array([item is not None for item in items], bool)
        values = room((len(items), self.channels_, *self.size_), _dtype(self.levels_))
        frame = np.tile(np.array([0, 0, *self.size_, *self.size_], np.float32), (len(items), 1))
        rows = np.flatnonzero(mask)
        if len(rows):
            for some in np.array_split(rows, math.ceil(len(rows) / CHUNK)):
                encoded = each(self._encode_one, [items[int(i)] for i in some])
                values[some] = [codes for codes, _ in encoded]
                frame[some] = [place for _, place in encoded]
        return Column(values, mask, None, frame)

    @property
    def row_bytes(self) -> int:
        return self.channels_ * math.prod(self.size_) * np.dtype(_dtype(self.levels_)).itemsize

    def unreadable(self, raw: Raw) -> dict[int, str]:
        if isinstance(raw, np.ndarray):
            return {}
        return {i: reason for i, reason in enumerate(each(check, pictures(raw))) if reason is not None}

    def notes(self, raw: Raw) -> dict[str, int]:
        if isinstance(raw, np.ndarray):
            return {}
        animated = sum(count > 1 for count in each(frames, pictures(raw)))
        return {"animated picture, of which the first frame is used": animated} if animated else {}

    def prepare(self, scale: str = "standard") -> nn.Module:
        from deepglass.nn.conv import PicturePrepare

        ones, half = np.ones(self.channels_), self.levels_ / 2
        scales: dict[str, tuple[Iterable[float], Iterable[float]]] = {
            "standard": (self.mean_, self.std_),
            "unit": (0 * ones, self.levels_ * ones),
            "signed": (half * ones, half * ones),
        }
        shift, size = scales[scale]
        return PicturePrepare(list(map(float, shift)), list(map(float, size)))

    def encoder(self, dim: int) -> nn.Module:
        from deepglass.nn.conv import PictureEncoder

        return PictureEncoder(self.prepare(), self.channels_, dim, self.size_)

    def _encode_array(self, array: np.ndarray) -> Column:
        """The short way for arrays that need neither resizing nor another number of channels."""
        missing = np.isnan(array).all((1, 2, 3)) if array.dtype.kind == "f" else np.zeros(len(array), bool)
        values = _quantise(array, _Range(self.low_, self.high_, self.levels_)).transpose(0, 3, 1, 2)
        frame = np.tile(np.array([0, 0, *self.size_, *self.size_], np.float32), (len(array), 1))
        return Column(np.ascontiguousarray(values), ~missing, None, frame)

    def _encode_one(self, picture: Picture) -> tuple[np.ndarray, tuple[int, ...]]:
        """Codes, and where what is seen stands in them, as `Column.frame` has it."""
        pixels, size = decode_sized(picture, near=self.size_)
        codes = self._codes(pixels)
        inner = codes.shape[1:]
        top, left = ((whole - part) // 2 for whole, part in zip(self.size_, inner, strict=True))
        return self._letterbox(codes), (top, left, *inner, *size)

    def _codes(self, pixels: np.ndarray) -> np.ndarray:
        """The pixels of one picture as codes (C, <= Y, <= X), shrunk or grown to touch two borders."""
        pixels = with_channels(pixels, self.channels_, self.background_)
        scale = min(self.size_[0] / pixels.shape[0], self.size_[1] / pixels.shape[1])
        inner = tuple(max(round(side * scale), 1) for side in pixels.shape[:2])
        if all(a > 0.9 * b for a, b in zip(inner, self.size_, strict=True)):
            inner = self.size_  # so small a stretch does less harm than a border
        return _quantise(resize(pixels, inner), _Range(self.low_, self.high_, self.levels_)).transpose(2, 0, 1)

    def _letterbox(self, codes: np.ndarray) -> np.ndarray:
        """Codes (C, <= Y, <= X) in the middle of a picture of the mean colour, (C, Y, X)."""
        if codes.shape[1:] == self.size_:
            return codes
        out = np.empty((self.channels_, *self.size_), codes.dtype)
        out[:] = np.round(self.mean_).astype(codes.dtype)[:, None, None]
        top, left = ((whole - part) // 2 for whole, part in zip(self.size_, codes.shape[1:], strict=True))
        out[:, top : top + codes.shape[1], left : left + codes.shape[2]] = codes
        return out


class _Range(NamedTuple):
    """Raw values from `low` to `high` as codes from 0 to `levels`."""

    low: float
    high: float
    levels: int


def _recognise_array(array: np.ndarray) -> Guess | None:
    if array.ndim not in (3, 4) or array.dtype.kind not in "uf":
        return None
    if array.ndim == 4 and channel_axis(array.shape) is None:
        return None
    return Guess(
        0.95 if array.dtype in (np.uint8, np.uint16) else 0.5, f"an array of {array.dtype} with shape {array.shape}"
    )


def _sample(chunks: Iterable[Raw]) -> list[np.ndarray]:
    sample: list[np.ndarray] = []
    for raw in chunks:
        items = pictures(raw)
        room = min(SAMPLE - len(sample), CHUNK_SAMPLE if sample else SAMPLE, len(items))
        rows = np.unique(np.linspace(0, len(items) - 1, room).astype(int))
        decoded = each(_decode_or_none, [items[int(i)] for i in rows])
        sample += [pixels for pixels in decoded if pixels is not None]
    return sample


def _decode_or_none(picture: Picture) -> np.ndarray | None:
    try:
        return None if picture is None else decode(picture)
    except SourceError:  # counted and named by `unreadable`
        return None


def _size(sample: Sequence[np.ndarray]) -> tuple[int, int]:
    rows, columns = np.median([pixels.shape[:2] for pixels in sample], 0)
    shrink = min(1.0, LONGEST_SIDE / max(rows, columns))
    return max(round(rows * shrink), 1), max(round(columns * shrink), 1)


def _channels(sample: Sequence[np.ndarray], colour: str) -> int:
    if colour != "auto":
        return 1 if colour == "grey" else 3
    most = max(pixels.shape[2] for pixels in sample)
    if most > 4 or (most == 4 and not any(_has_alpha(pixels) for pixels in sample)):
        return most
    coloured = (p.shape[2] >= 3 and bool((p[..., :1] != p[..., 1:3]).any()) for p in sample)
    return 3 if any(coloured) else 1


def _has_alpha(pixels: np.ndarray) -> bool:
    """Whether a fourth channel is an alpha: mostly all or nothing, which a band of a satellite picture is not."""
    top = 1.0 if pixels.dtype.kind == "f" else np.iinfo(pixels.dtype).max
    return pixels.shape[2] == 4 and bool(np.isin(pixels[..., 3], (0, top)).mean() > 0.2)


def _background(sample: Sequence[np.ndarray]) -> float:
    """Black where what is not transparent is bright, so that white drawings do not vanish; else white."""
    shown = [p[..., :-1].mean(2)[p[..., -1] > 0] for p in sample if p.shape[2] in (2, 4)]
    bright = np.concatenate(shown) if shown else np.zeros(1)
    top = 1.0 if sample[0].dtype.kind == "f" else np.iinfo(sample[0].dtype).max
    return 0.0 if bright.size and bright.mean() > 0.7 * top else 1.0


def _range(sample: Sequence[np.ndarray]) -> _Range:
    if all(pixels.dtype == np.uint8 for pixels in sample):
        return _Range(0.0, 255.0, 255)
    if all(pixels.dtype.kind == "u" for pixels in sample):
        return _Range(0.0, 65535.0, 65535)
    low, high = min(float(np.nanmin(p)) for p in sample), max(float(np.nanmax(p)) for p in sample)
    few = float(round(high)) if 1 < high <= 32 else 1.0  # few grey levels, such as 0 to 16
    for top, levels in ((few, int(few)), (255.0, 255), (1.0, 255)):
        if low >= 0 and high <= top and all(_whole(p * (levels / top)) for p in sample[:50]):
            return _Range(0.0, top, levels)
    return _Range(low, high if high > low else low + 1, 65535)


def _whole(values: np.ndarray) -> bool:
    return bool(np.nanmax(np.abs(values - np.round(values))) < 1e-3)


def _dtype(levels: int) -> type[np.unsignedinteger]:
    return np.uint8 if levels <= 255 else np.uint16


def _quantise(values: np.ndarray, scope: _Range) -> np.ndarray:
    dtype = _dtype(scope.levels)
    if values.dtype == dtype and scope.high == np.iinfo(dtype).max:
        return values
    if values.dtype.kind == "u" and scope.high in (255.0, 65535.0):  # 8 and 16 bit pictures side by side
        values = values * (scope.high / np.iinfo(values.dtype).max)
    codes = (np.nan_to_num(values, nan=scope.low) - scope.low) * (scope.levels / (scope.high - scope.low))
    return np.clip(np.round(codes), 0, scope.levels).astype(dtype)
