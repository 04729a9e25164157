"""Numbers: quantities, counts and measures, as inputs and as answers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast

import numpy as np
import polars as pl

from deepglass.errors import SourceError
from deepglass.features._cell_statistics import Statistic
from deepglass.features._statistics import scaled_change
from deepglass.features.base import Column, Feature, Raw, TypeGuess
from deepglass.parsing import NumberFormat, is_missing, parse_numbers, to_numbers

if TYPE_CHECKING:
    from torch import nn

    from deepglass.nn.tokens import Field
    from deepglass.nn.warp import Warp

FEW = 20  # so many different whole numbers may be codes of classes

_LARGEST = float(np.finfo(np.float32).max) / 4
_SMALLEST = 1e-30  # a spread below counts as none: float32 ends near 1e-38
_FAR = 1e15  # so many spreads from the median no value is meant, and their square still is a float32
_FINE = 2.0**14  # float32 resolves a value to 2^-24 of its size: beyond this ratio to the spread, 1e-3 of it are lost
_QUANTITY = re.compile(
    r"(^|[^a-z])(year|age|count|total|amount|price|size|length|width|height|weight|number|score|goal|point)s?($|[^a-z])"
)
_LABEL = re.compile(r"^(label|class|target|category|y)s?$")


@dataclass(frozen=True, kw_only=True)
class Number(Feature):
    """A number: float64, integers, booleans, decimals and text that says numbers.

    It is encoded in the user's own unit; only where float32 could not hold value and spread at once, such as for
    times in nanoseconds, less `offset_`, and so are its best answers until `decode`.

    As an answer it is fitted by its squared error, divided by the training rows' variance, and comes with an interval
    that holds the truth with probability `confidence_level`.

    Args:
        bins: how many quantile bins the encoder may use.
        negate_on_flip: the value changes its sign when its picture is seen in a mirror, as a steering angle does.

    Example:
        >>> age = Number(name="age").fit([pl.Series([22.0, 38.0, None, 35.0])])
        >>> age.encode(pl.Series([40.0, None])).mask
        array([ True, False])
    """

    bins: int = 32
    negate_on_flip: bool = False

    offset_: float | None = None  # 0 for all but such columns
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
        """Whole numbers of few values score below `category`, see `looks_like_codes`."""
        format = NumberFormat() if not isinstance(raw, pl.Series) else parse_numbers(raw)
        values = as_floats(raw, format)
        if values is None or (isinstance(raw, np.ndarray) and raw.ndim != 1):
            return None
        known = values[np.isfinite(values)]
        if not len(known):
            return TypeGuess(0.05, "no value at all")
        if isinstance(raw, pl.Series) and raw.dtype == pl.Boolean:
            return TypeGuess(0.2, "true and false, as 1 and 0")
        if format is not None and format.share < 0.95:
            return TypeGuess(0.5 * format.share, f"{format.share:.0%} of the values are numbers")
        if format is not None and format.leading_zeros:
            return TypeGuess(0.3, "digits with zeros in front, more likely a code")
        distinct = len(np.unique(known))
        if looks_like_codes(known, name):
            return TypeGuess(0.65, f"whole numbers, but only {distinct} different ones")
        written = "" if format is None or format.plain else f" written with {format}"
        return TypeGuess(0.85, f"numbers from {known.min():g} to {known.max():g}, {distinct} different ones{written}")

    @classmethod
    def statistics(cls, raw: Raw) -> list[Statistic]:
        text = isinstance(raw, pl.Series) and raw.dtype == pl.String
        values = as_floats(raw, parse_numbers(cast(pl.Series, raw)) if text else None)
        return [] if values is None else [Statistic("", np.where(np.isfinite(values), values, np.nan))]

    def fit(self, chunks: Iterable[Raw]) -> Self:
        chunks = list(chunks)
        format = self._format(chunks)
        values = np.concatenate([np.zeros(0), *(self._floats(raw, format) for raw in chunks)])
        x = values[np.isfinite(values) & (np.abs(values) < _LARGEST)]
        if not len(x):
            x = np.zeros(1)
        low, lower, median, upper, high = (float(q) for q in np.quantile(x, [0, 0.25, 0.5, 0.75, 1]))
        # Where half the values are the same (capital gains), the range says more than the quartiles.
        smallest = max(_SMALLEST, (high - low) / _FAR * 1e3)
        scale = next((s for s in ((upper - lower) / 1.35, (high - low) / 4) if s > smallest), 1.0)
        edges = np.quantile(x, np.linspace(0, 1, 1 + min(self.bins, max(1, len(x) // 4))))
        edges = edges[np.diff(edges, prepend=-np.inf) > 1e-6 * scale]
        return replace(
            self,
            offset_=median if max(abs(low), abs(high)) > _FINE * scale else 0.0,
            median_=median,
            scale_=scale,
            edges_=tuple(float(e) for e in edges),
            mean_=float(x.mean()),
            std_=float(x.std()) if x.std() > _SMALLEST else 1.0,
            low_=low,
            high_=high,
            format_=() if format is None else tuple(format),
        )

    def encode(self, raw: Raw) -> Column:
        """Values (N,) float32 in the user's unit, less `offset_`; infinity counts as missing."""
        values = self._floats(raw, NumberFormat(*self.format_))
        mask = np.isfinite(values) & ~self._too_large(values)
        return Column((np.where(mask, values, self.median_) - self.offset_).astype(np.float32), mask)

    def to_axis(self, column: Column) -> np.ndarray:
        """Values in the user's unit."""
        return np.where(column.mask, column.values.astype(np.float64) + self.offset_, np.nan)

    def from_axis(self, positions: np.ndarray) -> Column:
        return self.encode(pl.Series(positions))

    def count_anomalies(self, raw: Raw) -> dict[str, int]:
        values = self._floats(raw, NumberFormat(*self.format_))
        unreadable = 0
        if isinstance(raw, pl.Series) and raw.dtype == pl.String:
            unreadable = int(np.isnan(values).sum()) - int(is_missing(raw).sum())
        counted = {
            "not a number": unreadable,
            "infinite": int(np.isinf(values).sum()),
            "too large": int((np.isfinite(values) & self._too_large(values)).sum()),
        }
        return {what: n for what, n in counted.items() if n}

    def warp(self, field: Field, map: Warp) -> Field:
        """The opposite value where the picture is mirrored, if it `negate_on_flip`."""
        import torch

        opposite = -field.values - 2 * self.offset_  # values are less the offset
        return (
            field._replace(values=torch.where(map.mirrored, opposite, field.values)) if self.negate_on_flip else field
        )

    def normalizer(self, scale: str = "standard") -> nn.Module:
        from deepglass.nn.encoders_heads import Rescale

        span = (self.high_ - self.low_) or 1.0
        shift, by = {
            "standard": (self.mean_, self.std_),
            "unit": (self.low_, span),
            "signed": (self.low_ + span / 2, span / 2),
        }[scale]
        return Rescale(shift - self.offset_, by)

    def encoder(self, dim: int) -> nn.Module:
        return self.joint_encoder([self], dim)

    @classmethod
    def joint_encoder(cls, features: Sequence[Number], dim: int) -> nn.Module:
        """One module for several numbers: a `Field` of (B, F) to `Tokens` (B, F, dim)."""
        from deepglass.nn.encoders_heads import FieldEncoder
        from deepglass.nn.tabular import NumberEmbedding

        median = [f.median_ - f.offset_ for f in features]
        edges = [[e - f.offset_ for e in f.edges_] for f in features]
        return FieldEncoder(NumberEmbedding(median, [f.scale_ for f in features], edges, dim))

    def change_size(self, before: np.ndarray, after: np.ndarray) -> np.ndarray:
        """In standard deviations, the root mean square over entries."""
        return scaled_change(before, after, self.scale_ or 1.0)

    def _too_large(self, values: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore"):
            return (np.abs(values) >= _LARGEST) | (np.abs(values - self.median_) >= _FAR * self.scale_)

    def _format(self, chunks: Sequence[Raw]) -> NumberFormat | None:
        """How the text is written, None for numbers."""
        texts = [c for c in chunks if isinstance(c, pl.Series) and c.dtype in (pl.String, pl.Categorical, pl.Enum)]
        if not texts:
            return None
        text = pl.concat([t.cast(pl.String) for t in texts])
        format = parse_numbers(text)
        if format is None and not is_missing(text).all():
            example = text.filter(~is_missing(text))[0]
            raise SourceError(
                "bad-value",
                f"column {self.column!r}: expected numbers, but fewer than half of its values are, such as {example!r};"
                " leave the kind out or set it to category or text",
            )
        return format or NumberFormat()

    def _floats(self, raw: Raw, format: NumberFormat | None) -> np.ndarray:
        values = as_floats(raw, format or NumberFormat())
        if values is None:
            came = raw.dtype if isinstance(raw, (pl.Series, np.ndarray)) else "files"
            raise SourceError("bad-value", f"column {self.column!r}: expected numbers, not {came}")
        return values


def as_floats(raw: Raw, format: NumberFormat | None) -> np.ndarray | None:
    """A column as (N,) float64 with NaN for missing and unreadable; None when it holds no numbers."""
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


def looks_like_codes(known: np.ndarray, name: str) -> bool:
    """Whether whole numbers are more likely names of classes than quantities.

    That is so when there are few of them and each comes often, unless the column's name or values speak of years,
    ages, counts and the like; and when the column is called "label" and its numbers go from 0 or 1 without a gap.
    """
    if not np.all(known == np.floor(known)):
        return False
    different, counts = np.unique(known, return_counts=True)
    gapless = different[0] in (0, 1) and different[-1] - different[0] == len(different) - 1
    if _LABEL.match(name.lower()) and gapless and len(different) <= len(known) / 2:
        return True
    years = different[0] >= 1800 and different[-1] <= 2100
    if len(different) > FEW or years or _QUANTITY.search(name.lower()):
        return False
    # Counts thin out (one row of 31 goals), classes seldom do.
    return bool(len(known) >= 5 * len(different) and counts.min() >= 0.002 * len(known))
