"""Vectors: lists of numbers of one length."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Self, cast

import numpy as np
import polars as pl

from deepglass.errors import SourceError
from deepglass.features._statistics import VectorFeature, scaled_change, statistics
from deepglass.features.base import Column, Raw, TypeGuess

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, kw_only=True)
class Vector(VectorFeature):
    """A vector of fixed length d: an array (N, d), or a list of d numbers in each cell.

    An entry that is NaN, null, infinite or too large for float32 is missing on its own; a row without any entry is
    missing.

    Example:
        >>> place = Vector(name="place").fit([np.array([[0.0, 1.0], [2.0, 5.0]])])
        >>> place.mean_
        (1.0, 3.0)
    """

    parallel: ClassVar[tuple[str, ...]] = ("mean_", "std_", "low_", "high_")
    tabular: ClassVar[bool] = True
    ordered: ClassVar[bool] = True
    has_entries: ClassVar[bool] = True

    @classmethod
    def infer_type(cls, raw: Raw, name: str) -> TypeGuess | None:
        if isinstance(raw, np.ndarray):
            fits = raw.ndim == 2 and raw.shape[1] > 1 and raw.dtype.kind in "biuf"
            return TypeGuess(0.7, f"{raw.shape[1]} numbers a row") if fits else None
        if not isinstance(raw, pl.Series) or raw.dtype not in (pl.List, pl.Array) or not _of_numbers(raw):
            return None
        lengths = _lists(raw).drop_nulls().list.len().unique().to_list()
        if len(lengths) != 1 or lengths[0] == 0:
            return None
        return TypeGuess(0.8, f"lists of {lengths[0]} numbers")

    def fit(self, chunks: Iterable[Raw]) -> Self:
        parts = [self._rows(raw, None) for raw in chunks if len(raw)]
        size = max((p.shape[1] for p in parts), default=1)
        x = np.concatenate([np.full((1, size), np.nan), *(p for p in parts if p.shape[1] == size)])
        return replace(self, **statistics(x))

    @property
    def cell_axes(self) -> int:
        return 1

    def encode(self, raw: Raw) -> Column:
        """Values (N, d) float32 in the user's units, NaN where an entry is missing."""
        values = self.encoded(self.vectors(raw))
        return Column(values, np.asarray(~np.isnan(values).all(1)))

    def encoder(self, dim: int) -> nn.Module:
        from deepglass.nn.encoders_heads import VectorEncoder

        return VectorEncoder(self.normalizer(), len(self.mean_), dim)

    def change_size(self, before: np.ndarray, after: np.ndarray) -> np.ndarray:
        """Root mean square over the entries, in standard deviations."""
        return scaled_change(before, after, np.array(self.std_))

    def part_names(self) -> tuple[str, ...]:
        return tuple(f"{self.name}[{k}]" for k in range(len(self.mean_)))

    def vectors(self, raw: Raw) -> np.ndarray:
        return self._rows(raw, len(self.mean_))

    def _rows(self, raw: Raw, size: int | None) -> np.ndarray:
        """(N, d) float64, NaN = missing; d is `size`, or that of the rows."""
        if isinstance(raw, np.ndarray) and raw.ndim == 2 and raw.dtype.kind in "biuf":
            values = raw.astype(np.float64)
        elif isinstance(raw, pl.Series) and raw.dtype in (pl.List, pl.Array) and _of_numbers(raw):
            values = self._from_lists(_lists(raw), size)
        elif isinstance(raw, pl.Series) and raw.dtype == pl.Struct:  # of several columns, a number in each
            values = raw.struct.unnest().cast(pl.Float64, strict=False).to_numpy()
        elif isinstance(raw, pl.Series) and raw.dtype == pl.Null:
            values = np.full((len(raw), size or 1), np.nan)
        else:
            raise self.bad_type("lists of numbers", raw)
        if size is not None and values.shape[1] != size:
            raise self.bad_value(f"expected {size} numbers a row, not {values.shape[1]}")
        return values

    def _from_lists(self, lists: pl.Series, size: int | None) -> np.ndarray:
        lengths = lists.list.len()
        present = lengths.is_not_null()
        sizes = lengths.filter(present).unique().to_list()
        size = size or (lengths.filter(present)[0] if sizes else 1)
        if any(s != size for s in sizes):
            row = int(((lengths != size) & present).arg_max())
            raise SourceError(
                "bad-value",
                f"column {self.column!r}, row {row}: expected {size} numbers, as in the others, not {lengths[row]}",
            )
        values = np.full((len(lists), size), np.nan)
        values[present.to_numpy()] = lists.filter(present).explode().cast(pl.Float64).to_numpy().reshape(-1, size)
        return values


def _of_numbers(raw: pl.Series) -> bool:
    inner = cast(pl.List, raw.dtype).inner
    return inner.is_numeric() or inner in (pl.Boolean, pl.Null)


def _lists(raw: pl.Series) -> pl.Series:
    return raw.arr.to_list() if raw.dtype == pl.Array else raw
