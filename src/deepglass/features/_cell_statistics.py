"""Numbers that describe each cell of a column: what data checks, slices and colorings of the map compare."""

from typing import NamedTuple

import numpy as np
import polars as pl

from deepglass.parsing import is_missing


class Statistic(NamedTuple):
    """One number per cell.

    Args:
        name: "" for the value itself, else what is measured, such as "words".
        values: (N,) float64, NaN = missing; codes where there are `names`, microseconds since 1970 for "time".
        names: of the codes, for unordered values.
    """

    name: str
    values: np.ndarray
    names: tuple[str, ...] | None = None


def scalar_series(raw: object) -> pl.Series | None:
    """A column with one plain value per cell; None for lists, objects, files and arrays of more axes."""
    if isinstance(raw, np.ndarray) and raw.ndim == 1 and raw.dtype.kind in "iufb":
        raw = pl.Series(raw)
    return raw if isinstance(raw, pl.Series) and not raw.dtype.is_nested() and raw.dtype != pl.Object else None


def floats(series: pl.Series) -> np.ndarray:
    """Numbers as float64; NaN for null."""
    return series.cast(pl.Float64, strict=False).fill_null(np.nan).to_numpy()


def class_codes(series: pl.Series) -> Statistic:
    """The distinct values as codes, in the order of their first rows."""
    texts = series.cast(pl.String, strict=False)
    texts = texts.set(is_missing(texts), None)
    names = texts.drop_nulls().unique(maintain_order=True)
    codes = texts.replace_strict(names, pl.int_range(len(names), eager=True), default=None)
    return Statistic("", floats(codes), tuple(names.to_list()))
