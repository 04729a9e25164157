"""X as a table: numbers unchanged, declared categories, everything else by inference."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from deepglass.data.sources import read
from deepglass.data.table import Table
from deepglass.features.base import Raw


def is_frame(X: Any) -> bool:
    """Whether X is a polars or pandas frame."""
    return isinstance(X, pl.DataFrame) or is_pandas(X)


def is_pandas(X: Any) -> bool:
    """Whether X is a pandas frame; pandas need not be installed."""
    return type(X).__module__.partition(".")[0] == "pandas"


def frame_table(frame: Any, names: list[str]) -> Table:
    """A frame as a table with these column names."""
    return _as_declared(read(frame, columns=names), [str(dtype) for dtype in frame.dtypes])


def array_table(array: np.ndarray, names: Sequence[str]) -> Table:
    """An array (N, F) as a table with these column names."""
    return _as_declared(Table({name: _column(array[:, i]) for i, name in enumerate(names)}, "X"), [])


def _as_declared(table: Table, dtypes: Sequence[str]) -> Table:
    """The table with kind number for numeric columns and kind category for categorical columns of a frame."""
    declared = [n for n, d in zip(table.names, dtypes) if d.lower().startswith(("category", "categorical", "enum"))]
    columns = dict(table.columns)
    for name, raw in table.columns.items():
        if isinstance(raw, pl.Series) and raw.dtype.is_numeric() and name not in declared:
            columns[name] = raw.cast(pl.Float64).to_numpy()
    numbers = [n for n, raw in columns.items() if isinstance(raw, np.ndarray) and raw.ndim == 1]
    kinds = dict.fromkeys(numbers, "number") | dict.fromkeys(declared, "category")
    return Table(columns, table.name, kinds={**table.kinds, **kinds})


def _column(values: np.ndarray) -> Raw:
    """A column of an array: numbers unchanged, others as a polars Series of one type."""
    if values.dtype.kind in "iuf":
        return values
    cells: Sequence[Any] = values.tolist()
    if any(not isinstance(v, str | int | float | bool | None) for v in cells):
        cells = [None if v is None else str(v) for v in cells]
    cells = [None if isinstance(v, float) and np.isnan(v) else v for v in cells]
    return pl.Series(cells, strict=False)
