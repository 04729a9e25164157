"""Pictures: files of any common kind, arrays, or paths in a table.

An image stays bytes until it is in the network: `encode` decodes, turns, converts and resizes; `normalizer` is the
first layer of the encoder. All images of a column have one size, learned from the training rows; one of another shape
is shrunk to fit and the rest is filled with the mean colour (letterbox).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, Self, cast
from zlib import crc32

import numpy as np
import polars as pl
from PIL import Image as Pillow

from deepglass.errors import SourceError, SpecError
from deepglass.features._allocate import room
from deepglass.features._images import (
    ENDINGS,
    Picture,
    channels_last,
    check,
    decode_sized,
    each,
    frames,
    letterbox,
    pictures,
    resize,
    to_pixels,
    with_channels,
)
from deepglass.features._quantize import (
    Range,
    background_of,
    channels_of,
    code_dtype,
    infer_array_type,
    quantise,
    range_of,
    sample_of,
    size_of,
)
from deepglass.features.base import (
    Column,
    Feature,
    Media,
    Raw,
    TypeGuess,
    sequence_of,
)

if TYPE_CHECKING:
    from torch import nn

    from deepglass.nn.tokens import Field
    from deepglass.nn.warp import Warp

LONGEST_SIDE = 128  # where nobody states a size; larger pictures rarely pay for their time
CHUNK = 4096  # pictures that are decoded before they are put in their place


@dataclass(frozen=True, kw_only=True)
class Image(Feature):
    """A picture, grey or in colour.

    Args:
        size: (rows, columns) that all pictures are brought to; None learns it: their own size when they share one,
            else the median, at most `max_side` on the longer side.
        max_side: length limit of the longer side in pixels, where no size is given.
        colour: "grey", "rgb", or "auto": grey where all of a sample are.
        input_noise_std: standard deviation of Gaussian noise added to an input, as a share of the value range; an
            output of the same column stays clean. The noise of an image is the same each time, also in prediction.
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
    max_side: int = LONGEST_SIDE
    colour: Literal["auto", "grey", "rgb"] = "auto"
    input_noise_std: float = 0.0
    size_: tuple[int, int] | None = None
    channels_: int | None = None
    levels_: int | None = None
    low_: float | None = None
    high_: float | None = None
    mean_: tuple[float, ...] | None = None
    std_: tuple[float, ...] | None = None
    background_: float | None = None

    dense: ClassVar[bool] = True
    is_image: ClassVar[bool] = True
    file_based: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        where = f"inputs.{self.name}"
        if self.colour not in ("auto", "grey", "rgb"):
            raise SpecError("bad-value", f"{where}.colour: expected auto, grey or rgb, got {self.colour!r}")
        if self.size is not None and (len(self.size) != 2 or not all(1 <= s <= 4096 for s in self.size)):
            raise SpecError("bad-value", f"{where}.size: expected [rows, columns] from 1 to 4096, got {self.size!r}")
        if not 1 <= self.max_side <= 4096:
            raise SpecError("bad-value", f"{where}.max_side: expected 1 to 4096 pixels, got {self.max_side!r}")
        if not 0 <= self.input_noise_std <= 1:
            raise SpecError(
                "bad-value",
                f"{where}.input_noise_std: expected a share of the range from 0 to 1, got {self.input_noise_std!r}",
            )

    @classmethod
    def infer_type(cls, raw: Raw, name: str) -> TypeGuess | None:
        if isinstance(raw, np.ndarray):
            return infer_array_type(raw)
        cells = [cell for cell in sequence_of(raw) if cell is not None]
        if not cells:
            return None
        if isinstance(raw, pl.Series):
            named = raw.dtype == pl.String and all(cell.lower().endswith(ENDINGS) for cell in cells)
            exist = named and any(Path(cell).is_file() for cell in cells[:20])
            return TypeGuess(0.9, "each cell is the path of a picture") if exist else None
        if all(isinstance(cell, Pillow.Image) for cell in cells):
            return TypeGuess(1.0, "decoded pictures")
        names = [(cell.member or cell.path.name).lower() if isinstance(cell, Media) else "" for cell in cells]
        return TypeGuess(1.0, "each file is a picture") if all(n.endswith(ENDINGS) for n in names) else None

    def fit(self, chunks: Iterable[Raw]) -> Self:
        """Learn size, colour, range and statistics from a sample of the pictures.

        Raises:
            SourceError: `no-rows` when none of them can be read.
        """
        sample = sample_of(chunks)
        if not sample:
            raise SourceError("no-rows", f"{self.name}: there is no readable picture to learn from")
        scope = range_of(sample)
        channels = channels_of(sample, self.colour)
        known = replace(
            self,
            size_=cast(tuple[int, int], tuple(self.size or size_of(sample, self.max_side))),
            channels_=channels,
            levels_=scope.levels,
            low_=scope.low,
            high_=scope.high,
            background_=background_of(sample),
        )
        codes = np.concatenate([known._codes(pixels).reshape(channels, -1) for pixels in sample], 1).astype(np.float64)
        std = np.maximum(codes.std(1), scope.levels / 1000)  # else a constant channel is blown up
        return replace(known, mean_=tuple(map(float, codes.mean(1))), std_=tuple(map(float, std)))

    @property
    def cell_axes(self) -> int:
        return 2  # an array of a colour image cannot be told from several grey ones

    def encode(self, raw: Raw) -> Column:
        """Decode, turn, convert and resize.

        Raises:
            SourceError: `not-found`, `unreadable-image` or `too-large`, naming the file.
        """
        if isinstance(raw, np.ndarray) and channels_last(raw[:0]).shape[1:] == (*self.size_, self.channels_):
            column = self._encode_array(channels_last(raw))
            return self._with_noise(replace(column, values=column.values.copy()) if self.input_noise_std else column)
        items = pictures(raw)
        mask = np.array([item is not None for item in items], bool)
        values = room((len(items), self.channels_, *self.size_), code_dtype(self.levels_))
        frame = np.tile(np.array([0, 0, *self.size_, *self.size_], np.float32), (len(items), 1))
        rows = np.flatnonzero(mask)
        if len(rows):
            for some in np.array_split(rows, math.ceil(len(rows) / CHUNK)):
                encoded = each(self._encode_one, [items[int(i)] for i in some])
                values[some] = [codes for codes, _ in encoded]
                frame[some] = [place for _, place in encoded]
        return self._with_noise(Column(values, mask, None, frame))

    def pixels(self, codes: np.ndarray) -> np.ndarray:
        return to_pixels(codes, self.levels_ or 255)

    @property
    def row_bytes(self) -> int:
        return self.channels_ * math.prod(self.size_) * np.dtype(code_dtype(self.levels_)).itemsize

    def unreadable(self, raw: Raw) -> dict[int, str]:
        if isinstance(raw, np.ndarray):
            return {}
        return {i: reason for i, reason in enumerate(each(check, pictures(raw))) if reason is not None}

    def count_anomalies(self, raw: Raw) -> dict[str, int]:
        if isinstance(raw, np.ndarray):
            return {}
        animated = sum(count > 1 for count in each(frames, pictures(raw)))
        return {"animated picture, of which the first frame is used": animated} if animated else {}

    def normalizer(self, scale: str = "standard") -> nn.Module:
        from deepglass.nn.conv import ImageNormalizer

        ones, half = np.ones(self.channels_), self.levels_ / 2
        scales: dict[str, tuple[Iterable[float], Iterable[float]]] = {
            "standard": (self.mean_, self.std_),
            "unit": (0 * ones, self.levels_ * ones),
            "signed": (half * ones, half * ones),
        }
        shift, size = scales[scale]
        return ImageNormalizer(list(map(float, shift)), list(map(float, size)))

    def encoder(self, dim: int) -> nn.Module:
        from deepglass.nn.conv import ImageEncoder

        return ImageEncoder(self.normalizer(), self.channels_, dim, self.size_)

    def warp(self, field: Field, map: Warp) -> Field:
        from deepglass.nn.warp import warp

        return field._replace(values=warp(field.values, map))

    # -- pieces ------------------------------------------------------------------------------------------------

    def _with_noise(self, column: Column) -> Column:
        if not self.input_noise_std:
            return column
        for codes in column.values:
            random = np.random.default_rng(crc32(codes.tobytes()))
            noisy = codes + random.normal(0, self.input_noise_std * self.levels_, codes.shape)
            codes[:] = np.clip(np.round(noisy), 0, self.levels_)
        return column

    def _encode_array(self, array: np.ndarray) -> Column:
        """The short way for arrays that need neither resizing nor another number of channels."""
        missing = np.isnan(array).all((1, 2, 3)) if array.dtype.kind == "f" else np.zeros(len(array), bool)
        values = quantise(array, Range(self.low_, self.high_, self.levels_)).transpose(0, 3, 1, 2)
        frame = np.tile(np.array([0, 0, *self.size_, *self.size_], np.float32), (len(array), 1))
        return Column(np.ascontiguousarray(values), ~missing, None, frame)

    def _encode_one(self, picture: Picture) -> tuple[np.ndarray, tuple[int, ...]]:
        """Codes, and where what is seen stands in them, as `Column.letterbox` has it."""
        pixels, size = decode_sized(picture, near=self.size_)
        codes = self._codes(pixels, picture)
        top, left, *inner = letterbox(pixels.shape, self.size_)
        return self._letterbox(codes), (top, left, *inner, *size)

    def _codes(self, pixels: np.ndarray, picture: Picture = None) -> np.ndarray:
        """The pixels of one picture as codes (C, <= Y, <= X), shrunk or grown to touch two borders."""
        pixels = with_channels(pixels, self.channels_, self.background_, picture)
        _top, _left, *inner = letterbox(pixels.shape, self.size_)
        return quantise(resize(pixels, (inner[0], inner[1])), Range(self.low_, self.high_, self.levels_)).transpose(
            2, 0, 1
        )

    def _letterbox(self, codes: np.ndarray) -> np.ndarray:
        """Codes (C, <= Y, <= X) in the middle of a picture of the mean colour, (C, Y, X)."""
        if codes.shape[1:] == self.size_:
            return codes
        out = np.empty((self.channels_, *self.size_), codes.dtype)
        out[:] = np.round(self.mean_).astype(codes.dtype)[:, None, None]
        top, left, *_inner = letterbox(codes.shape[1:], self.size_)
        out[:, top : top + codes.shape[1], left : left + codes.shape[2]] = codes
        return out
