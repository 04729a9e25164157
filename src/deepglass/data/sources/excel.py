"""Sheets of Excel files: which sheet holds the table, where it begins, and merged cells."""

from __future__ import annotations

import html
import re
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from zipfile import BadZipFile, ZipFile, is_zipfile

import numpy as np
import polars as pl

from deepglass.data.sources.base import ReadLog, SourceOptions
from deepglass.data.sources.binary import BROKEN, readable
from deepglass.data.sources.frames import column_names, numbered, table_from_texts
from deepglass.data.sources.header import has_header, is_units_row
from deepglass.data.table import Table
from deepglass.errors import MissingExtra, SourceError, near_miss
from deepglass.files import check_regular
from deepglass.formatting import first_names
from deepglass.limits import check_unpacked

if TYPE_CHECKING:
    from fastexcel import ExcelReader

_NUM_COMPARED = 1_000  # rows of a sheet that is compared with others
_MAX_TITLE = 0.6  # of the width: a merged cell that is wider is a title
_MAX_LISTED = 12  # sheets in a message


_SHARED_TEXTS = re.compile(rb"<(?:\w+:)?sst[ >]")
_SHARED_TEXT = re.compile(rb"<(?:\w+:)?si[ />]")
_REFERENCE = re.compile(rb'<(?:\w+:)?c [^>]*?t="s"[^>]*>\s*<(?:\w+:)?v>(\d{1,9})<')  # of a cell to a shared text


class Block(NamedTuple):
    """A merged cell, from row and column (0 is the first) to those behind it."""

    row: int
    column: int
    end_row: int
    end_column: int


def read_excel(path: Path, source: str, columns: Sequence[str] | None, options: SourceOptions) -> Table:
    """A sheet of an Excel file: the one named by `options.sheet`, else the first with a table."""
    try:
        import fastexcel
    except ImportError as error:
        raise MissingExtra("fastexcel", "all", f"{source}: reading an Excel file") from error
    log = ReadLog()
    check_regular(path, source)
    if is_zipfile(path):
        _check_zip(path, source)
    with readable(source, "Excel", (fastexcel.FastExcelError,)):
        book = fastexcel.read_excel(path)
        name = _sheet(book, source, options, log)
        cells = book.load_sheet(name, header_row=None, dtypes="string").to_polars()
        rows = _stripped(_filled(cells, path, book.sheet_names.index(name), log))
        if not rows.height:
            raise SourceError("empty-source", f"{source}: sheet {name!r} is empty")
        sample = [[cell or "" for cell in row] for row in rows.head(1000).rows()]
        first = next(i for i, row in enumerate(sample) if sum(map(bool, row)) > len(row) / 2 or i + 1 == len(sample))
        if first:
            log.note("preamble", f"{first} rows", "mostly empty cells: left out")
        header, why = has_header(sample[first:], options.header)
        log.note("header", f"row {first + 1}" if header else "none", why)
    names = sample[first] if header else numbered(rows.width)
    if header and is_units_row(sample[first + 1 :]):
        below, first = sample[first + 1], first + 1
        if len({*names}) < len(names):  # a merged cell above several names
            names = [" ".join(dict.fromkeys(filter(None, pair))) for pair in zip(names, below, strict=True)]
            log.note("header", f"rows {first} and {first + 1}", "a merged cell stands above several names")
        else:
            log.note("units", ", ".join(below), f"row {first + 1}, below the names: left out")
    body = rows.slice(first + header)
    body.columns = column_names(names, columns, source)
    return table_from_texts(body, source, log, options)


def _check_zip(path: Path, source: str) -> None:
    """Unpack the parts of a file: damaged ones are found, and those that are far too large, also once they are read."""
    packed, unpacked = path.stat().st_size, 0
    lengths, references = np.zeros(0, np.int64), [np.zeros(0, np.int64)]
    with readable(source, "Excel", (BadZipFile, zlib.error, *BROKEN)), ZipFile(path) as archive:
        check_unpacked(sum(info.file_size for info in archive.infolist()), packed, source)
        for info in archive.infolist():
            content = bytearray()
            with archive.open(info) as part:
                while piece := part.read(2**20):
                    unpacked += len(piece)
                    check_unpacked(unpacked, packed, source)
                    content += piece
            if _SHARED_TEXTS.search(content, 0, 2**12):
                lengths = np.array([len(text) for text in _SHARED_TEXT.split(content)[1:]], np.int64)
            elif b"sheetData" in content:
                references.append(np.array(_REFERENCE.findall(content), np.int64))
    texts = np.concatenate(references)
    texts = texts[texts < len(lengths)]
    check_unpacked(int(lengths[texts].sum()), packed, source)  # each cell gets its own copy of a shared text


