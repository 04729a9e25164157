"""Delimited text: csv, tsv and similar formats, also gzipped.

If a count over its bytes gives the same number of cells in each line, polars reads the file with types inferred from
the first rows; columns that do not fit are read again as text. Any other file is read with Python's csv module, which
is slow but reports the lines that are wrong.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from deepglass.data.sources import sniff
from deepglass.data.sources.base import ReadLog, SourceOptions
from deepglass.data.sources.csv_shape import count_lines, offset
from deepglass.data.sources.frames import column_names, table_from_frame
from deepglass.data.sources.plain import is_prose, plain_table
from deepglass.data.sources.text_bytes import Utf8Text, as_utf8, load_bytes
from deepglass.data.table import Table
from deepglass.errors import SourceError
from deepglass.parsing import MISSING

_GUESS_ROWS = 10_000  # types are guessed from these; a later surprise costs a second reading, never a wrong value
_SURPRISES = 6  # columns with a value that does not fit the guess, each of which costs another reading
_MAX_RAGGED_SHARE = 0.01  # of the rows may have a wrong number of cells and are left out; beyond it the file is refused
_BATCH = 50_000


def read_delimited(path: Path, source: str, columns: Sequence[str] | None, options: SourceOptions) -> Table:
    """A text table.

    Raises:
        SourceError: `empty-source`, `no-rows`, `unreadable-file` (with the line), `duplicate-column`, `too-large`.
    """
    log = ReadLog()
    return table_of_text(load_bytes(path, source), path, source, columns, options, log)


def table_of_text(
    data: np.ndarray,
    path: Path | None,
    source: str,
    columns: Sequence[str] | None,
    options: SourceOptions,
    log: ReadLog,
) -> Table:
    """A text table from its bytes; `path` where a plain file holds them.

    A .txt file whose lines nothing cuts into cells is plain text, unless the user speaks of its columns or header.
    """
    text = as_utf8(data, path, source, options, log)
    if not len(text.data) or not text.data[: sniff.SAMPLE_BYTES].tobytes().strip():
        raise SourceError("empty-source", f"{source}: the file is empty")
    whole = len(text.data) <= sniff.SAMPLE_BYTES
    sample = text.data[: sniff.SAMPLE_BYTES].tobytes().decode("utf-8", errors="ignore")
    prose = path is not None and Path(path.name.lower().removesuffix(".gz")).suffix in ("", ".txt", ".text")
    dialect = sniff.detect_dialect(sample, whole, prose, source, options, log)
    lines = prose and dialect.delimiter == sniff.NO_DELIMITER and dialect.names is None
    if lines and columns is None and options.header is None and is_prose(sample):
        return plain_table(text.data.tobytes().decode(), source, log)
    if dialect.delimiter == " ":
        text = _one_space(text)
    unnamed = [f"column_{i}" for i in range(1, dialect.width + 1)]
    names = column_names(dialect.names or unnamed, columns, source)
    frame = _read_cells(text, dialect, source, options, log)
    frame = frame.rename(dict(zip(frame.columns, names, strict=True)))
    if dialect.names is not None and columns is None and frame.height:
        nameless = [name for name, given in zip(names, dialect.names, strict=True) if not given.strip()]
        empty = [name for name in nameless if frame[name].null_count() == frame.height]
        frame = frame.drop(empty)
    return table_from_frame(frame, source, log, text=True, missing=options.missing)


# -- cells -------------------------------------------------------------------------------------------------------


def _read_cells(
    text: Utf8Text, dialect: sniff.Dialect, source: str, options: SourceOptions, log: ReadLog
) -> pl.DataFrame:
    """All rows, columns called c0, c1, ...; typed where the fast reader could."""
    lines = count_lines(text.data, dialect)
    if dialect.spaced and not lines.quoted and lines.regular:
        text, dialect = _no_spaces(text, dialect), dialect._replace(spaced=False)
    if dialect.escape is None and not dialect.spaced and lines.regular and lines.rows:
        frame = _read_with_polars(text, dialect, options, log)
        if frame is not None and frame.height == lines.rows + lines.blank:
            if not lines.blank:
                return frame
            if frame.width == 1:  # a blank line is a missing value there, but not at the end
                return frame.head(_last_value(frame["c0"]))
            return frame.filter(~pl.all_horizontal(pl.all().is_null()))
    return _read_with_csv(text, dialect, source, log)


def _no_spaces(text: Utf8Text, dialect: sniff.Dialect) -> Utf8Text:
    """Without the spaces after delimiters, in a text without quotes."""
    data = text.data.tobytes()
    delimiter = dialect.delimiter.encode()
    while delimiter + b" " in data:
        data = data.replace(delimiter + b" ", delimiter)
    return Utf8Text(np.frombuffer(data, np.uint8), None)


def _last_value(series: pl.Series) -> int:
    present = series.is_not_null().arg_true()
    return int(present[-1]) + 1 if len(present) else 0


def _read_with_polars(
    text: Utf8Text, dialect: sniff.Dialect, options: SourceOptions, log: ReadLog
) -> pl.DataFrame | None:
    """Polars' reader; None when it stumbles.

    Types are guessed from the first rows. Where a later value does not fit, its column is read as text or as floats;
    after some such surprises the guess is made from all rows.
    """
    keys = [f"c{i}" for i in range(dialect.width)]
    unknown = [*MISSING, *options.missing]
    codes, markers = _codes_and_markers(text.data, dialect, unknown)
    if markers:
        log.note("missing", ", ".join(map(repr, sorted(markers))), "taken for unknown")
    types: dict[str, type[pl.DataType]] = {keys[i]: pl.String for i in codes}
    surprises = 0
    while True:
        try:
            return pl.read_csv(
                text.path or io.BytesIO(text.data.tobytes()),
                has_header=False,
                skip_lines=dialect.skip,
                new_columns=keys,
                separator=dialect.delimiter,
                quote_char=dialect.quote,
                null_values=unknown,
                glob=False,  # a name with a star or a bracket is a name
                infer_schema_length=_GUESS_ROWS if surprises < _SURPRISES else None,
                schema_overrides=types,
            )
        except pl.exceptions.PolarsError as error:
            odd = re.search(r"could not parse `(.*)` as dtype `(\w+)` at column '(c\d+)'", str(error), re.DOTALL)
            if surprises > _SURPRISES or (surprises < _SURPRISES and odd is None):
                return None
            surprises += 1
            if odd is not None:
                number = odd[2].startswith("i") and re.fullmatch(r"[+-]?[\d.]+(e[+-]?\d+)?", odd[1], re.IGNORECASE)
                types[odd[3]] = pl.Float64 if number and odd[3] not in types else pl.String


def _codes_and_markers(data: np.ndarray, dialect: sniff.Dialect, unknown: Sequence[str]) -> tuple[set[int], set[str]]:
    """From three windows: columns with leading zeros, which whole numbers would lose, and markers of missing values."""
    codes: set[int] = set()
    markers: set[str] = set()
    size, markers_of_missing = 64 * 1024, set(unknown) - {""}
    for start in {offset(data, dialect.skip), len(data) // 2, max(0, len(data) - size)}:
        lines = data[start : start + size].tobytes().decode("utf-8", errors="ignore").split("\n")
        for row in dialect.reader(lines):
            if len(row) == dialect.width:
                codes |= {i for i, cell in enumerate(row) if len(cell) > 1 and cell[0] == "0" and cell.isdigit()}
                markers |= markers_of_missing.intersection(row)
    return codes, markers


def _read_with_csv(text: Utf8Text, dialect: sniff.Dialect, source: str, log: ReadLog) -> pl.DataFrame:
    """Python's reader, all cells text; rows of another width are left out while they are few."""
    width = dialect.width
    frames, rows, total = [], [], 0
    ragged: list[tuple[int, int]] = []
    number = 0
    for number, cells in _numbered(text, dialect, source):
        if not any(cells) and width > 1:
            continue
        total += 1
        cells = cells or [""]
        if len(cells) == width + 1 and not cells[-1].strip():
            cells = cells[:-1]
        if len(cells) != width:
            ragged.append((number, len(cells)))
            continue
        rows.append(cells)
        if len(rows) == _BATCH:
            frames.append(_text_frame(rows, width))
            rows = []
    _check_closed(text.data[offset(text.data, number - 1) :], dialect, f"{source}, line {number}")
    frame = pl.concat([*frames, _text_frame(rows, width)])
    if len(ragged) > max(1, _MAX_RAGGED_SHARE * total):
        number, count = ragged[0]
        raise SourceError(
            "unreadable-file",
            f"{source}, line {number}: {count} cells, expected {width} as in the other lines "
            f"({len(ragged)} of {total} lines differ); correct the lines, or give data.delimiter or data.quote",
        )
    for number, count in ragged:
        log.skip(f"line {number}", f"{count} cells instead of {width}")
    return frame.head(_last_value(frame["c0"].set(frame["c0"] == "", None))) if width == 1 else frame


