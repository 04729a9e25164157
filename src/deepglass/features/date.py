"""Dates and times of day; inputs only."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast

import numpy as np
import polars as pl

from deepglass.dates import DateFormat, parse_dates, parse_epochs, to_dates
from deepglass.features._cell_statistics import Statistic, floats
from deepglass.features._statistics import scaled_change, scaling
from deepglass.features._text_format import text_format
from deepglass.features.base import Column, Feature, Raw, TypeGuess
from deepglass.formatting import plain_percent
from deepglass.parsing import MISSING, is_missing

if TYPE_CHECKING:
    from torch import nn

_DAY = 86_400.0
_MAX_SCALED = 10.0  # standard deviations, in columns with sentinels
_MAX_DISTANCE = 10.0  # of a date from the median of the distinct ones, in their interquartile range
_MIN_RANGE = 366 * _DAY  # of dates: what is beyond 10 of it is no date among dates of a few days
_YEAR = 365.2425 * _DAY


def _month(seconds: np.ndarray) -> np.ndarray:
    """Elapsed share of the month, 0 to 1."""
    days = np.floor(seconds / _DAY).astype("datetime64[D]")
    first = days.astype("datetime64[M]")
    length = ((first + 1).astype("datetime64[D]") - first.astype("datetime64[D]")).astype(np.float64)
    return (days - first.astype("datetime64[D]")).astype(np.float64) / length


def _usual(seconds: np.ndarray) -> np.ndarray:
    """Without sentinels, which stand for no date or an open one: 9999-12-31, 1900-01-01 among dates of this year."""
    lower, median, upper = np.quantile(np.unique(seconds), [0.25, 0.5, 0.75])
    usual = np.abs(seconds - median) <= _MAX_DISTANCE * max(upper - lower, _MIN_RANGE)
    return seconds if usual.all() else seconds[usual]


def _whole_as_text(raw: Raw) -> Raw:
    """Whole numbers as text, such as 20240131 or seconds since 1970."""
    if isinstance(raw, np.ndarray) and raw.ndim == 1 and raw.dtype.kind in "iuf":
        raw = pl.Series(raw)
    if not isinstance(raw, pl.Series) or not raw.dtype.is_numeric():
        return raw
    if raw.dtype.is_float():
        whole = raw.is_finite() & (raw == raw.floor())
        raw = raw.set(~whole.fill_null(False), None).cast(pl.Int64, strict=False)
    return raw.cast(pl.String)


def _parse(texts: pl.Series) -> DateFormat | None:
    """The format of dates, among them whole numbers of seconds, milli-, micro- or nanoseconds since 1970."""
    return parse_epochs(texts) or parse_dates(texts)


_PARTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "since": lambda s: s / _DAY,
    "year_sin": lambda s: np.sin(2 * np.pi * s / _YEAR),  # 1970-01-01 is the first day of a year
    "year_cos": lambda s: np.cos(2 * np.pi * s / _YEAR),
    "month_sin": lambda s: np.sin(2 * np.pi * _month(s)),
    "month_cos": lambda s: np.cos(2 * np.pi * _month(s)),
    "week_sin": lambda s: np.sin(2 * np.pi * np.floor(s / _DAY) / 7),
    "week_cos": lambda s: np.cos(2 * np.pi * np.floor(s / _DAY) / 7),
    "weekend": lambda s: ((np.floor(s / _DAY) + 3) % 7 >= 5).astype(np.float64),  # 1970-01-01 was a Thursday
    "day_sin": lambda s: np.sin(2 * np.pi * s / _DAY),
    "day_cos": lambda s: np.cos(2 * np.pi * s / _DAY),
}
"""Name -> component of seconds since 1970."""


@dataclass(frozen=True, kw_only=True)
class Date(Feature):
    """A date, with or without time, or a time of day; also as text.

    Encoded as days since 1970, and as cyclic positions (sine and cosine) in year, month, week and day; components that
    are constant in the training rows are left out.

    Example:
        >>> day = Date(name="day").fit([pl.Series(["2024-01-01", "2024-06-15", None])])
        >>> day.encode(pl.Series(["2024-03-01", "soon"])).mask
        array([ True, False])
    """

    parts_: tuple[str, ...] | None = None
    mean_: tuple[float, ...] | None = None
    std_: tuple[float, ...] | None = None
    format_: tuple[Any, ...] = ()  # a `DateFormat`; empty for columns of dates
    has_sentinels_: bool = False  # dates far from all others, such as 9999-12-31 for "open"

    parallel: ClassVar[tuple[str, ...]] = ("parts_", "mean_", "std_")
    tabular: ClassVar[bool] = True
    ordered: ClassVar[bool] = True
    has_axis: ClassVar[bool] = True
    is_time: ClassVar[bool] = True

    @classmethod
    def infer_type(cls, raw: Raw, name: str) -> TypeGuess | None:
        if not isinstance(raw, pl.Series):
            return None
        if raw.dtype in (pl.Date, pl.Datetime, pl.Time):
            return TypeGuess(0.95, "dates" if raw.dtype != pl.Time else "times of day")
        format = parse_dates(raw) if raw.dtype == pl.String else None
        if format is None:
            return None
        return TypeGuess(
            0.9 * format.share, f"{plain_percent(format.share, 0)} of the values are dates written {format}"
        )

    @classmethod
    def statistics(cls, raw: Raw) -> list[Statistic]:
        format = parse_dates(raw) if isinstance(raw, pl.Series) else None
        if format is None:
            return []
        microseconds = to_dates(cast(pl.Series, raw), format)[0].cast(pl.Datetime("us")).cast(pl.Int64)
        return [Statistic("time", floats(microseconds))]

    def fit(self, chunks: Iterable[Raw]) -> Self:
        chunks = [_whole_as_text(raw) for raw in chunks]
        format = text_format(chunks, _parse, "dates", self.column)
        seconds = np.concatenate([np.zeros(0), *(self._seconds(raw, format) for raw in chunks)])
        seconds = seconds[np.isfinite(seconds)]
        if not len(seconds):
            seconds = np.zeros(1)
        usual = _usual(seconds)
        sentinels = len(usual) < len(seconds)
        seconds = usual
        parts = {name: part(seconds) for name, part in _PARTS.items()}
        # Cyclic components with a small range add nothing to the days.
        names = [name for name, x in parts.items() if x.std() > (0 if name == "since" else 0.05)] or ["since"]
        return replace(
            self,
            parts_=tuple(names),
            mean_=tuple(float(parts[name].mean()) for name in names),
            std_=tuple(float(parts[name].std()) or 1.0 for name in names),
            format_=() if format is None else tuple(format),
            has_sentinels_=sentinels,
        )

    def encode(self, raw: Raw) -> Column:
        """Values (N, P) float32, standardised here, as float32 cannot resolve a second in 50 years."""
        seconds = self._seconds(raw, DateFormat(*self.format_) if self.format_ else None)
        mask = np.isfinite(seconds)
        seconds = np.where(mask, seconds, 0.0)
        columns = [
            (_PARTS[name](seconds) - mean) / std
            for name, mean, std in zip(self.parts_, self.mean_, self.std_, strict=True)
        ]
        if self.has_sentinels_:
            columns = [np.clip(x, -_MAX_SCALED, _MAX_SCALED) for x in columns]
        return Column(np.stack(columns, axis=1).astype(np.float32) * mask[:, None], mask)

    def to_axis(self, column: Column) -> np.ndarray:
        """Days since 1970."""
        assert self.mean_ is not None
        assert self.std_ is not None
        days = column.values[:, 0].astype(np.float64) * self.std_[0] + self.mean_[0]
        return np.where(column.mask, days, np.nan)

    def from_axis(self, positions: np.ndarray) -> Column:
        return self.encode(pl.from_epoch(pl.Series(positions * 86_400e6).cast(pl.Int64), time_unit="us"))

    def adapted(self, raw: Raw) -> tuple[Self, str]:
        raw = _whole_as_text(raw)
        if not self.format_ or not isinstance(raw, pl.Series) or raw.dtype != pl.String:
            return self, ""
        own, format = DateFormat(*self.format_), _parse(raw)
        present = ~is_missing(raw, MISSING).to_numpy()
        readable = np.isfinite(self._seconds(raw, own))[present].mean() if present.any() else 1.0
        if format is None or format.share <= readable:
            return self, ""
        return replace(self, format_=tuple(format)), f"read as dates written {format}; in training they were {own}"

    def count_anomalies(self, raw: Raw) -> dict[str, int]:
        seconds = self._seconds(raw, DateFormat(*self.format_) if self.format_ else None)
        missing = is_missing(raw, MISSING) if isinstance(raw, pl.Series) else np.isnan(np.asarray(raw, float))
        unreadable = int(np.isnan(seconds).sum()) - int(missing.sum())
        return {"not a date": unreadable} if unreadable else {}

    def normalizer(self, scale: str = "standard") -> nn.Module:
        from deepglass.nn.encoders_heads import Rescale

        return Rescale(*scaling(scale, 0.0, 1.0, -3.0, 6.0))

    def encoder(self, dim: int) -> nn.Module:
        from deepglass.nn.encoders_heads import VectorEncoder

        return VectorEncoder(self.normalizer(), len(self.parts_), dim)

    def change_size(self, before: np.ndarray, after: np.ndarray) -> np.ndarray:
        """Root mean square over the entries, in standard deviations."""
        return scaled_change(before, after, 1.0)

    def _seconds(self, raw: Raw, format: DateFormat | None) -> np.ndarray:
        """Seconds since 1970 (N,) float64, NaN = missing or unreadable; seconds of the day for times."""
        raw = _whole_as_text(raw)
        if not isinstance(raw, pl.Series) or raw.dtype not in (pl.Date, pl.Datetime, pl.Time, pl.String, pl.Null):
            raise self.bad_type("dates", raw)
        if raw.dtype == pl.Time:
            return raw.cast(pl.Int64).cast(pl.Float64).to_numpy() / 1e9
        if raw.dtype == pl.String:
            format = format or _parse(raw)
            if format is None:
                return np.full(len(raw), np.nan)
        dates, _ = to_dates(raw, format or DateFormat("native"))
        return dates.cast(pl.Int64).cast(pl.Float64).to_numpy() / 1e6
