"""Images: files, arrays, Pillow images, or paths in a table.

`encode` decodes and resizes to unsigned integers; `normalizer`, the first layer of the encoder, makes floats of them.
All images of a column have one size, learned from the training rows; images of another shape are letterboxed with the
mean colour.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self, cast
from zlib import crc32

import numpy as np
import polars as pl
from PIL import Image as Pillow

from deepglass.constraints import Pixels, Share
from deepglass.errors import SourceError
from deepglass.features._images import (
    RawImage,
    as_images,
    channels_last,
    count_frames,
    decode,
    decode_sized,
    full_frames,
    holds_fractions,
    letterbox,
    map_images,
    resize,
    to_pixels,
    with_channels,
)
from deepglass.features._quantize import (
    PixelFeature,
    Range,
    background_of,
    channels_of,
    code_dtype,
    infer_array_type,
    median_size,
    quantize,
    range_of,
    sample_images,
    to_range,
)
from deepglass.features._reading import IMAGES, allocate, read_errors
from deepglass.features._statistics import scaling
from deepglass.features.base import Column, Media, Raw, TypeGuess, sequence_of

if TYPE_CHECKING:
    from torch import nn

    from deepglass.nn.tokens import Field
    from deepglass.nn.warp import Warp

DEFAULT_MAX_SIDE = 128  # pixels; larger images rarely improve the metrics enough for their time
_FRACTIONS = "image of fractions among whole numbers, scaled to their range"
CHUNK = 4096  # images that are decoded before they are copied into the column


@dataclass(frozen=True, kw_only=True)
class Image(PixelFeature):
    """An image, grayscale, RGB or with more channels.

    Args:
        max_side: limit of the longer side in pixels where no size is given, 1 to 4096.
        input_noise_std: standard deviation of Gaussian noise added to an input, as a share of the value range, 0 to 1.
            The noise depends on the pixels alone, also in prediction; an output of the same column has none.

    Shapes:
        encoded: (N, C, Y, X) uint8 or uint16.

    Example:
        >>> feature = Image(name="digit").fit([np.zeros((10, 28, 28), np.uint8)])
        >>> feature.encode(np.zeros((2, 28, 28), np.uint8)).values.shape
        (2, 1, 28, 28)
    """

    max_side: Pixels = DEFAULT_MAX_SIDE
    input_noise_std: Share = 0.0

    parallel: ClassVar[tuple[str, ...]] = ("mean_", "std_")
    dense: ClassVar[bool] = True
    is_image: ClassVar[bool] = True

    @classmethod
    def infer_type(cls, raw: Raw, name: str) -> TypeGuess | None:
        if isinstance(raw, np.ndarray):
            return infer_array_type(raw)
        cells = [cell for cell in sequence_of(raw) if cell is not None]
        if not cells:
            return None
        if isinstance(raw, pl.Series):
            are_paths = raw.dtype == pl.String and all(cell.lower().endswith(IMAGES) for cell in cells)
            exists = are_paths and any(Path(cell).is_file() for cell in cells[:20])
            return TypeGuess(0.9, "each cell is the path of an image") if exists else None
        if all(isinstance(cell, Pillow.Image) for cell in cells):
            return TypeGuess(1.0, "Pillow images")
        names = [(cell.member or cell.path.name).lower() if isinstance(cell, Media) else "" for cell in cells]
        return TypeGuess(1.0, "each file is an image") if all(n.endswith(IMAGES) for n in names) else None

    def fit(self, chunks: Iterable[Raw]) -> Self:
        """Learn size, channels, range and statistics from a sample of the images.

        Raises:
            SourceError: `no-rows` when none of them can be read.
        """
        sample = sample_images(chunks)
        if not sample:
            raise SourceError("no-rows", f"{self.name}: no training row has a readable image")
        value_range = range_of(sample)
        channels = channels_of(sample, self.mode)
        fitted = replace(
            self,
            size_=cast(tuple[int, int], tuple(self.size or median_size([p.shape[:2] for p in sample], self.max_side))),
            channels_=channels,
            levels_=value_range.levels,
            low_=value_range.low,
            high_=value_range.high,
            background_=background_of(sample),
        )
        codes = np.concatenate([fitted._codes(pixels).reshape(channels, -1) for pixels in sample], 1).astype(np.float64)
        std = np.maximum(codes.std(1), value_range.levels / 1000)  # else a constant channel would be amplified
        return replace(fitted, mean_=tuple(map(float, codes.mean(1))), std_=tuple(map(float, std)))

    @property
    def cell_axes(self) -> int:
        return 2  # three axes are several grayscale images

    def encode(self, raw: Raw) -> Column:
        """Decode, convert and resize.

        Raises:
            SourceError: `not-found`, `unreadable-image` or `too-large`, naming the file.
        """
        if isinstance(raw, np.ndarray) and channels_last(raw[:0]).shape[1:] == (*self.size_, self.channels_):
            column = self._encode_array(channels_last(raw))
            return self._with_noise(replace(column, values=column.values.copy()) if self.input_noise_std else column)
        items = as_images(raw)
        mask = np.array([item is not None for item in items], bool)
        values = allocate((len(items), self.channels_, *self.size_), code_dtype(self.levels_))
        frames = full_frames(len(items), self.size_)
        rows = np.flatnonzero(mask)
        if len(rows):
            for chunk in np.array_split(rows, math.ceil(len(rows) / CHUNK)):
                encoded = map_images(self._encode_one, [items[int(i)] for i in chunk])
                values[chunk] = [codes for codes, _ in encoded]
                frames[chunk] = [frame for _, frame in encoded]
        return self._with_noise(Column(values, mask, None, frames))

    def pixels(self, codes: np.ndarray) -> np.ndarray:
        return to_pixels(codes, self.levels_ or 255)

    @property
    def row_bytes(self) -> int:
        return self.channels_ * math.prod(self.size_) * np.dtype(code_dtype(self.levels_)).itemsize

    def unreadable(self, raw: Raw) -> dict[int, str]:
        if isinstance(raw, np.ndarray):
            return {}
        return read_errors(lambda image: image is None or decode(image, (64, 64)), as_images(raw), map_images)

    def count_anomalies(self, raw: Raw) -> dict[str, int]:
        if isinstance(raw, np.ndarray):
            return {}
        images = as_images(raw)
        animated = sum(count > 1 for count in map_images(count_frames, images))
        anomalies = {"animated image, only its first frame is used": animated}
        if self.low_ == 0 and self.high_ == self.levels_:
            anomalies[_FRACTIONS] = sum(map_images(holds_fractions, images))
        return {text: count for text, count in anomalies.items() if count}

    def alterations(self, raw: Raw) -> dict[int, str]:
        """A few images of fractions among whole numbers."""
        if isinstance(raw, np.ndarray):
            return {}
        rows = np.flatnonzero(map_images(holds_fractions, as_images(raw)))
        return dict.fromkeys(rows.tolist(), _FRACTIONS) if 2 * len(rows) <= len(raw) else {}

    def normalizer(self, scale: str = "standard") -> nn.Module:
        from deepglass.nn.conv import ImageNormalizer

        ones = np.ones(self.channels_)
        shift, by = scaling(scale, np.array(self.mean_), np.array(self.std_), 0 * ones, self.levels_ * ones)
        return ImageNormalizer(shift.tolist(), by.tolist())

    def encoder(self, dim: int) -> nn.Module:
        from deepglass.nn.conv import ImageEncoder

        return ImageEncoder(self.normalizer(), self.channels_, dim, self.size_)

    def warp(self, field: Field, map: Warp) -> Field:
        from deepglass.nn.warp import warp

        return field._replace(values=warp(field.values, map))

    def _with_noise(self, column: Column) -> Column:
        if not self.input_noise_std:
            return column
        for codes in column.values:
            random = np.random.default_rng(crc32(codes.tobytes()))
            noisy = codes + random.normal(0, self.input_noise_std * self.levels_, codes.shape)
            codes[:] = np.clip(np.round(noisy), 0, self.levels_)
        return column

    def _encode_array(self, array: np.ndarray) -> Column:
        """Encodes arrays that need neither resizing nor another number of channels."""
        missing = np.isnan(array).all((1, 2, 3)) if array.dtype.kind == "f" else np.zeros(len(array), bool)
        values = quantize(array, Range(self.low_, self.high_, self.levels_)).transpose(0, 3, 1, 2)
        return Column(np.ascontiguousarray(values), ~missing, None, full_frames(len(array), self.size_))

    def _encode_one(self, image: RawImage) -> tuple[np.ndarray, tuple[int, ...]]:
        """Codes (C, Y, X), and the frame of the image as in `Column.letterbox`."""
        pixels, size = decode_sized(image, target_size=self.size_)
        codes = self._codes(pixels, image)
        top, left, *inner = letterbox(pixels.shape, self.size_)
        return self._fill_letterbox(codes), (top, left, *inner, *size)

    def _codes(self, pixels: np.ndarray, image: RawImage = None) -> np.ndarray:
        """Pixels as codes (C, <= Y, <= X), scaled to fit the size."""
        pixels = with_channels(pixels, self.channels_, self.background_, image)
        _top, _left, *inner = letterbox(pixels.shape, self.size_)
        value_range = Range(self.low_, self.high_, self.levels_)
        codes = quantize(resize(to_range(pixels, value_range), (inner[0], inner[1])), value_range)
        return codes.transpose(2, 0, 1)

    def _fill_letterbox(self, codes: np.ndarray) -> np.ndarray:
        """Codes (C, <= Y, <= X) in the middle of an image of the mean colour, (C, Y, X)."""
        if codes.shape[1:] == self.size_:
            return codes
        out = np.empty((self.channels_, *self.size_), codes.dtype)
        out[:] = np.round(self.mean_).astype(codes.dtype)[:, None, None]
        top, left, *_inner = letterbox(codes.shape[1:], self.size_)
        out[:, top : top + codes.shape[1], left : left + codes.shape[2]] = codes
        return out