def _check_closed(last: np.ndarray, dialect: sniff.Dialect, place: str) -> None:
    """Refuse a file whose last row is one because a quote in it was never closed."""
    content = last.tobytes().rstrip()
    if content.count(b"\n") and content.count(dialect.quote.encode()) % 2:
        raise SourceError(
            "unreadable-file",
            f"{place}: a quote ({dialect.quote}) is opened and never closed; close it, or give data.quote",
        )


def _numbered(text: Utf8Text, dialect: sniff.Dialect, source: str) -> Iterator[tuple[int, list[str]]]:
    """The rows, each with the line at which it begins."""
    lines = io.TextIOWrapper(io.BytesIO(text.data.tobytes()), "utf-8", newline="\n")
    for _ in range(dialect.skip):
        lines.readline()
    reader = dialect.reader(lines)
    while True:
        number = dialect.skip + reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise SourceError("unreadable-file", f"{source}, line {number}: {error}") from error
        yield number, cells


def _text_frame(rows: list[list[str]], width: int) -> pl.DataFrame:
    cells = zip(*rows, strict=True) if rows else [[] for _ in range(width)]
    return pl.DataFrame([pl.Series(f"c{i}", column, dtype=pl.String) for i, column in enumerate(cells)])


def _one_space(text: Utf8Text) -> Utf8Text:
    lines = (b" ".join(line.split()) for line in text.data.tobytes().split(b"\n"))
    return Utf8Text(np.frombuffer(b"\n".join(lines), np.uint8), None)
