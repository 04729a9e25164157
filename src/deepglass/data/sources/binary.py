"""Binary tables: parquet and arrow (feather)."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from deepglass.data.sources.base import ReadLog, SourceOptions
from deepglass.data.sources.binary_headers import arrow_bytes, parquet_bytes
from deepglass.data.sources.frames import table_from_frame
from deepglass.data.table import Table
from deepglass.errors import SourceError
from deepglass.files import open_file
from deepglass.limits import check_unpacked

BROKEN = (
    pl.exceptions.PolarsError,
    *(OSError, ValueError, struct.error, AttributeError, TypeError),  # of `binary_headers`
)
_NOT_COUNTED = (pl.Categorical, pl.Enum, pl.Struct, pl.List, pl.Array)  # by `estimated_size` inside of lists


def read_parquet(path: Path, source: str, columns: Sequence[str] | None, options: SourceOptions) -> Table:
    """A parquet file."""
    with readable(source, "parquet"):
        with open_file(path, source) as file:
            check_unpacked(parquet_bytes(file), path.stat().st_size, source, "table_inflation")
        with open_file(path, source) as file:  # polars reads from where the file stands, without Python's buffer
            frame = pl.read_parquet(file)
        _check_size(frame, path, source)
    return table_from_frame(frame, source, ReadLog(), columns=columns)


def read_arrow(path: Path, source: str, columns: Sequence[str] | None, options: SourceOptions) -> Table:
    """An arrow file (feather 2) or stream."""
    with readable(source, "arrow"):
        with open_file(path, source) as file:
            check_unpacked(arrow_bytes(file), path.stat().st_size, source, "table_inflation")
            stream = file.read(6) != b"ARROW1"
        with open_file(path, source) as file:
            frame = pl.read_ipc_stream(file) if stream else pl.read_ipc(file)
        _check_size(frame, path, source)
    return table_from_frame(frame, source, ReadLog(), columns=columns)


def _check_size(frame: pl.DataFrame, path: Path, source: str) -> None:
    """Refuse a table whose rows refer to a few long texts: polars stores each once, what works on its rows does not."""
    size = sum(map(_bytes_of_rows, frame))
    check_unpacked(size, path.stat().st_size, source, "table_inflation")


def _bytes_of_rows(series: pl.Series) -> int:
    """Bytes of a column with the text of each category in each of its rows."""
    dtype = series.dtype
    if isinstance(dtype, pl.Categorical | pl.Enum):
        return int(series.cat.len_bytes().cast(pl.UInt64).sum())
    if isinstance(dtype, pl.Struct):
        return sum(_bytes_of_rows(series.struct.field(field.name)) for field in dtype.fields)
    if isinstance(dtype, pl.List | pl.Array) and isinstance(dtype.inner, _NOT_COUNTED):
        return _bytes_of_rows(series.explode())
    return int(series.estimated_size())


@contextmanager
def readable(source: str, format: str, errors: tuple[type[BaseException], ...] = BROKEN) -> Iterator[None]:
    """Turn the errors of a library that reads a file into a `SourceError`."""
    try:
        yield
    except BaseException as error:
        if not isinstance(error, errors) and type(error).__name__ != "PanicException":  # each library has its own
            raise
        reason = " ".join(str(error).split()[:30])
        raise SourceError("unreadable-file", f"{source}: no {format} file, or it is damaged ({reason})") from error
