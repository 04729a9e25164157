"""Single values as text keys, so that 3, 3.0 and "3" are one category of a numeric column."""

import re
from collections.abc import Sequence
from typing import Literal

import numpy as np
import polars as pl

from deepglass.errors import SourceError
from deepglass.features.base import Raw
from deepglass.parsing import MISSING, is_missing

_DIGITS = r"^\+?(-?)0*([0-9]+)$"  # whole numbers of any length, which floats would round
_FEW_ROWS = 32  # up to here plain Python is faster than polars, for one row ten times
_WHITESPACE = "".join(
    c for c in map(chr, range(0x3001)) if c.isspace() and not "\x1c" <= c <= "\x1f"
)  # as polars strips it
_BOOLEAN_WORDS = {"1": "true", "0": "false", "yes": "true", "no": "false"}

ValueType = Literal["string", "integer", "number", "boolean"]


def value_type(raw: Raw) -> ValueType | None:
    """The type of a column's values; None if they cannot be categories."""
    if isinstance(raw, list) or (isinstance(raw, np.ndarray) and raw.ndim != 1):
        return None
    dtype = _series(raw).dtype
    if dtype.is_nested() or dtype in (pl.Binary, pl.Object):
        return None
    if dtype == pl.Boolean:
        return "boolean"
    if dtype.is_integer():
        return "integer"
    if dtype.is_numeric():
        x = _without_nan(_series(raw))
        return "integer" if (x == np.floor(x)).all() and (np.abs(x) < 2**53).all() else "number"
    return "string"


def number_values(raw: Raw) -> np.ndarray | None:
    """The values of a column of numbers that are not missing; None for other columns."""
    if isinstance(raw, list) or (isinstance(raw, np.ndarray) and raw.ndim != 1):
        return None
    series = _series(raw)
    if series.dtype.is_integer():
        return (series.drop_nulls() if series.null_count() else series).to_numpy()
    return _without_nan(series) if series.dtype.is_numeric() else None


def _without_nan(series: pl.Series) -> np.ndarray:
    """Values as float64, without NaN and null."""
    x = series.cast(pl.Float64).to_numpy()
    return x[~np.isnan(x)]


def common_type(chunks: Sequence[Raw], column: str) -> ValueType:
    """The common type of the chunks of a column; chunks without values do not count."""
    types = set()
    for raw in chunks:
        if (type_ := value_type(raw)) is None:
            raise SourceError("bad-value", f"column {column!r}: expected single values, one category a row")
        if len(raw) and not is_missing(_series(raw)).all():
            types.add(type_)
    if len(types) == 1:
        return types.pop()
    return "number" if types == {"integer", "number"} else "string"


def as_keys(raw: Raw, type_: ValueType) -> pl.Series:
    """Values as text, equal for 3, 3.0 and "3" where the type is numeric; null = missing."""
    series = _series(raw)
    if len(series) <= _FEW_ROWS and (series.dtype in (pl.String, pl.Boolean) or series.dtype.is_numeric()):
        return pl.Series(values=[_key(value, type_) for value in series.to_list()], dtype=pl.String)
    return _vectorised_keys(series, type_)


def _vectorised_keys(series: pl.Series, type_: ValueType) -> pl.Series:
    missing = is_missing(series)
    if series.dtype == pl.String:
        keys = series.str.strip_chars()
        if type_ in ("integer", "number"):
            numbers = keys.cast(pl.Float64, strict=False)
            digits = keys.str.contains(_DIGITS).fill_null(False)
            exact = keys.str.replace(_DIGITS, "$1$2").str.replace("^-0$", "0")
            keys = keys.zip_with(numbers.is_null() & ~digits, exact.zip_with(digits, _number_keys(numbers)))
        elif type_ == "boolean":
            keys = keys.str.to_lowercase().replace(_BOOLEAN_WORDS)
    elif series.dtype == pl.Boolean:
        keys = series.cast(pl.Int8).cast(pl.String) if type_ in ("integer", "number") else series.cast(pl.String)
    elif series.dtype.is_numeric():
        keys = series.cast(pl.String) if series.dtype.is_integer() else _number_keys(series.cast(pl.Float64))
        if type_ == "boolean":
            keys = keys.replace({"1": "true", "0": "false"})
    else:
        keys = series.cast(pl.String)
    return keys.set(missing, None)


