"""Columns of text to columns of numbers, booleans and text: what is missing and how numbers are written.

The decimal mark is decided for the whole file: 1,759 is 1.759 where another column holds 0,00025, and 34.481 is a
whole number there. A column that contradicts the file is read by itself.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import polars as pl

from deepglass.data.sources.base import ReadLog, SourceOptions
from deepglass.data.sources.missing_texts import TextColumn, set_missing
from deepglass.dates import parse_dates
from deepglass.formatting import plain_percent
from deepglass.parsing import NumberFormat, bare_numbers, parse_numbers, to_numbers

_PROVES_COMMA = r"^[+-]?(\d*,(\d{1,2}|\d{4,})|0,\d+|\d{1,3}(\.\d{3})+,\d+)$"
_PROVES_POINT = r"^[+-]?(\d*\.(\d{1,2}|\d{4,})|0\.\d+|\d{1,3}(,\d{3})+\.\d+)$"
_HAS_COMMA = r"^[+-]?\d{1,3}(,\d{3})+$"
_GROUPED = r"^[+-]?[1-9]\d{0,2}(\.\d{3})+$"
_MAX_GROUPED = 1e12  # from which on a number has more digits than a float of thousands shows
_MIN_GROUPED = 5  # numbers with points before three digits, from which these separate thousands
_SAMPLE = 5_000  # values of a column
_TRUTHS = {"true": True, "false": False}


class TypedColumns(NamedTuple):
    """Columns of a text table, and the texts of each that look missing and are values."""

    columns: list[pl.Series]
    values: Mapping[str, tuple[str, ...]]


def type_texts(
    frame: pl.DataFrame,
    options: SourceOptions,
    log: ReadLog,
    number_texts: Collection[str] = (),
    semicolons: bool = False,
) -> TypedColumns:
    """Types for the columns of text in a frame; other columns stay.

    Args:
        number_texts: that stand for missing values in the columns of numbers.
        semicolons: cells are separated by semicolons, as programs write them where the comma is the decimal mark.
    """
    texts = [series for series in frame if series.dtype == pl.String]
    decimal = options.decimal or decimal_mark(texts, semicolons and not any(t.is_float() for t in frame.dtypes))
    formats = {s.name: parse_numbers(s, decimal) for s in texts}
    quantities = [TextColumn(s, _is_quantity(s, formats[s.name])) for s in texts]
    present, values = set_missing(quantities, number_texts, options, log)
    why = "as data.decimal states" if options.decimal else "as in the whole file"
    typed = {s.name: _typed(s, formats[s.name], decimal, why, log) for s in present}
    return TypedColumns([typed.get(series.name, series) for series in frame], values)


def _is_quantity(series: pl.Series, numbers: NumberFormat | None) -> bool:
    """Whether a column holds numbers or dates; not 0, + and -, which are classes."""
    if numbers is None:
        return parse_dates(series) is not None
    return numbers.share == 1 or "+" not in series


def proves_comma(series: pl.Series) -> bool:
    """Whether the numbers of a column of text have a decimal comma, and none has a point."""
    values = _sample(series)
    return bool(values.str.contains(_PROVES_COMMA).any()) and not values.str.contains(_PROVES_POINT).any()


def has_grouped_thousands(series: pl.Series) -> bool:
    """Whether a point separates thousands in a column of text: 857 and 34.480 beside 12.355.

    Decimals of three digits would have lost the zero at the end, or 857 would have some, too.
    """
    values = _sample(series)
    grouped = values.str.contains(_GROUPED)
    plain = values.str.contains(r"^[+-]?\d{1,3}$")
    return (
        int(grouped.sum()) >= _MIN_GROUPED
        and bool(plain.any())
        and bool((grouped | plain).all())
        and bool(values.filter(grouped).str.ends_with("0").any())
    )


def may_have_grouped_thousands(numbers: pl.Series) -> bool:
    """Whether a column of floats may have been written with points between thousands."""
    sample = (numbers if len(numbers) <= _SAMPLE else numbers.gather_every(len(numbers) // _SAMPLE)).to_numpy()
    values = sample[np.abs(sample) < _MAX_GROUPED]
    thousands = values * 1000
    whole = values == np.floor(values)
    return len(values) > 0 and 0 < whole.mean() < 1 and bool(np.all(np.abs(thousands - np.round(thousands)) < 1e-6))


def decimal_mark(texts: Sequence[pl.Series], comma_likely: bool) -> str:
    """The decimal mark of a file: "," or ".", empty where its columns show none or both.

    Args:
        comma_likely: a comma before three digits, which may separate thousands, counts too.
    """
    samples = [_sample(series) for series in texts]
    comma = any(proves_comma(values) or has_grouped_thousands(values) for values in samples)
    point = any(bool(values.str.contains(_PROVES_POINT).any()) for values in samples)
    if comma_likely and not comma and not point:
        comma = any(bool(values.str.contains(_HAS_COMMA).any()) for values in samples)
    return "" if comma == point else "," if comma else "."


def _sample(series: pl.Series) -> pl.Series:
    """Values without units."""
    values = series.gather_every(max(1, len(series) // _SAMPLE)).drop_nulls()
    return bare_numbers(values).str.strip_chars(" %€$£¥")


def _typed(series: pl.Series, numbers: NumberFormat | None, decimal: str, reason: str, log: ReadLog) -> pl.Series:
    """Convert a column whose values are all numbers or booleans; others stay text, and what they hold is noted.

    Args:
        reason: why the file has this decimal mark.
    """
    name = series.name
    if series.count() and series.head(100).drop_nulls().str.to_lowercase().is_in(list(_TRUTHS)).all():
        lowered = series.str.to_lowercase()
        if lowered.drop_nulls().is_in(list(_TRUTHS)).all():
            return lowered.replace_strict(_TRUTHS, return_dtype=pl.Boolean)
    if numbers is None:
        note_dates(series, log)
        return series
    if numbers.leading_zeros:
        log.note("text", name, "its numbers have leading zeros, so they are codes")
        return series
    values, bad = to_numbers(series, numbers)
    if bad:
        odd = series.filter(values.is_null() & series.is_not_null())[0]
        log.note("mixed", name, f"mostly numbers, but {bad} values are not, such as {odd!r}")
    elif numbers.plain:
        return whole_numbers(series, values)
    else:
        why = f"with {numbers}" + (f", {reason}" if numbers.decimal == decimal else "")
        log.note("numbers", name, why)
    if not bad and not numbers.unit:
        whole = not series.drop_nulls().str.contains(numbers.decimal, literal=True).any()
        return values.cast(pl.Int64) if whole and values.abs().max() < 2**53 else values  # type: ignore[operator]
    if parse_numbers(series) != numbers:  # so that the column, taken alone, reads as in its file
        unit = f" {numbers.unit}" if numbers.unit else ""
        return series.zip_with(values.is_null(), values.cast(pl.String) + unit)
    return series


def note_dates(series: pl.Series, log: ReadLog) -> None:
    """Note the format of a column of dates, which stays text."""
    if (dates := parse_dates(series)) is not None:
        example = series.drop_nulls()[0]
        log.note(
            "dates", series.name, f"{plain_percent(dates.share, 0)} of its texts are dates like {example!r}: {dates}"
        )


def whole_numbers(series: pl.Series, values: pl.Series) -> pl.Series:
    """Integers where all values of a text column are written as such; text beyond 64 bits.

    Args:
        values: the column as floats.
    """
    if not series.drop_nulls().str.contains(r"^\s*[+-]?\d+\s*$").all():
        return values
    digits = series.str.strip_chars().str.strip_prefix("+")
    for dtype in (pl.Int64, pl.UInt64):
        whole = digits.cast(dtype, strict=False)
        if whole.null_count() == series.null_count():
            return whole
    return series
