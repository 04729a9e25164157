"""Masks: a class for each pixel of a picture (semantic segmentation).

A mask is a picture of whole numbers, in grey or with a palette, or an array (N, Y, X). It is letterboxed as its
picture is, with the nearest pixel, so that the two stay aligned though their sizes may differ.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from deepglass.errors import SourceError, SpecError
from deepglass.features._dense_outputs import nearest, set_in
from deepglass.features._images import Picture, decode_indices, each, letterbox, pictures
from deepglass.features.base import Column, Feature, Raw, TypeGuess

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import nn

    from deepglass.nn.tokens import Field
    from deepglass.nn.warp import Warp

LONGEST_SIDE = 256  # where nobody states a size
SAMPLE = 4000  # masks that are decoded to learn size and classes
VOID = 255  # by custom an unlabelled pixel, unless a class has this name
HIGHEST = 65_535  # of a class number


@dataclass(frozen=True, kw_only=True)
class Mask(Feature):
    """A class for each pixel.

    Code 0 is an unlabelled pixel, code 1 + k the k-th of `values_`. Pixels that are ignored, or whose class no
    training mask has, are unlabelled.

    Args:
        names: of the classes, by their number in the files; empty calls them "class 3".
        ignore: the number of unlabelled pixels; 255 is taken for it too unless `names` has one for it.
        size: (rows, columns) that all masks are brought to; None learns it: their own size when they share one, else
            the median, at most 256 on the longer side.
        size_: the size in use.
        values_: the classes' numbers in the files, ascending.
        counts_: how many pixels each has.

    Shapes:
        encoded: (N, Y, X) uint8, or int16 for more than 255 classes.

    Example:
        >>> feature = Mask(name="mask", names=("road", "sky")).fit([np.eye(4, dtype=np.uint8)[None]])
        >>> feature.encode(np.eye(4, dtype=np.uint8)[None]).values[0, 0]
        array([2, 1, 1, 1], dtype=uint8)
    """

    names: tuple[str, ...] = ()
    ignore: int | None = None
    size: tuple[int, int] | None = None
    size_: tuple[int, int] | None = None
    values_: tuple[int, ...] | None = None
    counts_: tuple[int, ...] | None = None

    dense: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        where = f"outputs.{self.name}"
        if self.size is not None and (len(self.size) != 2 or not all(1 <= s <= 4096 for s in self.size)):
            raise SpecError("bad-value", f"{where}.size: expected [rows, columns] from 1 to 4096, got {self.size!r}")

    @classmethod
    def infer_type(cls, raw: Raw, name: str) -> TypeGuess | None:
        """Only arrays of few whole numbers under a name that says so; of files the source knows."""
        if not isinstance(raw, np.ndarray) or raw.ndim != 3 or raw.dtype.kind not in "uib":
            return None
        said = "mask" in name.lower() or "segment" in name.lower()
        few = len(np.unique(raw[:50])) <= 64
        return TypeGuess(
            0.97 if said and few else 0.1, f"an array of few whole numbers, {raw.shape[1]} x {raw.shape[2]}"
        )

    def fit(self, chunks: Iterable[Raw]) -> Self:
        """Learn size and classes.

        Raises:
            SourceError: `no-rows` when none can be read; `bad-value` for a number without a name, naming the file.
        """
        items = [item for raw in chunks for item in pictures(raw) if item is not None]
        rows = np.unique(np.linspace(0, len(items) - 1, min(SAMPLE, len(items))).astype(int))
        found = [one for one in each(self._counted, [items[int(i)] for i in rows]) if one is not None]
        if not found:
            raise SourceError("no-rows", f"{self.name}: there is no readable mask to learn from")
        total: dict[int, int] = {}
        for _, counts in found:
            for value, count in counts.items():
                total[value] = total.get(value, 0) + count
        values = tuple(v for v in sorted(total) if self._named(v))
        size = self.size or _size([shape for shape, _ in found])
        return replace(self, size_=(size[0], size[1]), values_=values, counts_=tuple(total[v] for v in values))

    def encode(self, raw: Raw) -> Column:
        """Decode, number the classes, resize to the nearest pixel."""
        items = pictures(raw)
        mask = np.array([item is not None for item in items], bool)
        values = np.zeros((len(items), *self.size_), np.uint8 if len(self.values_) < 256 else np.int16)
        frame = np.tile(np.array([0, 0, *self.size_, *self.size_], np.float32), (len(items), 1))
        rows = np.flatnonzero(mask)
        if len(rows):
            encoded = each(self._encode_one, [items[int(i)] for i in rows])
            values[rows] = [codes for codes, _ in encoded]
            frame[rows] = [place for _, place in encoded]
            mask[rows] = [bool(codes.any()) for codes, _ in encoded]  # wholly unlabelled teaches nothing
        return Column(values, mask, None, frame)

    def unreadable(self, raw: Raw) -> dict[int, str]:
        """Masks that cannot be read, of colours, or with numbers that have no name."""
        if isinstance(raw, np.ndarray) and not self.names:
            return {}
        return {i: reason for i, reason in enumerate(each(self._fault, pictures(raw))) if reason is not None}

    def warp(self, field: Field, map: Warp) -> Field:
        """The masks moved with their pictures; what comes from outside is unlabelled unless it is mirrored."""
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

    # -- pieces ------------------------------------------------------------------------------------------------

    def _has_name(self, value: int) -> bool:
        return value < len(self.names) and bool(self.names[value])

    def _is_void(self, value: int) -> bool:
        return value == self.ignore or (value == VOID and not self._has_name(value))

    def _named(self, value: int) -> bool:
        """Whether a number stands for a class."""
        return not self._is_void(value) and (not self.names or self._has_name(value))

    def _counted(self, item: Picture) -> tuple[tuple[int, int], dict[int, int]] | None:
        """A mask's shape and its numbers, or None where it cannot be read."""
        try:
            pixels = decode_indices(item)
        except SourceError:  # counted and named by `unreadable`
            return None
        return pixels.shape, _counts(pixels)

    def _fault(self, item: Picture) -> str | None:
        if item is None:
            return None
        try:
            values = sorted(_counts(decode_indices(item)))
        except SourceError as error:
            return str(error)
        name = getattr(item, "name", "a mask")
        if values[0] < 0 or values[-1] > HIGHEST:
            return (
                f"[bad-value] {name}: expected class numbers from 0 to {HIGHEST:,}, found {values[0]} to {values[-1]}"
            )
        nameless = [v for v in values if not self._named(v) and not self._is_void(v)]
        if not nameless:
            return None
        shown = ", ".join(map(str, nameless[:5])) + (", ..." if len(nameless) > 5 else "")
        return f"[bad-value] {name}: class {shown} has no name; the names go from 0 to {len(self.names) - 1}"

    def _encode_one(self, item: Picture) -> tuple[np.ndarray, tuple[int, ...]]:
        """Codes (Y, X) and where what is seen stands in them, as `Column.letterbox` has it."""
        pixels = decode_indices(item)
        codes = np.zeros(HIGHEST + 1, np.uint8 if len(self.values_) < 256 else np.int16)
        codes[list(self.values_)] = np.arange(1, len(self.values_) + 1)
        top, left, *inner = letterbox(pixels.shape, self.size_)
        seen = nearest(codes[np.clip(pixels, 0, HIGHEST)], (inner[0], inner[1]))
        return set_in(seen, top, left, self.size_), (top, left, *inner, *pixels.shape)


def _counts(pixels: np.ndarray) -> dict[int, int]:
    """How often each number occurs."""
    if pixels.dtype.kind == "u" and pixels.dtype.itemsize <= 2:  # a fraction of the time of sorting them
        counts = np.bincount(pixels.ravel())
        return {int(v): int(counts[v]) for v in np.flatnonzero(counts)}
    values, found = np.unique(pixels, return_counts=True)
    return dict(zip(values.tolist(), found.tolist(), strict=True))


def _size(shapes: Sequence[tuple[int, int]]) -> tuple[int, int]:
    rows, columns = np.median(shapes, 0)
    shrink = min(1.0, LONGEST_SIDE / max(rows, columns))
    return max(round(rows * shrink), 1), max(round(columns * shrink), 1)
