"""Binary tables: parquet and arrow (feather)."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from deepglass.data.sources.base import ReadLog, SourceOptions
from deepglass.data.sources.binary_headers import arrow_bytes, parquet_bytes
from deepglass.data.sources.frames import table_from_frame
from deepglass.data.table import Table
from deepglass.errors import SourceError
from deepglass.files import open_file
from deepglass.limits import check_unpacked

if TYPE_CHECKING:
    pass

BROKEN = (  # polars panics at some damaged files
    *(pl.exceptions.PolarsError, pl.exceptions.PanicException),
    *(OSError, ValueError, struct.error, AttributeError, TypeError),  # of `binary_headers`
)


def read_parquet(path: Path, source: str, columns: Sequence[str] | None, options: SourceOptions) -> Table:
    """A parquet file."""
    with readable(source, "parquet"):
        with open_file(path, source) as file:
            check_unpacked(parquet_bytes(file), path.stat().st_size, source, "table_inflation")
        with open_file(path, source) as file:  # polars reads from where the file stands, without Python's buffer
            frame = pl.read_parquet(file)
    return table_from_frame(frame, source, ReadLog(), columns=columns)


def read_arrow(path: Path, source: str, columns: Sequence[str] | None, options: SourceOptions) -> Table:
    """An arrow file (feather 2) or stream."""
    with readable(source, "arrow"):
        with open_file(path, source) as file:
            check_unpacked(arrow_bytes(file), path.stat().st_size, source, "table_inflation")
            stream = file.read(6) != b"ARROW1"
        with open_file(path, source) as file:
            frame = pl.read_ipc_stream(file) if stream else pl.read_ipc(file)
    return table_from_frame(frame, source, ReadLog(), columns=columns)


@contextmanager
def readable(source: str, format: str, errors: tuple[type[BaseException], ...] = BROKEN) -> Iterator[None]:
    """Turn the errors of a library that reads a file into a `SourceError`."""
    try:
        yield
    except errors as error:
        reason = " ".join(str(error).split()[:30])
        raise SourceError("unreadable-file", f"{source}: no {format} file, or it is damaged ({reason})") from error
