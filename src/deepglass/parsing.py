"""Parsing of text columns: missing values, and numbers in common formats; `dates` has their dates.

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

_NOT_AVAILABLE = ["NA", "na", "N/A", "n/a", "N.A.", "n.a.", "k.A.", "k. A.", "-", "--", "."]
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
_UNIT = r"[\p{L}°²³/%‰" + _CURRENCY + r"]{1,6}(?:/\d{1,4} ?[\p{L}]{1,4}|[23])?"  # also l/100km, m3
_DIGITS = ("٠١٢٣٤٥٦٧٨٩", "۰۱۲۳۴۵۶۷۸۹", "０１２３４５６７８９", "०१२३४५६७८९")  # Arabic, Persian, wide, Devanagari
_ARABIC_MARKS = ("٫", "٬")  # of decimals and of thousands
_TRAILING_MINUS = r"^(\d[\d.,]*)\s?-$"
_MAX_GRADES = 12  # different values of a column in which a minus behind a digit may be part of a grade
_WIDE = dict(zip("，．－＋％￥＄（）", ",.-+%¥$()", strict=True))  # as Chinese and Japanese programs write them
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

    @property
    def measures(self) -> bool:
        """Whether the unit is a currency or a sign, as of amounts and shares; letters may belong to a code: 4WD."""
        return bool(self.unit) and not (self.unit.isalpha() and not re.fullmatch(_CODES, self.unit))

    def __str__(self) -> str:
        parts = [f"decimal {self.decimal!r}"]
        parts += [f"thousands {self.thousands!r}"] if self.thousands else []
        parts += [f"unit {self.unit!r}"] if self.unit else []
        parts += ["a minus behind"] if self.trailing_minus else []
        parts += [f"digits {self.digits}"] if self.digits else []
        return ", ".join(parts)


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
    values = sample_of(series)
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
        share = share_of(bare.str.contains(_number_pattern(mark, thousands)))
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


def bare_numbers(values: pl.Series) -> pl.Series:
    """Texts with uniform signs, without the unit that all numbers among them have."""
    values = _normalise(values)
    return _without_unit(values, _common_unit(values))


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
    """Uniform digits, space, minus, apostrophe and other sign characters; (12) as -12.

    Args:
        digits: that stand for 0 to 9.
    """
    if digits:
        values = values.str.replace_many([*digits, *_ARABIC_MARKS], [*"0123456789", *".,"])
    if values.str.contains(f"[{''.join(_WIDE)}]").any():
        values = values.str.replace_many(_WIDE)
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


def share_of(matches: pl.Series) -> float:
    return float(np.mean(matches.to_numpy()))


def sample_of(series: pl.Series) -> pl.Series:
    """An evenly spaced sample of the values that are not missing."""
    if len(series) > _SAMPLE:
        series = series.gather_every(-(-len(series) // _SAMPLE))
    return series.filter(~is_missing(series, MISSING))
