"""Parsing of text columns: missing values, and numbers and dates in common formats.

    format = parse_numbers(pl.Series(["1.234,50 €", "7,25 €", "?"]))   # decimal ',', thousands '.', unit '€'
    values, bad = to_numbers(pl.Series(["2.000,00 €"]), format)        # [2000.0], 0

Detection reads an evenly spaced sample; conversion reads the whole column. Sources use the first to report columns,
the number and date features use both.
"""

import re
from collections.abc import Collection
from typing import NamedTuple

import numpy as np
import polars as pl

ALWAYS_MISSING: frozenset[str] = frozenset(["", "?", "#NULL!", "#VALUE!", "#N/A", "#NA", "<NA>", "\\N"])
"""Texts that are a missing value in every column, after stripping spaces."""

_NOT_AVAILABLE = ["NA", "na", "N/A", "n/a", "N.A.", "n.a.", "-", "--", "."]
_NOT_A_VALUE = ["NaN", "nan", "NAN", "-nan", "null", "NULL", "Null", "nil"]
# "None" is left out on purpose: in many tables it is a category ("no alley").
MISSING: frozenset[str] = ALWAYS_MISSING.union(_NOT_AVAILABLE, _NOT_A_VALUE)
"""Texts that are a missing value among numbers and dates; in a column of other texts the source decides."""

_EMPTY: frozenset[str] = frozenset([""])

_SAMPLE = 5_000  # values; a format of fewer than 1 in 5,000 values is not detected
_CURRENCY = "$€£¥₹₽₩₺₪₫฿¢"
_CODES = (
    r"[A-Z]{1,2}\$|Rs\.?|kr\.?|USD|EUR|GBP|CHF|JPY|CNY|INR"
    "|AUD|CAD|NZD|SEK|NOK|DKK|PLN|CZK|HUF|BRL|MXN|ZAR|TRY|KRW|SGD|HKD"
)
_UNIT = r"[\p{L}°²³/%‰" + _CURRENCY + r"]{1,6}"
_DIGITS = ("٠١٢٣٤٥٦٧٨٩", "۰۱۲۳۴۵۶۷۸۹", "０１２３４５６７８９", "०१२३४५६७८९")  # Arabic, Persian, wide, Devanagari
_ARABIC_MARKS = ("٫", "٬")  # of decimals and of thousands
_TRAILING_MINUS = r"^(\d[\d.,]*)\s?-$"
_MAX_GRADES = 12  # different values of a column in which a minus behind a digit may be part of a grade
_SPACES = "[\u00a0\u2007\u2009\u202f]"


class NumberFormat(NamedTuple):
    """Number format of a text column."""

    decimal: str = "."  # "." or ","
    thousands: str = ""  # "", ",", ".", " " or "'"
    unit: str = ""  # before or after each number: "$", "%", "kg"
    share: float = 1.0  # of the values that are not missing
    leading_zeros: bool = False  # such as 00501: more likely a code than a quantity
    trailing_minus: bool = False  # 5- for -5, as accounting writes it
    digits: str = ""  # other than 0 to 9, such as the Arabic ones

    @property
    def plain(self) -> bool:
        """Whether a plain cast to float parses it."""
        return self.decimal == "." and not (self.thousands or self.unit or self.trailing_minus or self.digits)

    def __str__(self) -> str:
        parts = [f"decimal {self.decimal!r}"]
        parts += [f"thousands {self.thousands!r}"] if self.thousands else []
        parts += [f"unit {self.unit!r}"] if self.unit else []
        parts += ["a minus behind"] if self.trailing_minus else []
        parts += [f"digits {self.digits}"] if self.digits else []
        return ", ".join(parts)


class DateFormat(NamedTuple):
    """Date or time format of a column as a strptime pattern; "native" for a column of dates.

    `others` are tried in order where `pattern` does not match, for columns of mixed formats.
    """

    pattern: str
    share: float = 1.0  # of the values that are not missing
    has_time: bool = False
    ambiguous: bool = False  # day and month can be swapped in all sampled values
    others: tuple[str, ...] = ()

    def __str__(self) -> str:
        written = ", ".join([self.pattern, *self.others])
        return written + (" (day and month could be swapped)" if self.ambiguous else "")


