"""Parsing of text columns of dates and times: many formats, mixed ones, and counts of seconds.

format = parse_dates(pl.Series(["31.12.2020", "1.2.2021"]))    # %d.%m.%Y
values, bad = to_dates(pl.Series(["3.4.2022"]), format)        # [2022-04-03], 0
"""

from collections.abc import Collection
from typing import NamedTuple

import polars as pl

from deepglass.date_texts import plain_dates
from deepglass.parsing import MISSING, is_missing, sample_of, share_of

# Months come first: "%b %d %Y" would read "Jan 2020" as the 20th of January in the year 20.
_DAYS = ["%Y-%m", "%Y/%m", "%b %Y", "%B %Y", "%m/%Y", "%b-%Y", "%Y-%b", "%Y %b", "%Y %B", "%b, %Y", "%YM%m", "%b-%y"]
# %q is the quarter, %V the ISO week; a blank in a pattern may be absent in the text.
_DAYS += ["%Y-Q%q", "%Y Q%q", "%Y/Q%q", "Q%q %Y", "Q%q-%Y", "Q%q/%Y"]
_DAYS += ["%G-W%V", "%G W%V", "W%V %G", "W%V-%G", "%G-W%V-%u"]
_DAYS += ["%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%m/%d/%Y", "%d/%m/%Y", "%d.%m.%Y", "%m.%d.%Y", "%d-%m-%Y", "%m-%d-%Y"]
_DAYS += ["%d %b %Y", "%d-%b-%Y", "%b %d, %Y", "%b %d %Y", "%d %B %Y", "%B %d, %Y", "%B %d %Y", "%a, %d %b %Y"]
_DAYS += ["%m/%d/%y", "%d/%m/%y", "%d.%m.%y", "%d-%m-%y", "%m-%d-%y", "%d-%b-%y", "%b %d, %y", "%d %b %y", "%Y%m%d"]
_TIMES = ["%H:%M:%S", "%H:%M", "%H:%M:%S%.f", "%I:%M:%S %p", "%I:%M %p", "%I:%M:%S%.f %p"]
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
_LOOKS_LIKE_PERIOD = (
    r"(?i)^\d{4}[-/ ]?[QW]\d{1,2}(?:-\d)?$|^[QW]\d{1,2}[-/ ]\d{4}$|^[1-4]Q ?\d{4}$"  # quarters and weeks
    r"|^\d{4}M\d{1,2}$|^\d{4}[- ][A-Z]{3,9}$|^[A-Z]{3,9}(?:-|, )\d{4}$|^[A-Z]{3}-\d\d$"  # months
)
_LOOKS_LIKE_TIME = r"^\d{1,2}:\d\d(?::\d\d(?:\.\d+)?)?(?: [AaPp][Mm])?$"
_TIME = r"\d:\d\d(?::\d\d)?(?:\.\d+)?(?: ?[AP]M)?(?: ?[+-]\d\d:?\d\d)?"  # with fractions and the offset of its zone
_EPOCH = "since 1970 in "
_NUM_TRIED = 200  # values that each pattern is tried on
_MAX_LENGTH = 70  # characters of a date
_MAX_PATTERNS = 4  # in one column
_MIN_PATTERN_SHARE = 0.05  # of these values; rarer formats are errors


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


