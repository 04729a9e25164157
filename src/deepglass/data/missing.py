"""Missing values in raw columns.

A cell is missing if it is null, if its text is empty, or if it is a number
that is not finite. A value that cannot be parsed, such as a word among numbers, is not missing: features count it
separately.
"""

import numpy as np
import polars as pl

from deepglass.features.base import Raw
from deepglass.parsing import is_missing


def is_null(raw: Raw) -> np.ndarray:
    """Whether each row of a raw column is missing, (N,) bool; a row of numbers is missing if none is finite."""
    if isinstance(raw, pl.Series):
        return ~np.isfinite(raw.to_numpy()) if raw.dtype.is_float() else is_missing(raw).to_numpy()
    if isinstance(raw, np.ndarray):
        if raw.dtype.kind != "f":
            return np.zeros(len(raw), bool)
        return np.asarray(~np.isfinite(raw.reshape(len(raw), -1)).any(1))
    return np.array([value is None for value in raw], bool)


def set_null(raw: Raw, rows: np.ndarray) -> Raw:
    """A copy of a raw column with the rows of a mask (N,) bool set to missing."""
    if isinstance(raw, np.ndarray) and raw.ndim == 1 and raw.dtype.kind != "f":
        raw = pl.Series(raw)
    if isinstance(raw, pl.Series):
        return pl.select(pl.when(~pl.Series(rows)).then(raw)).to_series()
    if isinstance(raw, np.ndarray):
        values = raw.astype(np.float64)
        values[rows] = np.nan
        return values
    return [None if null else value for value, null in zip(raw, rows, strict=True)]  # type: ignore[misc]


def null_like(raw: Raw, count: int) -> Raw:
    """`count` missing values of a raw column's type."""
    if isinstance(raw, pl.Series):
        return pl.Series(raw.name, [None] * count, dtype=raw.dtype)
    if isinstance(raw, np.ndarray):
        return np.full((count, *raw.shape[1:]), np.nan)
    return [None] * count  # type: ignore[list-item]
