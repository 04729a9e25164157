"""Sequences of numbers or vectors, of any length."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Self, cast

import numpy as np
import polars as pl

from deepglass.errors import SourceError
from deepglass.features._statistics import VectorFeature, statistics
from deepglass.features.base import Column, Raw, TypeGuess
from deepglass.limits import check_limit

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, kw_only=True)
class Sequence(VectorFeature):
    """A sequence of numbers or vectors: lists of numbers, lists of lists of d numbers, arrays (N, T) or (N, T, d).

    As an output it is aligned with an input of the same lengths, if there is one; else its length is predicted too.

    Example:
        >>> heights = Sequence(name="heights").fit([pl.Series([[1.0, 2.0, 3.0], [5.0]])])
        >>> heights.encode(pl.Series([[4.0, 4.0], None])).offsets
        array([0, 2, 2])
    """

    length_: int | None = None  # of the longest training row
    flat_: bool | None = None  # steps are numbers, not lists of one

    parallel: ClassVar[tuple[str, ...]] = ("mean_", "std_", "low_", "high_")
    sequential: ClassVar[bool] = True

    @classmethod
    def infer_type(cls, raw: Raw, name: str) -> TypeGuess | None:
        if isinstance(raw, np.ndarray):
            fits = raw.ndim == 3 and raw.dtype.kind == "f" and min(raw.shape[1:]) > 0
            return TypeGuess(0.5, f"{raw.shape[1]} steps of {raw.shape[2]} numbers a row") if fits else None
        depth = _depth(raw)
        if depth == 2:
            return TypeGuess(0.85, "lists of vectors")
        if depth == 1:
            lengths = cast(pl.Series, raw).drop_nulls().list.len().unique().sort().to_list()
            if len(lengths) > 1:
                return TypeGuess(0.8, f"lists of {lengths[0]} to {lengths[-1]} numbers")
            return TypeGuess(0.4, "lists of numbers")
        return None

    def fit(self, chunks: Iterable[Raw]) -> Self:
        chunks = list(chunks)
        flat = all(_is_flat(raw) for raw in chunks)
        parts = [self._steps(raw, None) for raw in chunks]
        size = max((v.shape[1] for v, _, _ in parts if len(v)), default=1)
        x = np.concatenate([np.full((1, size), np.nan), *(v for v, _, _ in parts if v.shape[1] == size)])
        max_length = max((int(lengths.max(initial=1)) for _, lengths, _ in parts), default=1)
        return replace(self, **statistics(x), flat_=flat, length_=max_length)

    @property
    def cell_axes(self) -> int:
        return 1 if self.flat_ else 2

    def encode(self, raw: Raw) -> Column:
        """Values (total, d) float32 in the user's units, NaN where an entry is missing, infinite or too large."""
        values, lengths, mask = self._steps(raw, len(self.mean_))
        return Column(self.encoded(values), mask, np.concatenate([[0], np.cumsum(lengths)]))

    def encoder(self, dim: int) -> nn.Module:
        from deepglass.nn.embeddings import SequenceEncoder

        return SequenceEncoder(self.normalizer(), len(self.mean_), dim)

    def vectors(self, raw: Raw) -> np.ndarray:
        return self._steps(raw, len(self.mean_))[0]

    def _steps(self, raw: Raw, size: int | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Values (total, d) float64, lengths (N,) and mask (N,)."""
        if isinstance(raw, np.ndarray) and raw.ndim in (2, 3) and raw.dtype.kind in "biuf":
            mask = np.asarray(~np.isnan(raw.reshape(len(raw), -1).astype(np.float64)).all(1))
            values = raw[mask].astype(np.float64).reshape(-1, raw.shape[2] if raw.ndim == 3 else 1)
            lengths = np.where(mask, raw.shape[1], 0).astype(np.int64)
        elif (depth := _depth(raw)) is not None:
            series = cast(pl.Series, raw) if depth else cast(pl.Series, raw).cast(pl.List(pl.Float64))
            mask = series.is_not_null().to_numpy()
            lengths = series.list.len().fill_null(0).to_numpy().astype(np.int64)
            steps = series.explode(empty_as_null=False)
            steps = steps.filter(np.repeat(mask, np.maximum(lengths, ~mask)))  # a null row is one null
            values = _matrix(steps, depth, size, self.column)
        else:
            dtype = raw.dtype if isinstance(raw, pl.Series | np.ndarray) else type(raw).__name__
            raise self.bad_value(f"expected lists of numbers, got {dtype}")
        if len(lengths):
            longest = int(lengths.argmax())
            check_limit("sequence_values", int(lengths[longest]), f"column {self.column!r}, row {longest}")
        if size is not None and len(values) and values.shape[1] != size:
            raise self.bad_value(f"expected {size} numbers a step, got {values.shape[1]}")
        return values if len(values) or size is None else np.zeros((0, size)), lengths, mask


def _depth(raw: Raw) -> int | None:
    """Nesting depth of lists of numbers, 1 or 2; 0 if all are missing; None for other columns."""
    if not isinstance(raw, pl.Series):
        return None
    dtype, depth = raw.dtype, 0
    if dtype == pl.Null:
        return 0
    while isinstance(dtype, pl.List | pl.Array):
        dtype, depth = cast(pl.DataType, dtype.inner), depth + 1
    return depth if depth in (1, 2) and (dtype.is_numeric() or dtype in (pl.Null, pl.Boolean)) else None


def _is_flat(raw: Raw) -> bool:
    return raw.ndim == 2 if isinstance(raw, np.ndarray) else _depth(raw) in (0, 1)


def _matrix(steps: pl.Series, depth: int, size: int | None, column: str) -> np.ndarray:
    """Steps as (total, d) float64."""
    if depth < 2:
        return steps.cast(pl.Float64).to_numpy().reshape(-1, 1)
    vectors = steps.cast(pl.List(pl.Float64))
    widths = vectors.list.len().fill_null(0).unique().sort().to_list()
    if len(widths) > 1:
        got = f"from {widths[0]} to {widths[-1]}"
        raise SourceError("bad-value", f"column {column!r}: expected steps of one number of entries, got {got}")
    width = widths[0] if widths else size or 1
    return vectors.explode(empty_as_null=False).to_numpy().astype(np.float64).reshape(-1, max(width, 1))
