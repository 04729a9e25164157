"""Numbers: quantities, counts and measures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast

import numpy as np
import polars as pl

from deepglass.constraints import Count
from deepglass.features._cell_statistics import Statistic
from deepglass.features._statistics import (
    MAX_DISTANCE,
    MAX_VALUE,
    anomaly_counts,
    scaled_change,
    scaling,
    too_large,
)
from deepglass.features._text_format import text_format
from deepglass.features._whole_numbers import code_evidence
from deepglass.features.base import Column, Feature, Raw, TypeGuess
from deepglass.formatting import plain_number, plain_percent
from deepglass.parsing import MISSING, NumberFormat, is_missing, parse_numbers, to_numbers

if TYPE_CHECKING:
    from torch import nn

    from deepglass.nn.tokens import Field
    from deepglass.nn.warp import Warp

_MAX_EXACT = 2.0**53  # from here on float64 skips whole numbers
_MIN_SCALE = 1e-30  # a smaller scale counts as constant: float32 ends near 1e-38
_MAX_OFFSET_RATIO = 2.0**14  # value to scale: beyond it float32 (24 bits) would resolve less than 1e-3 of the scale


@dataclass(frozen=True, kw_only=True)
class Number(Feature):
    """A number: floats, integers, booleans, decimals, or text that contains numbers.

    Encoded in the user's unit. Where float32 cannot resolve values of a large mean and small scale, such as times in
    nanoseconds, `offset_` is subtracted, also from predictions until `decode`.

    Args:
        bins: number of quantile bins of the encoder, at most; > 0.
        negate_on_flip: whether a horizontal flip of the image negates the value, as for a steering angle.

    Example:
        >>> age = Number(name="age").fit([pl.Series([22.0, 38.0, None, 35.0])])
        >>> age.encode(pl.Series([40.0, None])).mask
        array([ True, False])
    """

    bins: Count = 32
    negate_on_flip: bool = False

    offset_: float | None = None  # 0 for most columns
    median_: float | None = None
    scale_: float | None = None
    edges_: tuple[float, ...] | None = None
    mean_: float | None = None
    std_: float | None = None
    low_: float | None = None
    high_: float | None = None
    format_: tuple[Any, ...] = ()  # a `NumberFormat`; empty for columns of numbers

    tabular: ClassVar[bool] = True
    ordered: ClassVar[bool] = True
    joint: ClassVar[bool] = True
    has_axis: ClassVar[bool] = True

    @classmethod
    def infer_type(cls, raw: Raw, name: str) -> TypeGuess | None:
        """Integers with few distinct values score below `category`, see `code_evidence`."""
        format = NumberFormat() if not isinstance(raw, pl.Series) else parse_numbers(raw)
        values = as_floats(raw, format)
        if values is None or (isinstance(raw, np.ndarray) and raw.ndim != 1):
            return None
        finite = values[np.isfinite(values)]
        if not len(finite):
            return TypeGuess(0.05, "no value")
        if isinstance(raw, pl.Series) and raw.dtype == pl.Boolean:
            return TypeGuess(0.2, "true and false, as 1 and 0")
        if format is not None and format.share < 0.95:
            return TypeGuess(0.5 * format.share, f"{plain_percent(format.share, 0)} of the values are numbers")
        if format is not None and format.leading_zeros:
            return TypeGuess(0.3, "digits with leading zeros, more likely a code")
        if isinstance(raw, pl.Series) and _has_long_integers(raw, finite):
            return TypeGuess(0.15, "whole numbers of more than 15 digits, which are codes: floats cannot hold them")
        distinct = len(np.unique(finite))
        evidence = code_evidence(finite, name)
        if evidence.are_codes and (format is None or not format.measures):
            return TypeGuess(0.65, f"whole numbers, but only {distinct} different ones")
        format_text = "" if format is None or format.plain else f" written with {format}"
        return TypeGuess(
            0.85,
            f"numbers from {plain_number(finite.min())} to {plain_number(finite.max())}, {distinct:,} different ones"
            f"{format_text}",
        )

    @classmethod
    def statistics(cls, raw: Raw) -> list[Statistic]:
        text = isinstance(raw, pl.Series) and raw.dtype == pl.String
        values = as_floats(raw, parse_numbers(cast(pl.Series, raw)) if text else None)
        return [] if values is None else [Statistic("", np.where(np.isfinite(values), values, np.nan))]

    def fit(self, chunks: Iterable[Raw]) -> Self:
        chunks = list(chunks)
        format = text_format(chunks, parse_numbers, "numbers", self.column)
        values = np.concatenate([np.zeros(0), *(self._floats(raw, format) for raw in chunks)])
        x = values[np.isfinite(values) & (np.abs(values) < MAX_VALUE)]
        if not len(x):
            x = np.zeros(1)
        low, lower, median, upper, high = (float(q) for q in np.quantile(x, [0, 0.25, 0.5, 0.75, 1]))
        # If half of the values are equal (capital gains), the range is a better scale than the quartiles.
        smallest = max(_MIN_SCALE, (high - low) / MAX_DISTANCE * 1e3)
        scale = next((s for s in ((upper - lower) / 1.35, (high - low) / 4) if s > smallest), 1.0)
        edges = np.quantile(x, np.linspace(0, 1, 1 + min(self.bins, max(1, len(x) // 4))))
        edges = edges[np.diff(edges, prepend=-np.inf) > 1e-6 * scale]
        return replace(
            self,
            offset_=median if max(abs(low), abs(high)) > _MAX_OFFSET_RATIO * scale else 0.0,
            median_=median,
            scale_=scale,
            edges_=tuple(float(e) for e in edges),
            mean_=float(x.mean()),
            std_=float(x.std()) if x.std() > _MIN_SCALE else 1.0,
            low_=low,
            high_=high,
            format_=() if format is None else tuple(format),
        )

    def encode(self, raw: Raw) -> Column:
        """Values (N,) float32 in the user's unit minus `offset_`; infinity counts as missing."""
        values = self._floats(raw, self._format)
        mask = np.isfinite(values) & ~too_large(values, self.median_, self.scale_)
        return Column((np.where(mask, values, self.median_) - self.offset_).astype(np.float32), mask)

    def to_axis(self, column: Column) -> np.ndarray:
        """Values in the user's unit."""
        return np.where(column.mask, column.values.astype(np.float64) + self.offset_, np.nan)

    def from_axis(self, positions: np.ndarray) -> Column:
        return self.encode(pl.Series(positions))

    def count_anomalies(self, raw: Raw) -> dict[str, int]:
        values = self._floats(raw, self._format)
        unreadable = 0
        if isinstance(raw, pl.Series) and raw.dtype == pl.String:
            unreadable = int(np.isnan(values).sum()) - int(is_missing(raw, MISSING).sum())
        unread = {"not a number": unreadable} if unreadable else {}
        return unread | anomaly_counts(values, self.median_, self.scale_)

    def warp(self, field: Field, map: Warp) -> Field:
        """Negated values where the image is flipped, with `negate_on_flip`."""
        if not self.negate_on_flip:
            return field
        negated = -field.values - 2 * self.offset_  # encoded values have the offset subtracted
        return field._replace(values=field.values.where(~map.mirrored, negated))

    def normalizer(self, scale: str = "standard") -> nn.Module:
        from deepglass.nn.encoders_heads import Rescale

        shift, by = scaling(scale, self.mean_, self.std_, self.low_, (self.high_ - self.low_) or 1.0)
        return Rescale(shift - self.offset_, by)

    def encoder(self, dim: int) -> nn.Module:
        return self.joint_encoder([self], dim)

    @classmethod
    def joint_encoder(cls, features: Sequence[Number], dim: int) -> nn.Module:
        """One module for several features: a `Field` of (B, F) to `Tokens` (B, F, dim)."""
        from deepglass.nn.encoders_heads import FieldEncoder
        from deepglass.nn.tabular import NumberEmbedding

        median = [f.median_ - f.offset_ for f in features]
        edges = [[e - f.offset_ for e in f.edges_] for f in features]
        return FieldEncoder(NumberEmbedding(median, [f.scale_ for f in features], edges, dim))

    def change_size(self, before: np.ndarray, after: np.ndarray) -> np.ndarray:
        """Root mean square over the entries, in standard deviations."""
        return scaled_change(before, after, self.scale_ or 1.0)

    @property
    def _format(self) -> NumberFormat | None:
        return NumberFormat(*self.format_) if self.format_ else None

    def _floats(self, raw: Raw, format: NumberFormat | None) -> np.ndarray:
        if format is None and isinstance(raw, pl.Series) and raw.dtype == pl.String:
            format = parse_numbers(raw)  # training had numbers
        values = as_floats(raw, format or NumberFormat())
        if values is None:
            raise self.bad_type("numbers", raw)
        return values


def as_floats(raw: Raw, format: NumberFormat | None) -> np.ndarray | None:
    """A column as (N,) float64, NaN = missing or unreadable; None if it holds no numbers."""
    if isinstance(raw, np.ndarray):
        one_column = raw.reshape(len(raw), -1).shape[1] == 1 if len(raw) else True
        return raw.reshape(-1).astype(np.float64) if raw.dtype.kind in "biuf" and one_column else None
    if not isinstance(raw, pl.Series):
        return None
    if raw.dtype in (pl.Categorical, pl.Enum):
        raw = raw.cast(pl.String)
    if raw.dtype == pl.String:
        return to_numbers(raw, format)[0].to_numpy() if format is not None else None
    if raw.dtype.is_numeric() or raw.dtype in (pl.Boolean, pl.Null):
        return raw.cast(pl.Float64).to_numpy()
    return None


def _has_long_integers(raw: pl.Series, values: np.ndarray) -> bool:
    """Whether a column has whole numbers that float64 cannot tell apart."""
    if np.abs(values).max() < _MAX_EXACT:
        return False
    if raw.dtype == pl.String:
        return bool(raw.str.contains(r"^\s*[+-]?\d{16,}\s*$").any())
    return raw.dtype.is_integer()