def _sheet(book: ExcelReader, source: str, options: SourceOptions, log: ReadLog) -> str:
    """The name of the sheet to read: the one of `data.sheet`, else the first with a table, not only notes."""
    names = book.sheet_names
    listing = first_names(names, _MAX_LISTED)
    if (sheet := options.sheet) is not None:
        if sheet not in names and sheet.isdigit() and 1 <= int(sheet) <= len(names):
            return names[int(sheet) - 1]
        if sheet not in names:
            near = near_miss(sheet, names)
            raise SourceError("bad-value", f"data.sheet: no sheet {sheet!r} in {source}{near}; it has {listing}")
        return sheet
    cells = {name: _filled_cells(book, name) for name in names}
    largest = max(cells.values(), default=0)
    if not largest:
        raise SourceError("empty-source", f"{source}: its sheets are empty ({listing})")
    best = next(name for name in names if cells[name] >= 0.5 * largest)
    if len(names) > 1:
        rank = "first" if best == names[0] else "first with a table"
        log.note("sheet", best, f"the {rank} of {listing}; data.sheet=NAME reads another")
    return best


def _filled_cells(book: ExcelReader, name: str) -> int:
    """Cells with a value in the first rows of a sheet, in columns that have more than one."""
    frame = book.load_sheet(name, header_row=None, n_rows=_NUM_COMPARED, dtypes="string").to_polars()
    counts = [frame.height - series.null_count() for series in frame]
    return sum(count for count in counts if count > 1 or len(counts) > 1)


# -- merged cells ------------------------------------------------------------------------------------------------------


def _filled(frame: pl.DataFrame, path: Path, position: int, log: ReadLog) -> pl.DataFrame:
    """The frame with the value of each merged cell in all cells that it covers, but for titles.

    Args:
        position: of the sheet in the file.
    """
    blocks = [b for b in _merged(path, position) if b.end_row - b.row > 1 or b.end_column - b.column > 1]
    blocks = [b for b in blocks if b.end_column - b.column <= _MAX_TITLE * frame.width or b.end_row - b.row > 1]
    blocks = [b for b in blocks if 0 <= b.row < frame.height and 0 <= b.column < frame.width]
    if not blocks:
        return frame
    columns = [series.to_list() for series in frame]
    for row, column, end_row, end_column in blocks:
        value = columns[column][row]
        for j in range(column, min(end_column, frame.width)):
            columns[j][row:end_row] = [value] * (min(end_row, frame.height) - row)
    log.note("merged cells", f"{len(blocks):,}", "their value stands in each of the cells that they cover")
    return pl.DataFrame(columns, schema=frame.schema)


def _merged(path: Path, position: int) -> Iterator[Block]:
    """The merged cells of a sheet, relative to its first row and column with a value."""
    if not is_zipfile(path):
        return
    with ZipFile(path) as archive:
        try:
            book = archive.read("xl/workbook.xml").decode("utf-8", errors="replace")
            links = archive.read("xl/_rels/workbook.xml.rels").decode("utf-8", errors="replace")
            key = re.findall(r"<(?:\w+:)?sheet [^>]*?r:id=\"([^\"]+)\"", book)[position]
            targets = (_attributes(link, "Id", "Target") for link in re.findall(r"<Relationship [^>]*>", links))
            name = html.unescape(next((target for own, target in targets if own == key), ""))
            content = archive.read(name.lstrip("/") if name.startswith("/") else f"xl/{name}")
        except (KeyError, IndexError):
            return
    merged = re.findall(rb'<(?:\w+:)?mergeCell [^>]*?ref="([A-Z]+)(\d+):([A-Z]+)(\d+)"', content)
    if not merged:
        return
    cells = re.findall(rb'<(?:\w+:)?c [^>]*?r="([A-Z]+)(\d+)"[^>/]*>', content)  # those without a value end in "/>"
    first_row = min((int(row) for _, row in cells), default=1)
    first_column = min((_index(column) for column in {column for column, _ in cells}), default=0)
    for left, top, right, bottom in merged:
        column, end_column = _index(left) - first_column, _index(right) - first_column + 1
        yield Block(int(top) - first_row, column, int(bottom) - first_row + 1, end_column)


def _attributes(tag: str, *names: str) -> tuple[str, ...]:
    return tuple(m[1] if (m := re.search(rf'\b{name}="([^"]*)"', tag)) else "" for name in names)


def _index(letters: bytes) -> int:
    """0 for A, 25 for Z, 26 for AA."""
    number = 0
    for letter in letters:
        number = number * 26 + letter - ord("A") + 1
    return number - 1


def _stripped(frame: pl.DataFrame) -> pl.DataFrame:
    """Without rows and columns that are empty."""
    frame = frame.filter(~pl.all_horizontal(pl.all().is_null()))
    return frame.select([s for s in frame if s.null_count() < frame.height]) if frame.height else frame
