"""Binary tables: parquet, arrow (feather) and Excel."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import BadZipFile, ZipFile, is_zipfile

import polars as pl

from deepglass.data.sources.base import ReadLog, SourceOptions
from deepglass.data.sources.binary_headers import arrow_bytes, parquet_bytes
from deepglass.data.sources.frames import column_names, table_from_frame, table_from_texts
from deepglass.data.sources.header import has_header
from deepglass.data.table import Table
from deepglass.errors import MissingExtra, SourceError, near_miss
from deepglass.files import check_regular, open_file
from deepglass.limits import check_unpacked

if TYPE_CHECKING:
    from fastexcel import ExcelReader

_BROKEN = (  # polars panics at some damaged files
    *(pl.exceptions.PolarsError, pl.exceptions.PanicException),
    *(OSError, ValueError, struct.error, AttributeError, TypeError),  # of `binary_headers`
)


def read_parquet(path: Path, source: str, columns: Sequence[str] | None, options: SourceOptions) -> Table:
    """A parquet file."""
    with _readable(source, "parquet"):
        with open_file(path, source) as file:
            check_unpacked(parquet_bytes(file), path.stat().st_size, source, "table_inflation")
        with open_file(path, source) as file:  # polars reads from where the file stands, without Python's buffer
            frame = pl.read_parquet(file)
    return table_from_frame(frame, source, ReadLog(), columns=columns)


def read_arrow(path: Path, source: str, columns: Sequence[str] | None, options: SourceOptions) -> Table:
    """An arrow file (feather 2) or stream."""
    with _readable(source, "arrow"):
        with open_file(path, source) as file:
            check_unpacked(arrow_bytes(file), path.stat().st_size, source, "table_inflation")
            stream = file.read(6) != b"ARROW1"
        with open_file(path, source) as file:
            frame = pl.read_ipc_stream(file) if stream else pl.read_ipc(file)
    return table_from_frame(frame, source, ReadLog(), columns=columns)


def read_excel(path: Path, source: str, columns: Sequence[str] | None, options: SourceOptions) -> Table:
    """A sheet of an Excel file: the one named by `options.sheet`, else the first that is not empty."""
    try:
        import fastexcel
    except ImportError as error:
        raise MissingExtra("fastexcel", "all", f"{source}: reading an Excel file") from error
    log = ReadLog()
    check_regular(path, source)
    if is_zipfile(path):
        _check_zip(path, source)
    with _readable(source, "Excel", (fastexcel.FastExcelError,)):
        book = fastexcel.read_excel(path)
        name = _sheet(book, source, options, log)
        rows = _stripped(book.load_sheet(name, header_row=None, dtypes="string").to_polars())
        if not rows.height:
            raise SourceError("empty-source", f"{source}: sheet {name!r} is empty")
        sample = [[cell or "" for cell in row] for row in rows.head(1000).rows()]
        first = next(i for i, row in enumerate(sample) if sum(map(bool, row)) > len(row) / 2 or i + 1 == len(sample))
        if first:
            log.note("preamble", f"{first} rows", "mostly empty cells: left out")
        header, why = has_header(sample[first:], options.header)
        log.note("header", f"row {first + 1}" if header else "none", why)
    names = sample[first] if header else [f"column_{i}" for i in range(1, rows.width + 1)]
    body = rows.slice(first + header)
    body.columns = column_names(names, columns, source)
    return table_from_texts(body, source, log, options)


def _check_zip(path: Path, source: str) -> None:
    """Unpack the parts of a file without keeping them: damaged ones are found, and those that are far too large."""
    packed, unpacked = path.stat().st_size, 0
    with _readable(source, "Excel", (BadZipFile, zlib.error, *_BROKEN)), ZipFile(path) as archive:
        check_unpacked(sum(info.file_size for info in archive.infolist()), packed, source)
        for info in archive.infolist():
            with archive.open(info) as part:
                while piece := part.read(2**20):
                    unpacked += len(piece)
                    check_unpacked(unpacked, packed, source)


def _sheet(book: ExcelReader, source: str, options: SourceOptions, log: ReadLog) -> str:
    """The name of the sheet to read."""
    names = book.sheet_names
    if (sheet := options.sheet) is not None:
        if sheet not in names:
            raise SourceError("bad-value", f"data.sheet: no sheet {sheet!r} in {source}{near_miss(sheet, names)}")
        return sheet
    filled = [n for n in names if book.load_sheet(n, header_row=None, n_rows=5).height]
    if not filled:
        raise SourceError("empty-source", f"{source}: its sheets are empty ({', '.join(names)})")
    if len(names) > 1:
        log.note("sheet", filled[0], f"the first of {', '.join(names)}; data.sheet names another")
    return filled[0]


def _stripped(frame: pl.DataFrame) -> pl.DataFrame:
    """Without rows and columns that are empty."""
    frame = frame.filter(~pl.all_horizontal(pl.all().is_null()))
    return frame.select([s for s in frame if s.null_count() < frame.height]) if frame.height else frame


@contextmanager
def _readable(source: str, format: str, errors: tuple[type[BaseException], ...] = _BROKEN) -> Iterator[None]:
    """Turn the errors of a library that reads a file into a `SourceError`."""
    try:
        yield
    except errors as error:
        reason = " ".join(str(error).split()[:30])
        raise SourceError("unreadable-file", f"{source}: no {format} file, or it is damaged ({reason})") from error