def to_codes(keys: pl.Series, vocabulary: Sequence[str]) -> np.ndarray:
    """Codes (N,) int32: 1 + index in the vocabulary, 0 for other values and missing ones."""
    if len(keys) <= _FEW_ROWS:
        codes = [1 + vocabulary.index(key) if key in vocabulary else 0 for key in keys.to_list()]
        return np.array(codes, np.int32)
    return (
        keys.replace_strict(list(vocabulary), list(range(1, 1 + len(vocabulary))), default=0, return_dtype=pl.Int32)
        .to_numpy()
        .copy()
    )


def count_values(chunks: Sequence[Raw], type_: ValueType) -> list[tuple[str, int]]:
    """Values and their numbers of rows, most frequent first, ties in alphabetical order."""
    keys = pl.concat([pl.Series(values=[], dtype=pl.String), *(as_keys(raw, type_) for raw in chunks)])
    counts = keys.drop_nulls().rename("value").value_counts().sort(["count", "value"], descending=[True, False])
    return list(counts.iter_rows())


def count_unseen(keys: pl.Series, vocabulary: Sequence[str]) -> dict[str, int]:
    """Number of rows whose value is not in the vocabulary and does not look missing, for `Feature.count_anomalies`."""
    if len(keys) <= _FEW_ROWS:
        n = sum(key is not None and key not in vocabulary and key not in MISSING for key in keys.to_list())
    else:
        n = int((~keys.drop_nulls().is_in([*vocabulary, *MISSING])).sum())
    return {"unseen category": n} if n else {}


def to_native(key: str, type_: ValueType) -> str | int | float | bool:
    """A key as a value of the column's type."""
    if type_ == "integer":
        return int(key)
    if type_ == "number":
        return float(key)
    return key == "true" if type_ == "boolean" else key


def _key(value: str | float | bool | None, type_: ValueType) -> str | None:
    """The key of one value, as `_vectorised_keys` makes it."""
    numeric = type_ in ("integer", "number")
    if isinstance(value, str):
        text = value.strip(_WHITESPACE)
        if not text:
            return None
        if type_ == "boolean":
            return _BOOLEAN_WORDS.get(text.lower(), text.lower())
        if numeric and re.match(_DIGITS, text):
            return str(int(text))
        number = pl.Series(values=[text]).cast(pl.Float64, strict=False)[0] if numeric else None
        return text if number is None else _number_key(number)
    if value is None or value != value:
        return None
    if isinstance(value, bool):
        return str(int(value)) if numeric else str(value).lower()
    key = str(value) if isinstance(value, int) else _number_key(value)
    return {"1": "true", "0": "false"}.get(key, key) if type_ == "boolean" else key


def _number_key(number: float) -> str:
    if number == number and abs(number) < 2**53 and number == int(number):
        return str(int(number))
    return str(pl.Series(values=[number], dtype=pl.Float64).cast(pl.String)[0])


def _number_keys(numbers: pl.Series) -> pl.Series:
    """Numbers as text, integers without a decimal point."""
    whole = numbers.is_finite() & (numbers == numbers.floor()) & (numbers.abs() < 2**53)
    whole = whole.fill_null(False)
    as_int = numbers.set(~whole, None).cast(pl.Int64).cast(pl.String)
    return as_int.zip_with(whole, numbers.cast(pl.String))


def _series(raw: Raw) -> pl.Series:
    series = raw if isinstance(raw, pl.Series) else pl.Series(values=raw)
    return series.cast(pl.String) if series.dtype in (pl.Categorical, pl.Enum) else series
