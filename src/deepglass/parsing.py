"""Text that stands for something else: missing markers, numbers and dates as people write them.

    format = parse_numbers(pl.Series(["1.234,50 €", "7,25 €", "?"]))   # decimal ',', thousands '.', unit '€'
    values, bad = to_numbers(pl.Series(["2.000,00 €"]), format)        # [2000.0], 0

Detection looks at an even sample; conversion goes through the whole column. Sources use this to say what they
see, the number and date kinds to convert, so that both mean the same.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import NamedTuple

import numpy as np
import polars as pl

_EMPTY = ["", "?", "-", "--", ".", "#NULL!", "#VALUE!", "\\N"]
_NOT_AVAILABLE = ["NA", "na", "N/A", "n/a", "N.A.", "n.a.", "#N/A", "#NA", "<NA>"]
_NOT_A_VALUE = ["NaN", "nan", "NAN", "-nan", "null", "NULL", "Null", "nil"]
# "None" is left out on purpose: in many tables it is a category ("no alley") and not an unknown.
MISSING: frozenset[str] = frozenset([*_EMPTY, *_NOT_AVAILABLE, *_NOT_A_VALUE])
"""What means "unknown" in a text cell, after spaces around it are taken off."""

_SAMPLE = 5_000  # values looked at: a rarer writing than 1 in 5,000 shows up as a bad value, not as a new format
_CURRENCY = "$€£¥₹₽₩₺₪₫฿¢"
_CODES = (
    r"[A-Z]{1,2}\$|Rs\.?|kr\.?|USD|EUR|GBP|CHF|JPY|CNY|INR"
    "|AUD|CAD|NZD|SEK|NOK|DKK|PLN|CZK|HUF|BRL|MXN|ZAR|TRY|KRW|SGD|HKD"
)
_UNIT = r"[\p{L}°²³/%‰" + _CURRENCY + r"]{1,6}"
_SPACES = "[\u00a0\u2007\u2009\u202f]"


class NumberFormat(NamedTuple):
    """How the numbers of a text column are written."""

    decimal: str = "."  # "." or ","
    thousands: str = ""  # "", ",", ".", " " or "'"
    unit: str = ""  # a sign or word before or after each number: "$", "%", "kg"
    share: float = 1.0  # of the values that are not missing
    leading_zeros: bool = False  # some are written like 00501: more likely a code than a quantity

    @property
    def plain(self) -> bool:
        """Whether an ordinary cast reads it."""
        return self.decimal == "." and not self.thousands and not self.unit

    def __str__(self) -> str:
        parts = [f"decimal {self.decimal!r}"]
        parts += [f"thousands {self.thousands!r}"] if self.thousands else []
        parts += [f"unit {self.unit!r}"] if self.unit else []
        return ", ".join(parts)


class DateFormat(NamedTuple):
    """How the dates or times of day of a column are written, in strptime's letters, or "native" for a date column.

    `others` read what `pattern` leaves, in their order: columns that were put together are written in several ways.
    """

    pattern: str
    share: float = 1.0  # of the values that are not missing
    has_time: bool = False
    ambiguous: bool = False  # day and month could be the other way round in every value seen
    others: tuple[str, ...] = ()

    def __str__(self) -> str:
        written = ", ".join([self.pattern, *self.others])
        return written + (" (day and month could be swapped)" if self.ambiguous else "")


def is_missing(series: pl.Series) -> pl.Series:
    """Which values are unknown: null, NaN, or a text in `MISSING`; a bool series without nulls."""
    series = series.cast(pl.String) if series.dtype in (pl.Categorical, pl.Enum) else series
    if series.dtype == pl.String:
        return series.is_null() | series.str.strip_chars().is_in(list(MISSING)).fill_null(True)
    if series.dtype.is_float():
        return series.is_null() | series.is_nan().fill_null(True)
    return series.is_null()


# -- numbers -----------------------------------------------------------------------------------------------------

# In the order in which a tie is settled: "1,234" alone is taken for thousands, "1.234" for a decimal point.
_STYLES = [(".", ""), (".", ","), (",", "."), (",", ""), (".", " "), (",", " "), (".", "'"), (",", "'")]


def parse_numbers(series: pl.Series) -> NumberFormat | None:
    """The writing that reads most of a column's values as numbers, or None when it reads fewer than half.

    A unit or currency sign counts only when it is the same for all values that have one.
    """
    if series.dtype.is_numeric():
        return NumberFormat()
    if series.dtype != pl.String:
        return None
    values = _sample(series)
    if not len(values):
        return None
    values = _tidy(values)
    unit = _common_unit(values)
    bare = _without_unit(values, unit)
    best = NumberFormat(share=0.0)
    for decimal, thousands in _STYLES:
        share = _share(bare.str.contains(_number_pattern(decimal, thousands)))
        if share > best.share + 1e-9:
            best = NumberFormat(decimal, thousands, unit, share)
    if best.share < 0.5:
        return None
    return best._replace(leading_zeros=bool(bare.str.contains(r"^0\d+$").any()))


def to_numbers(series: pl.Series, format: NumberFormat) -> tuple[pl.Series, int]:
    """A column as floats (null = missing) and how many of its values are neither missing nor numbers."""
    missing = is_missing(series)
    if series.dtype == pl.String:
        bare = _without_unit(_tidy(series), format.unit)
        if not format.plain:
            readable = bare.str.contains(_number_pattern(format.decimal, format.thousands))
            bare = bare.set(~readable.fill_null(False), None)
        if format.thousands:
            bare = bare.str.replace_all(format.thousands, "", literal=True)
        if format.decimal != ".":
            bare = bare.str.replace(format.decimal, ".", literal=True)
        numbers = bare.cast(pl.Float64, strict=False)
    else:
        numbers = series.cast(pl.Float64, strict=False)
    numbers = numbers.set(missing | numbers.is_nan().fill_null(False), None)
    return numbers.rename(series.name), int((numbers.is_null() & ~missing).sum())


def _number_pattern(decimal: str, thousands: str) -> str:
    d, whole = re.escape(decimal), r"\d+"
    if thousands:
        t = re.escape(thousands)
        whole = rf"(?:[1-9]\d{{0,2}}(?:{t}\d{{3}})+|\d+)"
        if thousands == ",":  # in India by two beyond the first three
            whole = rf"(?:[1-9]\d?(?:,\d\d)+,\d{{3}}|{whole})"
    return rf"^[+-]?(?:(?:{whole}(?:{d}\d*)?|{d}\d+)(?:[eE][+-]?\d+)?|(?i:inf|infinity))$"


def _tidy(values: pl.Series) -> pl.Series:
    """One kind of space, minus and apostrophe; accountants' (12) as -12."""
    values = values.str.replace_all(_SPACES, " ").str.strip_chars()
    values = values.str.replace("^[\u2212\u2013]", "-").str.replace_all("\u2019", "'", literal=True)
    return values.str.replace(r"^\((.*\d.*)\)$", "-$1")