def is_missing(series: pl.Series, texts: Collection[str] = _EMPTY) -> pl.Series:
    """Which values are missing: null, NaN, or one of these texts; a bool series without nulls."""
    series = series.cast(pl.String) if series.dtype in (pl.Categorical, pl.Enum) else series
    if series.dtype == pl.String:
        return series.is_null() | series.str.strip_chars().is_in(list(texts)).fill_null(True)
    if series.dtype.is_float():
        return series.is_null() | series.is_nan().fill_null(True)
    return series.is_null()


# -- numbers -----------------------------------------------------------------------------------------------------

# In the order of preference on ties: "1,234" alone has thousands, "1.234" a decimal point.
_STYLES = [(".", ""), (".", ","), (",", "."), (",", ""), (".", " "), (",", " "), (".", "'"), (",", "'")]


def parse_numbers(series: pl.Series, decimal: str = "") -> NumberFormat | None:
    """The format that parses most values of a column as numbers; None if it parses fewer than half.

    A unit or currency sign must be the same for all values that have one.

    Args:
        decimal: the decimal mark of the file, which decides where several formats parse as many values.
    """
    if series.dtype.is_numeric():
        return NumberFormat()
    if series.dtype != pl.String:
        return None
    values = _sample(series)
    if not len(values):
        return None
    digits = next((d for d in _DIGITS if values.str.contains(f"[{d}]").any()), "")
    values = _normalise(values, digits)
    trailing_minus = _has_trailing_minus(values)
    if trailing_minus:
        values = values.str.replace(_TRAILING_MINUS, "-$1")
    unit = _common_unit(values)
    bare = _without_unit(values, unit)
    best = NumberFormat(share=0.0)
    for mark, thousands in sorted(_STYLES, key=lambda style: style[0] != decimal) if decimal else _STYLES:
        share = _share(bare.str.contains(_number_pattern(mark, thousands)))
        if share > best.share + 1e-9:
            best = NumberFormat(mark, thousands, unit, share)
    if best.share < 0.5:
        return None
    leading_zeros = bool(bare.str.contains(r"^0\d+$").any())
    return best._replace(leading_zeros=leading_zeros, trailing_minus=trailing_minus, digits=digits)


def to_numbers(series: pl.Series, format: NumberFormat) -> tuple[pl.Series, int]:
    """A column as floats (null = missing) and how many of its values are neither missing nor numbers."""
    missing, bare = is_missing(series, MISSING), series
    if series.dtype == pl.String:
        bare = _normalise(series, format.digits)
        if format.trailing_minus:
            bare = bare.str.replace(_TRAILING_MINUS, "-$1")
        bare = _without_unit(bare, format.unit)
        if not format.plain:
            readable = bare.str.contains(_number_pattern(format.decimal, format.thousands))
            bare = bare.set(~readable.fill_null(False), None)
        if format.thousands:
            bare = bare.str.replace_all(format.thousands, "", literal=True)
        if format.decimal != ".":
            bare = bare.str.replace(format.decimal, ".", literal=True)
    numbers = bare.cast(pl.Float64, strict=False)
    numbers = numbers.set(missing | numbers.is_nan().fill_null(False), None)
    return numbers.rename(series.name), int((numbers.is_null() & ~missing).sum())


def _number_pattern(decimal: str, thousands: str) -> str:
    d, whole = re.escape(decimal), r"\d+"
    if thousands:
        t = re.escape(thousands)
        whole = rf"(?:[1-9]\d{{0,2}}(?:{t}\d{{3}})+|\d+)"
        if thousands == ",":  # Indian grouping: pairs beyond the first three digits
            whole = rf"(?:[1-9]\d?(?:,\d\d)+,\d{{3}}|{whole})"
    return rf"^[+-]?(?:(?:{whole}(?:{d}\d*)?|{d}\d+)(?:[eE][+-]?\d+)?|(?i:inf|infinity))$"


def _has_trailing_minus(values: pl.Series) -> bool:
    """Whether a minus behind a number is its sign: not in grades such as 1, 1- and 2, which are few."""
    marked = values.filter(values.str.contains(_TRAILING_MINUS))
    return len(marked) > 0 and (values.n_unique() > _MAX_GRADES or bool(marked.str.contains(r"[.,]\d").any()))


