"""Python objects: frames, dicts of arrays, pairs (X, y), lists of records."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from deepglass.data.sources.base import ReadLog
from deepglass.data.sources.frames import array_column, check_lengths, check_names, column_names, table_from_frame
from deepglass.data.sources.npz import input_columns
from deepglass.data.sources.records import table_of_json
from deepglass.data.sources.stored_files import stored_column, stored_series
from deepglass.data.table import Table
from deepglass.errors import SourceError
from deepglass.features._reading import media_kind
from deepglass.features.base import Media, Raw


def read_object(value: Any, columns: Sequence[str] | None = None) -> Table:
    """A polars or pandas frame, a dict of columns, a pair (X, y), an array, or a list of dicts.

    Raises:
        SourceError: `bad-value` for anything else; `mismatched-files` for columns of different lengths.
    """
    log = ReadLog()
    if isinstance(value, Table):
        return value if columns is None else _with_names(value, columns)
    if isinstance(value, pl.LazyFrame):
        value = value.collect()
    if isinstance(value, pl.DataFrame):
        return table_from_frame(value, "the frame", log, columns=columns)
    if _is_pandas(value):
        return table_from_frame(_from_pandas(value), "the frame", log, columns=columns)
    if isinstance(value, Mapping):
        table = _from_columns({str(k): v for k, v in value.items()}, "the dict")
        return table if columns is None else _with_names(table, columns)
    if isinstance(value, tuple) and len(value) == 2:
        return _from_pair(*value, columns)
    if isinstance(value, np.ndarray):
        return _from_pair(value, None, columns)
    if isinstance(value, list):
        if not value:
            raise SourceError("empty-source", "the list of rows is empty")
        if (files := _from_files(value)) is not None:
            return files
        return _from_rows(value) if _hold_files(value) else table_of_json(value, "the list", columns)
    raise SourceError(
        "bad-value",
        "expected a path, a polars or pandas frame, a dict of columns, a pair (X, y), an array, or a list of dicts or "
        f"of files as the source, got {type(value).__name__}",
    )


def _from_pair(x: Any, y: Any, columns: Sequence[str] | None) -> Table:
    """Inputs and, where there is one, the target: `target`, or `label` beside images."""
    log = ReadLog()
    kinds: dict[str, str] = {}
    if isinstance(x, pl.DataFrame) or _is_pandas(x):
        raw_columns: dict[str, Raw] = dict(read_object(x).columns)
    elif isinstance(x, list) and x and (files := _from_files(x)) is not None:
        raw_columns = dict(files.columns)
        kinds = dict(files.kinds)
    else:
        x = np.asarray(x)
        if x.ndim == 0 or x.dtype == object:
            raise SourceError("bad-value", f"X: expected an array of numbers with rows first, got {x.dtype} {x.shape}")
        raw_columns = input_columns(x, "", log)
    if columns is not None:
        raw_columns = dict(zip(column_names(list(raw_columns), columns, "X"), raw_columns.values(), strict=True))
    if not raw_columns or not len(next(iter(raw_columns.values()))):
        raise SourceError("no-rows", "X has no rows")
    kinds = kinds or ({"image": "image"} if "image" in raw_columns else {})
    target = None
    if y is not None:
        name = "label" if kinds else str(getattr(y, "name", None) or "target")
        y = y.to_numpy() if hasattr(y, "to_numpy") else np.asarray(y)
        if y.ndim == 2 and y.shape[1] > 1:
            raw_columns |= {f"target_{i}": pl.Series(f"target_{i}", values) for i, values in enumerate(y.T, 1)}
        else:
            raw_columns[name] = array_column(name, y)
            target = name
            kinds |= {"label": "category"} if kinds else {}
    check_lengths(raw_columns, "(X, y): its columns")
    return Table(raw_columns, "arrays", tuple(log.notes), target=target, kinds=kinds)


def _from_columns(values: Mapping[str, Any], source: str) -> Table:
    if not values:
        raise SourceError("empty-source", f"{source} has no columns")
    check_names(list(values), source)
    log = ReadLog()
    stored = {name: column for name, value in values.items() if (column := _stored(name, value)) is not None}
    kinds = {name: kind for name, (_, kind) in stored.items()}
    raw_columns: dict[str, Raw] = {
        name: stored[name][0] if name in stored else _raw_column(name, value, source) for name, value in values.items()
    }
    check_lengths(raw_columns, f"{source}: its columns")
    series = {n: v for n, v in raw_columns.items() if isinstance(v, pl.Series)}
    if series:
        if not len(next(iter(series.values()))):
            raise SourceError("no-rows", f"{source} has columns ({', '.join(raw_columns)}) but no rows")
        inferred = table_from_frame(pl.DataFrame(list(series.values())), source, log)
        if list(series) == list(raw_columns):
            return inferred
        raw_columns |= {n: v for n, v in inferred.columns.items() if n in raw_columns}
        kinds |= inferred.kinds
    return Table(raw_columns, source, tuple(log.notes), kinds=kinds)


def _stored(name: str, value: Any) -> tuple[Raw, str] | None:
    """A column of files from a list, tuple, array or pandas column of them; None for other values."""
    if isinstance(value, pl.Series):
        return stored_series(value)
    if hasattr(value, "to_numpy") and str(value.dtype) == "object":
        value = value.tolist()
    if isinstance(value, np.ndarray) and value.dtype == object and value.ndim == 1:
        value = value.tolist()
    return stored_column(name, value) if isinstance(value, list | tuple) else None


def _raw_column(name: str, value: Any, source: str) -> Raw:
    if isinstance(value, pl.Series):
        return value.rename(name)
    if isinstance(value, np.ndarray):
        return array_column(name, value)
    if hasattr(value, "to_numpy"):
        return pl.Series(name, value.to_numpy(), strict=False)
    if not isinstance(value, Sequence) or isinstance(value, str):
        text = f"{source}: column {name!r}: expected a list or an array, got {type(value).__name__}"
        raise SourceError("bad-value", text)
    if len(value) and all(isinstance(cell, np.ndarray) and cell.ndim > 1 for cell in value):
        if len(shapes := {cell.shape for cell in value}) > 1:
            listed = ", ".join(map(str, sorted(shapes)[:3]))
            raise SourceError("bad-value", f"{source}: column {name!r}: expected arrays of one shape, got {listed}")
        return array_column(name, np.stack(list(value)))
    return pl.Series(name, value, strict=False)


def _hold_files(rows: Sequence[Any]) -> bool:
    """Whether rows are dicts of which the first has a file, an image or an array of pixels in a cell."""
    return all(isinstance(row, Mapping) for row in rows) and any(
        stored_column(str(name), [cell]) is not None for name, cell in rows[0].items()
    )


def _from_rows(rows: Sequence[Mapping[str, Any]]) -> Table:
    names = dict.fromkeys(name for row in rows for name in row)
    return _from_columns({str(name): [row.get(name) for row in rows] for name in names}, "the list")


def _from_files(values: Sequence[Any]) -> Table | None:
    """The table of a list of files, paths, Pillow images or arrays; None for a list of something else."""
    if all(isinstance(value, str) and media_kind(value) for value in values):
        values = [Path(value) for value in values]
    column = stored_column("the list", values)
    if column is not None:
        raw, kind = column
        return Table({kind: raw}, "the list", kinds={kind: kind})
    if all(isinstance(value, Media | Path) for value in values):
        text = f"the list: expected only images or only audio files, got several kinds, such as {str(values[0])!r}"
        raise SourceError("bad-value", text)
    return None


def _is_pandas(value: Any) -> bool:
    return type(value).__module__.split(".")[0] == "pandas"


def _from_pandas(frame: Any) -> pl.DataFrame:
    """A pandas frame as a polars frame, without pyarrow; the index is dropped."""
    if not hasattr(frame, "columns"):
        frame = frame.to_frame()
    names = check_names([str(c) for c in frame.columns], "the frame")
    return pl.DataFrame([_pandas_series(name, frame.iloc[:, i]) for i, name in enumerate(names)])


def _pandas_series(name: str, series: Any) -> pl.Series:
    dtype = str(series.dtype)
    if dtype.startswith(("int", "uint", "float", "bool", "datetime64[", "timedelta")) and "," not in dtype:
        return pl.Series(name, series.to_numpy(), nan_to_null=True)
    values = series.astype(object).where(series.notna(), None).tolist()
    if stored_column(name, values) is not None:
        return pl.Series(name, values, dtype=pl.Object)
    texts = all(v is None or isinstance(v, str) for v in values)
    return pl.Series(name, values, dtype=pl.String if texts else None, strict=False)


def _with_names(table: Table, columns: Sequence[str]) -> Table:
    renamed = dict(zip(table.names, column_names(table.names, columns, table.name), strict=True))
    raw_columns = {
        renamed[n]: raw.rename(renamed[n]) if isinstance(raw, pl.Series) else raw for n, raw in table.columns.items()
    }
    kinds = {renamed[n]: kind for n, kind in table.kinds.items()}
    return replace(table, columns=raw_columns, kinds=kinds, target=renamed.get(table.target or ""))