def parse_dates(series: pl.Series) -> DateFormat | None:
    """The patterns that parse most values as dates or times of day; None if they parse fewer than half.

    If day and month can be swapped, the order in which the column is sorted wins; else month first with slashes, day
    first with dots and dashes, and `ambiguous` is set.
    """
    if series.dtype in (pl.Date, pl.Datetime):
        return DateFormat("native", 1.0, series.dtype == pl.Datetime)
    if series.dtype != pl.String:
        return None
    values = sample_of(series)
    sample = values.gather_every(max(1, len(values) // _NUM_TRIED))
    if not len(sample) or share_of(sample.str.len_chars() <= _MAX_LENGTH) < 0.5:
        return None
    sample = plain_dates(sample)
    if share_of(sample.str.contains(f"{_LOOKS_LIKE_DATE}|{_LOOKS_LIKE_TIME}|{_LOOKS_LIKE_PERIOD}")) < 0.5:
        return None
    values = plain_dates(values)
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
    return format._replace(share=1 - _parse_plain(values, format).null_count() / len(values))


def parse_epochs(series: pl.Series) -> DateFormat | None:
    """The unit of whole numbers that count from 1970 on, if nearly all values are such; they are dates only on request.

    The years 1973 to 2286 have 9 or 10 digits in seconds, and 3, 6 or 9 more in smaller units.
    """
    values = sample_of(series).str.strip_chars()
    for digits, unit in ((0, "s"), (3, "ms"), (6, "us"), (9, "ns")):
        share = share_of(values.str.contains(rf"^\d{{{9 + digits},{10 + digits}}}$")) if len(values) else 0.0
        if share > 0.95:
            return DateFormat(f"{_EPOCH}{unit}", share, has_time=True)
    return None


def _best_pattern(values: pl.Series, used: Collection[str]) -> str:
    """The unused pattern that parses most of the values."""
    times, days = [""], _DAYS
    if share_of(values.str.contains(_LOOKS_LIKE_TIME)) >= 0.5:
        times, days = _TIMES, [""]
    elif share_of(values.str.contains(r"\d:\d\d")) >= 0.5:
        separator = "T" if share_of(values.str.contains(r"\dT\d")) >= 0.5 else " "
        separator = ", " if share_of(values.str.contains(r"\d, \d+:")) >= 0.5 else separator
        zone = "%#z" if share_of(values.str.contains(r"(?:Z|[+-]\d\d:?\d\d)$")) >= 0.5 else ""
        zone = " %#z" if zone and share_of(values.str.contains(r" [+-]\d\d:?\d\d$")) >= 0.5 else zone
        zone = next((f" {name}" for name in _ZONES if share_of(values.str.contains(f" {name}$")) >= 0.5), zone)
        times = [f"{separator}{t}{zone}" for t in _TIMES]
        if share_of(values.str.contains(r":\d\d (?:[A-Z]{3} |[+-]\d{4} )?\d{4}$")) >= 0.5:
            named = share_of(values.str.contains(r":\d\d (?:UTC|GMT) \d{4}$")) >= 0.5
            offset = share_of(values.str.contains(r":\d\d [+-]\d{4} \d{4}$")) >= 0.5
            middle = " UTC %Y" if named else " %z %Y" if offset else " %Y"
            times, days = [""], [pattern.replace(" %Y", middle) for pattern in _YEAR_LAST]
    if days is _DAYS:
        long = share_of(_has_long_year(values)) >= 0.5  # %Y also reads 20 as the year 20
        days = [day for day in _DAYS if ("%y" not in day) == long]
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
    dates = _parse_plain(values.str.strip_chars(), format)
    rows = (dates.is_null() & values.is_not_null()).arg_true()
    if not len(rows):
        return dates
    return dates.scatter(rows, _parse_plain(plain_dates(values.gather(rows)), format))  # rewriting takes much longer


def _parse_plain(values: pl.Series, format: DateFormat) -> pl.Series:
    dates = _strptime(values, format.pattern)
    for pattern in format.others:
        dates = dates.zip_with(dates.is_not_null(), _strptime(values, pattern))
    return dates


def _strptime(values: pl.Series, pattern: str) -> pl.Series:
    if pattern.startswith(_EPOCH):
        unit = {"s": 10**6, "ms": 10**3, "us": 1, "ns": 1}[pattern.removeprefix(_EPOCH)]
        numbers = values.cast(pl.Int64, strict=False) // (1000 if pattern.endswith("ns") else 1)
        return (numbers * unit).cast(pl.Datetime("us"))
    if pattern in _TIMES:  # a time of day: on the first day of the epoch
        values, pattern = "1970-01-01 " + values, f"%Y-%m-%d {pattern}"
    if "%q" in pattern:  # a quarter becomes its first month, which strptime reads
        for quarter, month in enumerate(("01", "04", "07", "10"), start=1):
            values = values.str.replace(rf"(?i)Q{quarter}\b|\b{quarter}Q", f"M{month}")
        pattern = pattern.replace("Q%q", "M%m")
    if "%V" in pattern:  # a week becomes its Monday
        values = values.str.to_uppercase()
        values, pattern = (values, pattern) if "%u" in pattern else (values + "-1", pattern + "-%u")
    elif "%d" not in pattern:  # a month becomes its first day
        values, pattern = values + " 1", pattern + " %d"
    if pattern.endswith("%y") or "%y " in pattern:
        two_digits = values.str.contains(
            r"^[A-Za-z]{3}-\d\d 1$|(?:^|\D)\d{1,2}[-/. ](?:\d{1,2}|[A-Za-z]{3,9})[-/. ]\d\d(?:\D|$)|, \d\d(?:\D|$)"
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
    dashed = (dates.dt.year() < 0).fill_null(False)  # a dash that was read as a sign
    return dates.set(dashed | (early & ~_has_long_year(values).fill_null(False)), None)


def _has_long_year(values: pl.Series) -> pl.Series:
    """Whether a text has four digits in a row beside its time: %Y reads 20 as the year 20."""
    return values.str.replace(_TIME, "").str.contains(r"\d{4}")


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