def _normalise(values: pl.Series, digits: str = "") -> pl.Series:
    """Uniform digits, space, minus and apostrophe characters; (12) as -12.

    Args:
        digits: that stand for 0 to 9.
    """
    if digits:
        values = values.str.replace_many([*digits, *_ARABIC_MARKS], [*"0123456789", *".,"])
    values = values.str.replace_all(_SPACES, " ").str.strip_chars()
    values = values.str.replace("^[\u2212\u2013]", "-").str.replace_all("\u2019", "'", literal=True)
    return values.str.replace(r"^\((.*\d.*)\)$", "-$1")


def _common_unit(values: pl.Series) -> str:
    """The unit before or after the numbers, if all have the same; else ""."""
    before = values.str.extract(rf"^[+-]?\s*([{_CURRENCY}]|{_CODES})\s*[+-]?[\d.,]", 1)
    after = values.str.extract(rf"^[^\p{{L}}]*\d[.,]?\s*({_UNIT})$", 1)
    units = pl.concat([before, after]).drop_nulls()
    if not len(units) or units.n_unique() > 1:
        return ""
    # If most numbers have no unit, letters after a few are codes such as 12a.
    return units[0] if len(units) >= 0.5 * len(values) or not units[0].isalpha() else ""


def _without_unit(values: pl.Series, unit: str) -> pl.Series:
    if not unit:
        return values
    u = re.escape(unit)
    return values.str.replace(rf"\s*{u}$", "").str.replace(rf"^([+-]?)\s*{u}\s*", "$1")


def _share(matches: pl.Series) -> float:
    return float(np.mean(matches.to_numpy()))


