"""Cells that hold nothing: which they are, and how they are made.

One meaning for all who ask before features are fitted: a cell is missing where it is null, where a text only says
that nothing is known (`parsing.MISSING`), and where a number is not finite. What cannot be read, such as a word among
numbers, is no missing cell: features count it apart.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from deepglass.features.base import Raw
from deepglass.parsing import is_missing


def missing(raw: Raw) -> np.ndarray:
    """The rows of a raw column that hold nothing, (N,) bool; of rows of numbers those without any."""
    if isinstance(raw, pl.Series):
        infinite = raw.is_infinite().fill_null(False) if raw.dtype.is_float() else False
        return (is_missing(raw) | infinite).to_numpy()
    if isinstance(raw, np.ndarray):
        if raw.dtype.kind != "f":
            return np.zeros(len(raw), bool)
        return np.asarray(~np.isfinite(raw.reshape(len(raw), -1)).any(1))
    return np.array([value is None for value in raw], bool)


def blanked(raw: Raw, rows: np.ndarray) -> Raw:
    """A raw column whose values in these rows, (N,) bool, are gone."""
    if isinstance(raw, pl.Series):
        return raw.set(pl.Series(rows), None) if not raw.dtype.is_nested() else _listed(raw, rows)
    if isinstance(raw, np.ndarray) and raw.ndim == 1 and raw.dtype.kind != "f":
        return pl.Series(raw).set(pl.Series(rows), None)
    if isinstance(raw, np.ndarray):
        values = raw.astype(np.float64)
        values[rows] = np.nan
        return values
    return [None if gone else value for value, gone in zip(raw, rows, strict=True)]  # type: ignore[misc]


def nothing_like(raw: Raw, count: int) -> Raw:
    """So many rows without a value, as they would stand in such a column."""
    if isinstance(raw, pl.Series):
        return pl.Series(raw.name, [None] * count, dtype=raw.dtype)
    if isinstance(raw, np.ndarray):
        return np.full((count, *raw.shape[1:]), np.nan)
    return [None] * count  # type: ignore[list-item]


def _listed(raw: pl.Series, rows: np.ndarray) -> pl.Series:
    values = [None if gone else value for value, gone in zip(raw.to_list(), rows, strict=True)]
    return pl.Series(raw.name, values, dtype=raw.dtype)