def _common_unit(values: pl.Series) -> str:
    """The one sign or word that stands before or after the numbers, or ""."""
    before = values.str.extract(rf"^[+-]?\s*([{_CURRENCY}]|{_CODES})\s*[+-]?[\d.,]", 1)
    after = values.str.extract(rf"^[^\p{{L}}]*\d[.,]?\s*({_UNIT})$", 1)
    units = pl.concat([before, after]).drop_nulls()
    if not len(units) or units.n_unique() > 1:
        return ""
    # With most numbers bare, letters behind a few are codes such as 12a, not units.
    return units[0] if len(units) >= 0.5 * len(values) or not units[0].isalpha() else ""


def _without_unit(values: pl.Series, unit: str) -> pl.Series:
    if not unit:
        return values
    u = re.escape(unit)
    return values.str.replace(rf"\s*{u}$", "").str.replace(rf"^([+-]?)\s*{u}\s*", "$1")


def _share(found: pl.Series) -> float:
    return float(np.mean(found.to_numpy()))


def _sample(series: pl.Series) -> pl.Series:
    """Values that are not missing, spread over the whole column."""
    if len(series) > _SAMPLE:
        series = series.gather_every(-(-len(series) // _SAMPLE))
    return series.filter(~is_missing(series))


# -- dates -------------------------------------------------------------------------------------------------------

# Months come first: "%b %d %Y" would read "Jan 2020" as the 20th of January in the year 20.
_DAYS = [
    "%Y-%m",
    "%Y/%m",
    "%b %Y",
    "%B %Y",
    "%m/%Y",
    "%Y-%m-%d",
    "%Y/%m/%d",
    "%Y.%m.%d",
    "%m/%d/%Y",
    "%d/%m/%Y",
    "%d.%m.%Y",
    "%m.%d.%Y",
    "%d-%m-%Y",
    "%m-%d-%Y",
]
_DAYS += ["%d %b %Y", "%d-%b-%Y", "%b %d, %Y", "%b %d %Y", "%d %B %Y", "%B %d, %Y", "%B %d %Y", "%a, %d %b %Y"]
_DAYS += ["%m/%d/%y", "%d/%m/%y", "%d.%m.%y", "%d-%b-%y", "%Y%m%d"]
_TIMES = ["%H:%M:%S", "%H:%M", "%H:%M:%S%.f", "%I:%M:%S %p", "%I:%M %p"]
_SWAPPED = {"%m/%d/%Y": "%d/%m/%Y", "%d.%m.%Y": "%m.%d.%Y", "%d-%m-%Y": "%m-%d-%Y", "%m/%d/%y": "%d/%m/%y"}
_LOOKS_LIKE_DATE = (
    r"^(?:[A-Za-z]{3,9},? ?)?\d{1,4}(?:[-/. ]?[A-Za-z]{3,9}[-/. ]?,? ?\d{1,4}|[-/.]\d{1,2}|\d{4}\b|,? \d{4})"
    r"|^[A-Za-z]{3,9},? \d{4}$"
)
_LOOKS_LIKE_TIME = r"^\d{1,2}:\d\d(?::\d\d(?:\.\d+)?)?(?: [AaPp][Mm])?$"
_TRIED = 200  # values; each pattern is tried on these
_WAYS = 4  # to write dates in one column, at most
_TOO_RARE = 0.05  # of these; what fewer are written like is a slip, not a way to write


def parse_dates(series: pl.Series) -> DateFormat | None:
    """The patterns that read most of a column's values as dates or times of day, or None when they read less than half.

    Where day and month cannot be told apart, the order that makes the column sorted wins; else month first with
    slashes and day first with dots and dashes, and `ambiguous` is set.
    """
    if series.dtype in (pl.Date, pl.Datetime):
        return DateFormat("native", 1.0, series.dtype == pl.Datetime)
    if series.dtype != pl.String:
        return None
    values = _sample(series)
    few = values.gather_every(max(1, len(values) // _TRIED)).str.strip_chars()
    if not len(few) or _share(few.str.contains(f"{_LOOKS_LIKE_DATE}|{_LOOKS_LIKE_TIME}")) < 0.5:
        return None
    patterns: list[str] = []
    ambiguous = False
    rest = few
    while len(rest) > _TOO_RARE * len(few) and len(patterns) < _WAYS:
        tried = {order for pattern in patterns for order in _orders(pattern)}
        pattern, unsure = _day_or_month_first(values, _likeliest(rest, tried))
        unread = rest.filter(_strptime(rest, pattern).is_null())
        if len(rest) - len(unread) <= _TOO_RARE * len(few):
            break
        patterns.append(pattern)
        ambiguous |= unsure
        rest = unread
    if len(rest) > 0.5 * len(few):
        return None
    format = DateFormat(patterns[0], 1.0, ":" in patterns[0], ambiguous, tuple(patterns[1:]))
    return format._replace(share=1 - _read(values, format).null_count() / len(values))


def _likeliest(values: pl.Series, tried: Collection[str]) -> str:
    """The pattern that reads most of the values, of those not tried yet; any where none reads one."""
    times, days = [""], _DAYS
    if _share(values.str.contains(_LOOKS_LIKE_TIME)) >= 0.5:
        times, days = _TIMES, [""]
    elif _share(values.str.contains(r"\d:\d\d")) >= 0.5:
        joint = "T" if _share(values.str.contains(r"\dT\d")) >= 0.5 else " "
        zone = "%#z" if _share(values.str.contains(r"(?:Z|[+-]\d\d:?\d\d)$")) >= 0.5 else ""
        times = [f"{joint}{t}{zone}" for t in _TIMES]
    if days is _DAYS:
        year = "%Y" if _share(values.str.contains(r"\d{4}")) >= 0.5 else "%y"  # strptime's %Y also takes 20 for year 20
        days = [day for day in _DAYS if year in day]
    candidates = [day + time for time in times for day in days if day + time not in tried]
    return min(candidates, key=lambda pattern: _strptime(values, pattern).null_count())


def to_dates(series: pl.Series, format: DateFormat) -> tuple[pl.Series, int]:
    """A column as Datetime (microseconds, UTC where it had zones) and how many values are neither missing nor dates."""
    missing = is_missing(series)
    if series.dtype == pl.String:
        dates = _read(series, format)
    elif isinstance(series.dtype, pl.Datetime) and series.dtype.time_zone:
        dates = series.dt.convert_time_zone("UTC").dt.replace_time_zone(None).cast(pl.Datetime("us"))
    else:
        dates = series.cast(pl.Datetime("us"), strict=False)
    dates = dates.set(missing, None)
    return dates.rename(series.name), int((dates.is_null() & ~missing).sum())


def _read(values: pl.Series, format: DateFormat) -> pl.Series:
    """Texts as Datetime by the patterns in turn; null where none reads them."""
    dates = _strptime(values, format.pattern)
    for pattern in format.others:
        dates = dates.zip_with(dates.is_not_null(), _strptime(values, pattern))
    return dates


def _strptime(values: pl.Series, pattern: str) -> pl.Series:
    values = values.str.strip_chars()
    if pattern in _TIMES:  # a time of day: that of the day from which dates are counted
        values, pattern = "1970-01-01 " + values, f"%Y-%m-%d {pattern}"
    if "%d" not in pattern:  # a month: its first day
        values, pattern = values + " 1", pattern + " %d"
    if "z" in pattern:
        zoned = values.str.to_datetime(pattern, strict=False, time_unit="us", time_zone="UTC")
        return zoned.dt.replace_time_zone(None)
    if ":" not in pattern:
        return values.str.to_date(pattern, strict=False).cast(pl.Datetime("us"))
    return values.str.to_datetime(pattern, strict=False, time_unit="us")


def _orders(pattern: str) -> tuple[str, str]:
    """A pattern with day and month in the usual order and in the other; twice itself where they cannot be swapped."""
    for usual, other in _SWAPPED.items():
        for day in (usual, other):
            if pattern.startswith(day):
                return pattern.replace(day, usual), pattern.replace(day, other)
    return pattern, pattern


def _day_or_month_first(values: pl.Series, pattern: str) -> tuple[str, bool]:
    """The better of the two orders on all sampled values, and whether both read them equally well."""
    first, second = _orders(pattern)
    if first == second:
        return pattern, False
    read = [_strptime(values, p) for p in (first, second)]
    if read[0].null_count() != read[1].null_count():
        return (first if read[0].null_count() < read[1].null_count() else second), False
    ordered = [r.drop_nulls().is_sorted() or r.drop_nulls().is_sorted(descending=True) for r in read]
    if ordered[0] != ordered[1]:
        return (first if ordered[0] else second), False
    return first, True