def _sample(series: pl.Series) -> pl.Series:
    """An evenly spaced sample of the values that are not missing."""
    if len(series) > _SAMPLE:
        series = series.gather_every(-(-len(series) // _SAMPLE))
    return series.filter(~is_missing(series, MISSING))


# -- dates -------------------------------------------------------------------------------------------------------

# Months come first: "%b %d %Y" would read "Jan 2020" as the 20th of January in the year 20.
_DAYS = ["%Y-%m", "%Y/%m", "%b %Y", "%B %Y", "%m/%Y"]
_DAYS += ["%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%m/%d/%Y", "%d/%m/%Y", "%d.%m.%Y", "%m.%d.%Y", "%d-%m-%Y", "%m-%d-%Y"]
_DAYS += ["%d %b %Y", "%d-%b-%Y", "%b %d, %Y", "%b %d %Y", "%d %B %Y", "%B %d, %Y", "%B %d %Y", "%a, %d %b %Y"]
_DAYS += ["%m/%d/%y", "%d/%m/%y", "%d.%m.%y", "%d-%m-%y", "%m-%d-%y", "%d-%b-%y", "%b %d, %y", "%d %b %y", "%Y%m%d"]
_TIMES = ["%H:%M:%S", "%H:%M", "%H:%M:%S%.f", "%I:%M:%S %p", "%I:%M %p"]
_YEAR_LAST = ["%a %b %d %H:%M:%S %Y", "%b %d %H:%M:%S %Y"]  # as ctime writes it
_ZONES = ("UTC", "GMT", "Z")  # names after a time, all the same zone
_MIN_YEAR = 1000  # of four digits: strptime's %Y reads 21 as the year 21
_SWAPPED = {
    "%m/%d/%Y": "%d/%m/%Y",
    "%d.%m.%Y": "%m.%d.%Y",
    "%d-%m-%Y": "%m-%d-%Y",
    "%m/%d/%y": "%d/%m/%y",
    "%d-%m-%y": "%m-%d-%y",
}
_LOOKS_LIKE_DATE = (
    r"^(?:[A-Za-z]{3,9},? ?){0,2}\d{1,4}(?:[-/. ]?[A-Za-z]{3,9}[-/. ]?,? ?\d{1,4}|[-/.]\d{1,2}|\d{4}\b|,? \d{4})"
    r"|^[A-Za-z]{3,9},? \d{4}$|^(?:[A-Za-z]{3} ){1,2} ?\d{1,2} \d\d:\d\d:\d\d .*\d{4}$"
)
_LOOKS_LIKE_TIME = r"^\d{1,2}:\d\d(?::\d\d(?:\.\d+)?)?(?: [AaPp][Mm])?$"
_EPOCH = "since 1970 in "
_NUM_TRIED = 200  # values that each pattern is tried on
_MAX_PATTERNS = 4  # in one column
_MIN_PATTERN_SHARE = 0.05  # of these values; rarer formats are errors


def parse_dates(series: pl.Series) -> DateFormat | None:
    """The patterns that parse most values as dates or times of day; None if they parse fewer than half.

    If day and month can be swapped, the order in which the column is sorted wins; else month first with slashes, day
    first with dots and dashes, and `ambiguous` is set.
    """
    if series.dtype in (pl.Date, pl.Datetime):
        return DateFormat("native", 1.0, series.dtype == pl.Datetime)
    if series.dtype != pl.String:
        return None
    values = _sample(series)
    sample = values.gather_every(max(1, len(values) // _NUM_TRIED)).str.strip_chars()
    if not len(sample) or _share(sample.str.contains(f"{_LOOKS_LIKE_DATE}|{_LOOKS_LIKE_TIME}")) < 0.5:
        return None
    patterns: list[str] = []
    ambiguous = False
    remaining = sample
    while len(remaining) > _MIN_PATTERN_SHARE * len(sample) and len(patterns) < _MAX_PATTERNS:
        used = {order for pattern in patterns for order in _orders(pattern)}
        pattern, is_ambiguous = _day_or_month_first(values, _best_pattern(remaining, used))
        if is_ambiguous and any(_is_swapped(earlier) for earlier in patterns):
            pattern = _orders(pattern)[1]  # the order is that of the other formats
        unmatched = remaining.filter(_strptime(remaining, pattern).is_null())
        if len(remaining) - len(unmatched) <= _MIN_PATTERN_SHARE * len(sample):
            break
        patterns.append(pattern)
        ambiguous |= is_ambiguous
        remaining = unmatched
    if len(remaining) > 0.5 * len(sample):
        return None
    format = DateFormat(patterns[0], 1.0, ":" in patterns[0], ambiguous, tuple(patterns[1:]))
    return format._replace(share=1 - _parse(values, format).null_count() / len(values))


def parse_epochs(series: pl.Series) -> DateFormat | None:
    """The unit of whole numbers that count from 1970 on, if nearly all values are such; they are dates only on request.

    The years 1973 to 2286 have 9 or 10 digits in seconds, and 3, 6 or 9 more in smaller units.
    """
    values = _sample(series).str.strip_chars()
    for digits, unit in ((0, "s"), (3, "ms"), (6, "us"), (9, "ns")):
        share = _share(values.str.contains(rf"^\d{{{9 + digits},{10 + digits}}}$")) if len(values) else 0.0
        if share > 0.95:
            return DateFormat(f"{_EPOCH}{unit}", share, has_time=True)
    return None


def _best_pattern(values: pl.Series, used: Collection[str]) -> str:
    """The unused pattern that parses most of the values."""
    times, days = [""], _DAYS
    if _share(values.str.contains(_LOOKS_LIKE_TIME)) >= 0.5:
        times, days = _TIMES, [""]
    elif _share(values.str.contains(r"\d:\d\d")) >= 0.5:
        separator = "T" if _share(values.str.contains(r"\dT\d")) >= 0.5 else " "
        separator = ", " if _share(values.str.contains(r"\d, \d+:")) >= 0.5 else separator
        zone = "%#z" if _share(values.str.contains(r"(?:Z|[+-]\d\d:?\d\d)$")) >= 0.5 else ""
        zone = " %#z" if zone and _share(values.str.contains(r" [+-]\d\d:?\d\d$")) >= 0.5 else zone
        zone = next((f" {name}" for name in _ZONES if _share(values.str.contains(f" {name}$")) >= 0.5), zone)
        times = [f"{separator}{t}{zone}" for t in _TIMES]
        if _share(values.str.contains(r":\d\d (?:[A-Z]{3} |[+-]\d{4} )?\d{4}$")) >= 0.5:
            zone = _share(values.str.contains(r":\d\d (?:UTC|GMT) \d{4}$")) >= 0.5
            offset = _share(values.str.contains(r":\d\d [+-]\d{4} \d{4}$")) >= 0.5
            middle = " UTC %Y" if zone else " %z %Y" if offset else " %Y"
            times, days = [""], [pattern.replace(" %Y", middle) for pattern in _YEAR_LAST]
    if days is _DAYS:
        year = "%Y" if _share(values.str.contains(r"\d{4}")) >= 0.5 else "%y"  # strptime's %Y also takes 20 for year 20
        days = [day for day in _DAYS if year in day]
    candidates = [day + time for time in times for day in days if day + time not in used]
    return min(candidates, key=lambda pattern: _strptime(values, pattern).null_count())


def to_dates(series: pl.Series, format: DateFormat) -> tuple[pl.Series, int]:
    """A column as Datetime (microseconds, UTC where it had zones) and how many values are neither missing nor dates."""
    missing = is_missing(series, MISSING)
    if series.dtype == pl.String:
        dates = _parse(series, format)
    elif isinstance(series.dtype, pl.Datetime) and series.dtype.time_zone:
        dates = series.dt.convert_time_zone("UTC").dt.replace_time_zone(None).cast(pl.Datetime("us"))
    else:
        dates = series.cast(pl.Datetime("us"), strict=False)
    dates = dates.set(missing, None)
    return dates.rename(series.name), int((dates.is_null() & ~missing).sum())


def _parse(values: pl.Series, format: DateFormat) -> pl.Series:
    """Texts as Datetime by the patterns in order; null where none matches."""
    dates = _strptime(values, format.pattern)
    for pattern in format.others:
        dates = dates.zip_with(dates.is_not_null(), _strptime(values, pattern))
    return dates


def _strptime(values: pl.Series, pattern: str) -> pl.Series:
    values = values.str.strip_chars()
    if pattern.startswith(_EPOCH):
        unit = {"s": 10**6, "ms": 10**3, "us": 1, "ns": 1}[pattern.removeprefix(_EPOCH)]
        numbers = values.cast(pl.Int64, strict=False) // (1000 if pattern.endswith("ns") else 1)
        return (numbers * unit).cast(pl.Datetime("us"))
    if pattern in _TIMES:  # a time of day: on the first day of the epoch
        values, pattern = "1970-01-01 " + values, f"%Y-%m-%d {pattern}"
    if "%d" not in pattern:  # a month becomes its first day
        values, pattern = values + " 1", pattern + " %d"
    if pattern.endswith("%y") or "%y " in pattern:
        two_digits = values.str.contains(
            r"(?:^|\D)\d{1,2}[-/. ](?:\d{1,2}|[A-Za-z]{3,9})[-/. ]\d\d(?:\D|$)|, \d\d(?:\D|$)"
        )
        values = values.set(~two_digits.fill_null(False), None)
    if "z" in pattern:
        zoned = values.str.to_datetime(pattern, strict=False, time_unit="us", time_zone="UTC")
        dates = zoned.dt.replace_time_zone(None)
    elif ":" not in pattern:
        dates = values.str.to_date(pattern, strict=False).cast(pl.Datetime("us"))
    else:
        dates = values.str.to_datetime(pattern, strict=False, time_unit="us")
    early = (dates.dt.year() < _MIN_YEAR).fill_null(False) if "%Y" in pattern else None
    if early is None or not early.any():
        return dates
    return dates.set(early & ~values.str.contains(r"\d{4}").fill_null(False), None)


def _orders(pattern: str) -> tuple[str, str]:
    """A pattern with day and month in the usual and in the swapped order; equal if they cannot be swapped."""
    for usual, other in _SWAPPED.items():
        for day in (usual, other):
            if pattern.startswith(day):
                return pattern.replace(day, usual), pattern.replace(day, other)
    return pattern, pattern


def _is_swapped(pattern: str) -> bool:
    usual, swapped = _orders(pattern)
    return usual != swapped and pattern == swapped


def _day_or_month_first(values: pl.Series, pattern: str) -> tuple[str, bool]:
    """The better order of day and month on all sampled values, and whether both parse them equally well."""
    usual, swapped = _orders(pattern)
    if usual == swapped:
        return pattern, False
    parsed = [_strptime(values, p) for p in (usual, swapped)]
    if parsed[0].null_count() != parsed[1].null_count():
        return (usual if parsed[0].null_count() < parsed[1].null_count() else swapped), False
    is_sorted = [r.drop_nulls().is_sorted() or r.drop_nulls().is_sorted(descending=True) for r in parsed]
    if is_sorted[0] != is_sorted[1]:
        return (usual if is_sorted[0] else swapped), False
    return usual, True
