"""Labels as text and as values of their column; masks and boxes are no text."""

from typing import Any

import numpy as np
import polars as pl

from deepglass.data.table import Table
from deepglass.errors import SourceError
from deepglass.parsing import ALWAYS_MISSING

GIVEN = "given"  # stands for a mask or boxes
_BOOLEANS = dict.fromkeys(("true", "t", "yes", "y", "1"), True) | dict.fromkeys(("false", "f", "no", "n", "0"), False)


def is_reviewed(table: Table, column: str) -> bool:
    """Whether the values of a column, such as masks or boxes, can only be accepted or refused."""
    if column not in table.columns:
        return False
    raw = table[column]
    if isinstance(raw, pl.Series):
        return raw.dtype.is_nested() or raw.dtype == pl.Object
    return isinstance(raw, list) or raw.ndim > 1


def label_column(table: Table, column: str, where: str) -> pl.Series:
    """A column that can hold labels; categories as text.

    Raises:
        SourceError: `unknown-column`; `bad-value` for images, lists and dates.
    """
    if column not in table.columns:
        raise SourceError("unknown-column", f"{where}: no column {column!r} in {table.name}: {', '.join(table.names)}")
    raw = table[column]
    series = pl.Series(column, raw) if isinstance(raw, np.ndarray) and raw.ndim == 1 else raw
    categories = (pl.Categorical, pl.Enum, pl.Null)
    if isinstance(series, pl.Series) and series.dtype in categories:
        return series.cast(pl.String)
    if not isinstance(series, pl.Series) or not (series.dtype.is_numeric() or series.dtype in (pl.String, pl.Boolean)):
        expected = "expected texts, numbers or booleans, to which labels can be assigned"
        raise SourceError("bad-value", f"{where}: column {column!r}: {expected}")
    return series


def label_text(value: Any) -> str:
    """A label as text: "3" for 3.0, "" for a missing value."""
    if value is None or (isinstance(value, float) and value != value):
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, bool | np.bool_):
        return str(value).lower()
    text = str(value).strip()
    return "" if text in ALWAYS_MISSING else text


def label_value(text: str, raw: pl.Series, where: str) -> Any:
    """The value of a label in its column; None for no label.

    Raises:
        SourceError: `bad-value` for text that the column cannot hold.
    """
    dtype = raw.dtype
    if text == "" or dtype == pl.String:
        return text or None
    if dtype == pl.Boolean and text.lower() in _BOOLEANS:
        return _BOOLEANS[text.lower()]
    number = _number(text)
    if dtype.is_float() and number == number:
        return number
    if dtype.is_integer() and number.is_integer():
        return int(number)
    expected = "true or false" if dtype == pl.Boolean else "a number" if dtype.is_float() else "a whole number"
    raise SourceError("bad-value", f"{where}: column {raw.name!r}: expected {expected}, got {text!r}")


def same_label(a: str, b: str) -> bool:
    """Whether two labels are the same text but for its case, or the same number."""
    return a.lower() == b.lower() or _number(a) == _number(b)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")
