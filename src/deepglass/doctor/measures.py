"""Scalar measures of a column's values: the value itself, a text's length, an image's brightness."""

from __future__ import annotations

import calendar
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import polars as pl

from deepglass.doctor.media_summary import MediaSummary
from deepglass.features.base import Feature, Raw
from deepglass.features.date import Date
from deepglass.features.number import Number
from deepglass.features.text import Text
from deepglass.formatting import plain_number
from deepglass.parsing import is_missing, parse_dates, parse_numbers, to_dates, to_numbers

_DAY = 86_400e6  # microseconds
_YEAR = 365  # days
_MONTHS = tuple(calendar.month_name[1:])
_DAYS = tuple(calendar.day_name)
_HOURS = tuple(f"{hour}:00" for hour in range(24))


class Measure(NamedTuple):
    """One number per row.

    Args:
        what: "" for the value itself, else what is measured, such as "brightness".
        values: (N,) float64; codes where there are `names`, microseconds since 1970 for times; NaN = missing.
        names: of the codes, for unordered values.
        complete: whether every row was measured; else NaN may also mean that a file was not opened.
    """

    column: str
    what: str
    values: np.ndarray
    names: tuple[str, ...] | None = None
    complete: bool = True

    @property
    def title(self) -> str:
        return f"{self.column} ({self.what})" if self.what else self.column

    def format(self, value: float) -> str:
        """A value as text: a name, a day, a number."""
        if self.names is not None:
            return repr(self.names[int(value)])
        return _format_time(value) if self.what == "time" else plain_number(value)


def measures_of(feature_type: type[Feature], column: str, raw: Raw, media: Mapping[str, MediaSummary]) -> list[Measure]:
    """The measures of a column of this type; empty for types without any."""
    if column in media:
        return [Measure(column, what, values, complete=False) for what, values in media[column].statistics.items()]
    if isinstance(raw, np.ndarray) and raw.ndim == 1 and raw.dtype.kind in "iufb":
        raw = pl.Series(column, raw)
    text = issubclass(feature_type, Text)
    if text and isinstance(raw, pl.Series) and raw.dtype == pl.List(pl.String):
        return [Measure(column, "words", raw.list.len().cast(pl.Float64).fill_null(np.nan).to_numpy())]
    if not isinstance(raw, pl.Series) or raw.dtype.is_nested() or raw.dtype == pl.Object:
        return []
    if issubclass(feature_type, Number):
        return _number(column, raw)
    if issubclass(feature_type, Date):
        return _date(column, raw)
    if feature_type.has_classes:
        return [_codes(column, raw)]
    return [_words(column, raw)] if text and raw.dtype == pl.String else []


def _number(column: str, raw: pl.Series) -> list[Measure]:
    if raw.dtype == pl.String:
        format = parse_numbers(raw)
        if format is None:
            return []
        raw = to_numbers(raw, format)[0]
    if not (raw.dtype.is_numeric() or raw.dtype == pl.Boolean):
        return []
    values = raw.cast(pl.Float64, strict=False).fill_null(np.nan).to_numpy().copy()
    values[~np.isfinite(values)] = np.nan
    return [Measure(column, "", values)]


def _date(column: str, raw: pl.Series) -> list[Measure]:
    format = parse_dates(raw)
    if format is None:
        return []
    days = to_dates(raw, format)[0].cast(pl.Datetime("us")).cast(pl.Int64).cast(pl.Float64)
    return [Measure(column, "time", days.fill_null(np.nan).to_numpy())]


def calendar_measures(time: Measure) -> list[Measure]:
    """Month, day of the week and hour of a time, those whose whole cycle the rows cover."""
    present = np.isfinite(time.values)
    if not present.any():
        return []
    days = time.values / _DAY
    whole = np.floor(days)
    span = float(days[present].max() - days[present].min())
    months = np.where(present, whole, 0).astype("datetime64[D]").astype("datetime64[M]").astype(np.int64) % 12
    parts = [
        ("month", months, _MONTHS, span >= _YEAR),
        ("day of the week", (whole + 3) % 7, _DAYS, span >= len(_DAYS)),  # 1970-01-01 was a Thursday
        ("hour", np.floor((days - whole) * len(_HOURS)), _HOURS, bool((days != whole)[present].any())),
    ]
    return [
        Measure(time.column, what, np.where(present, v, np.nan), names) for what, v, names, covered in parts if covered
    ]


def _format_time(microseconds: float) -> str:
    """A day, with the time where it is not midnight: `2024-03-01`, `2024-03-01 14:30`."""
    at = np.datetime64(int(microseconds), "us")
    return str(at.astype("datetime64[D]" if microseconds % _DAY == 0 else "datetime64[m]")).replace("T", " ")


def _codes(column: str, raw: pl.Series) -> Measure:
    texts = raw.cast(pl.String, strict=False)
    texts = texts.set(is_missing(texts), None)
    names = texts.drop_nulls().unique(maintain_order=True)
    codes = texts.replace_strict(names, pl.int_range(len(names), eager=True), default=None)
    return Measure(column, "", codes.cast(pl.Float64).fill_null(np.nan).to_numpy(), tuple(names.to_list()))


def _words(column: str, raw: pl.Series) -> Measure:
    count = raw.str.count_matches(r"\S+").cast(pl.Float64)
    return Measure(column, "words", count.fill_null(np.nan).to_numpy())
