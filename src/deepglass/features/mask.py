"""Segmentation masks: a class for each pixel of an image.

A mask is a grayscale or palette image of class numbers, or an array (N, Y, X). It is letterboxed like its image, with
nearest-neighbour resizing, so that the two stay aligned though their sizes may differ.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from deepglass.constraints import Pixels
from deepglass.errors import SourceError
from deepglass.features._images import RawImage, as_images, decode_indices, full_frames, letterbox, map_images
from deepglass.features._quantize import median_size
from deepglass.features._reading import read_errors, sample_rows, try_read
from deepglass.features.base import Column, Feature, Raw, TypeGuess

if TYPE_CHECKING:
    from torch import nn

    from deepglass.nn.tokens import Field
    from deepglass.nn.warp import Warp

DEFAULT_MAX_SIDE = 256  # pixels, where no size is given
SAMPLE = 4000  # masks that are decoded to learn size and classes
VOID = 255  # by convention an unlabelled pixel, unless a class has this number
MAX_CLASS_NUMBER = 65_535


@dataclass(frozen=True, kw_only=True)
class Mask(Feature):
    """A segmentation mask: a class for each pixel.

    Code 0 is an unlabelled pixel, code 1 + k the k-th of `values_`. Pixels that are ignored, or whose class no
    training mask has, are unlabelled.

    Args:
        names: names of the classes, by their number in the files; empty names them "class 3".
        ignore: the number of unlabelled pixels; 255 is one too unless `names` has a name for it.
        size: (rows, columns) that all masks are resized to, 1 to 4096 each; None learns it: the common size, or the
            median, at most 256 on the longer side.
        size_: (rows, columns).
        values_: class numbers in the files, ascending.
        counts_: pixels of each class.

    Shapes:
        encoded: (N, Y, X) uint8, or int16 for more than 255 classes.

    Example:
        >>> feature = Mask(name="mask", names=("road", "sky")).fit([np.eye(4, dtype=np.uint8)[None]])
        >>> feature.encode(np.eye(4, dtype=np.uint8)[None]).values[0, 0]
        array([2, 1, 1, 1], dtype=uint8)
    """

    names: tuple[str, ...] = ()
    ignore: int | None = None
    size: tuple[Pixels, Pixels] | None = None
    size_: tuple[int, int] | None = None
    values_: tuple[int, ...] | None = None
    counts_: tuple[int, ...] | None = None

    parallel: ClassVar[tuple[str, ...]] = ("values_", "counts_")
    dense: ClassVar[bool] = True
    file_based: ClassVar[bool] = True

    @classmethod
    def infer_type(cls, raw: Raw, name: str) -> TypeGuess | None:
        """Only arrays of few integers whose column name contains "mask" or "segment"; for files the source decides."""
        if not isinstance(raw, np.ndarray) or raw.ndim != 3 or raw.dtype.kind not in "uib":
            return None
        is_named_mask = "mask" in name.lower() or "segment" in name.lower()
        has_few_values = len(np.unique(raw[:50])) <= 64
        return TypeGuess(
            0.97 if is_named_mask and has_few_values else 0.1,
            f"an array of few whole numbers, {raw.shape[1]} x {raw.shape[2]}",
        )

    def fit(self, chunks: Iterable[Raw]) -> Self:
        """Learn size and classes.

        Raises:
            SourceError: `no-rows` when none can be read; `bad-value` for a number without a name, naming the file.
        """
        items = [item for raw in chunks for item in as_images(raw) if item is not None]
        items = [items[i] for i in sample_rows(len(items), SAMPLE)]
        sample = [counts for counts in map_images(partial(try_read, _shape_and_counts), items) if counts is not None]
        if not sample:
            raise SourceError("no-rows", f"{self.name}: no training row has a readable mask")
        total: Counter[int] = Counter()
        for _, counts in sample:
            total.update(counts)
        values = tuple(v for v in sorted(total) if self._is_class(v))
        size = self.size or median_size([shape for shape, _ in sample], DEFAULT_MAX_SIDE)
        return replace(self, size_=(size[0], size[1]), values_=values, counts_=tuple(total[v] for v in values))

    def encode(self, raw: Raw) -> Column:
        """Decode, replace class numbers by codes, and resize with the nearest pixel."""
        items = as_images(raw)
        mask = np.array([item is not None for item in items], bool)
        values = np.zeros((len(items), *self.size_), np.uint8 if len(self.values_) < 256 else np.int16)
        frames = full_frames(len(items), self.size_)
        rows = np.flatnonzero(mask)
        if len(rows):
            encoded = map_images(self._encode_one, [items[int(i)] for i in rows])
            values[rows] = [codes for codes, _ in encoded]
            frames[rows] = [frame for _, frame in encoded]
            mask[rows] = [bool(codes.any()) for codes, _ in encoded]  # a mask without a labelled pixel is missing
        return Column(values, mask, None, frames)

    def unreadable(self, raw: Raw) -> dict[int, str]:
        """Masks that cannot be read, hold colours, or have class numbers without a name."""
        if isinstance(raw, np.ndarray) and not self.names:
            return {}
        return read_errors(self._check, as_images(raw), map_images)

    def warp(self, field: Field, map: Warp) -> Field:
        """The masks warped with their images; pixels from outside are unlabelled unless padding reflects."""
        from deepglass.nn.warp import inside, warp

        values = warp(field.values[:, None], map, nearest=True)[:, 0]
        if not map.whole:
            values = values * inside(map, (values.shape[-2], values.shape[-1])).to(values.dtype)
        return field._replace(values=values)

    def encoder(self, dim: int) -> nn.Module:
        from deepglass.nn.dense import MaskEncoder

        return MaskEncoder(len(self.values_), dim, (self.size_[0], self.size_[1]))

    @property
    def class_names(self) -> tuple[str, ...]:
        return tuple(self.names[v] if self._has_name(v) else f"class {v}" for v in self.values_ or ())

    def _has_name(self, value: int) -> bool:
        return value < len(self.names) and bool(self.names[value])

    def _is_unlabelled(self, value: int) -> bool:
        return value == self.ignore or (value == VOID and not self._has_name(value))

    def _is_class(self, value: int) -> bool:
        """Whether a number is that of a class."""
        return not self._is_unlabelled(value) and (not self.names or self._has_name(value))

    def _check(self, item: RawImage) -> None:
        """Raise the error for a mask that cannot be read, or has class numbers without a name."""
        if item is None:
            return
        values = sorted(_counts(decode_indices(item)))
        name = getattr(item, "name", "a mask")
        if values[0] < 0 or values[-1] > MAX_CLASS_NUMBER:
            expected = f"expected class numbers from 0 to {MAX_CLASS_NUMBER:,}"
            raise SourceError("bad-value", f"{name}: {expected}, got {values[0]} to {values[-1]}")
        unnamed = [v for v in values if not self._is_class(v) and not self._is_unlabelled(v)]
        if unnamed:
            listing = ", ".join(map(str, unnamed[:5])) + (", ..." if len(unnamed) > 5 else "")
            last = len(self.names) - 1
            raise SourceError("bad-value", f"{name}: class {listing} has no name; the names go from 0 to {last}")

    def _encode_one(self, item: RawImage) -> tuple[np.ndarray, tuple[int, ...]]:
        """Codes (Y, X), and the frame of the mask as in `Column.letterbox`."""
        pixels = decode_indices(item)
        codes = np.zeros(MAX_CLASS_NUMBER + 1, np.uint8 if len(self.values_) < 256 else np.int16)
        codes[list(self.values_)] = np.arange(1, len(self.values_) + 1)
        top, left, *inner = letterbox(pixels.shape, self.size_)
        fitted = resize_nearest(codes[np.clip(pixels, 0, MAX_CLASS_NUMBER)], (inner[0], inner[1]))
        return paste(fitted, top, left, self.size_), (top, left, *inner, *pixels.shape)


def _shape_and_counts(item: RawImage) -> tuple[tuple[int, ...], dict[int, int]]:
    pixels = decode_indices(item)
    return pixels.shape, _counts(pixels)


def _counts(pixels: np.ndarray) -> dict[int, int]:
    """Pixels of each class number."""
    if pixels.dtype.kind == "u" and pixels.dtype.itemsize <= 2:  # much faster than sorting
        counts = np.bincount(pixels.ravel())
        return {int(v): int(counts[v]) for v in np.flatnonzero(counts)}
    values, counts = np.unique(pixels, return_counts=True)
    return dict(zip(values.tolist(), counts.tolist(), strict=True))


def resize_nearest(codes: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A map (Y, X) resized to (rows, columns) with the nearest pixel."""
    if codes.shape == tuple(size):
        return codes
    rows, columns = (((np.arange(n) + 0.5) * old / n).astype(int) for n, old in zip(size, codes.shape, strict=True))
    return codes[rows[:, None], columns]


def paste(codes: np.ndarray, top: int, left: int, size: tuple[int, int]) -> np.ndarray:
    """A map (<= Y, <= X) placed in an unlabelled one of `size`."""
    if codes.shape == tuple(size):
        return codes
    out = np.zeros(size, codes.dtype)
    inside = codes[: size[0] - top, : size[1] - left]
    out[top : top + inside.shape[0], left : left + inside.shape[1]] = inside
    return out
