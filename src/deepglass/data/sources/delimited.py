"""Delimited text: csv, tsv and similar formats, also gzipped.

If each line has the same number of cells, by a count over the bytes, polars reads the file with types inferred from
the first rows; columns that do not fit are read again as text. Any other file is read with Python's csv module, which
is slow but reports the lines that are wrong.
"""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import polars as pl

from deepglass.data.sources import sniff
from deepglass.data.sources.base import ReadLog, SourceOptions
from deepglass.data.sources.encodings import SAMPLE_BYTES
from deepglass.data.sources.frames import column_names, numbered, table_from_texts
from deepglass.data.sources.plain import is_prose, plain_table
from deepglass.data.sources.polars_csv import count_lines, offset, read_with_polars
from deepglass.data.sources.quotes import enclose_stray_quotes
from deepglass.data.sources.text_bytes import Utf8Text, as_utf8, check_lines, load_bytes, read_text
from deepglass.data.sources.word_rows import sentences_of_rows, sentences_of_text
from deepglass.data.table import Table
from deepglass.errors import SourceError
from deepglass.formulas import unguarded
from deepglass.limits import limit

_MAX_RAGGED_SHARE = 0.01  # of the rows may have a wrong number of cells and are left out; beyond it the file is refused
_BATCH = 50_000

MIN_SAMPLE_LINES = 3  # from which the dialect is detected, however long they are


def read_delimited(path: Path, source: str, columns: Sequence[str] | None, options: SourceOptions) -> Table:
    """A text table.

    Raises:
        SourceError: `empty-source`, `no-rows`, `unreadable-file` (with the line), `duplicate-column`, `too-large`.
    """
    log = ReadLog()
    return table_of_text(load_bytes(path, source), path, source, columns, options, log)


def read_plain(path: Path, source: str, options: SourceOptions) -> Table:
    """A file of plain text. Raises as `read_delimited`."""
    log = ReadLog()
    text = read_text(path, source, options, log)
    if not text.strip():
        raise SourceError("empty-source", f"{source}: the file is empty")
    return plain_table(text, source, log)


def table_of_text(
    data: np.ndarray,
    path: Path | None,
    source: str,
    columns: Sequence[str] | None,
    options: SourceOptions,
    log: ReadLog,
) -> Table:
    """A text table from its bytes; `path` is the file that holds them, if any.

    A .txt file whose lines have no delimiter is plain text, unless the user gives columns or `data.header`.
    """
    text = as_utf8(data, path, source, options, log)
    if not len(text.data) or not text.data[:SAMPLE_BYTES].tobytes().strip():
        raise SourceError("empty-source", f"{source}: the file is empty")
    check_lines(text.data, source)
    size = _sample_size(text.data)
    whole = len(text.data) <= size
    sample = text.data[:size].tobytes().decode("utf-8", errors="ignore")
    prose = path is not None and Path(path.name.lower().removesuffix(".gz")).suffix in ("", ".txt", ".text")
    if columns is None and (tagged := sentences_of_text(sample, text.data.tobytes, source, log)) is not None:
        return tagged
    original, dialect_log = text, ReadLog()
    dialect = sniff.detect_dialect(sample, whole, prose, source, options, dialect_log)
    enclosed = enclose_stray_quotes(text, dialect, log)
    if enclosed is not text:  # the quotes may have hidden lines of the sample
        text, dialect_log = enclosed, ReadLog()
        sample = text.data[:size].tobytes().decode("utf-8", errors="ignore")
        dialect = sniff.detect_dialect(sample, whole, prose, source, options, dialect_log)
    log.notes += dialect_log.notes
    undelimited = prose and dialect.delimiter == sniff.NO_DELIMITER and dialect.names is None
    if undelimited and columns is None and options.header is None and is_prose(sample):
        return plain_table(original.data.tobytes().decode(), source, log)
    if dialect.delimiter == " ":
        text = _one_space(text)
    header = dialect.names or numbered(dialect.width)
    header = unguarded(pl.Series(header)).to_list()
    names = column_names(header, columns, source)
    frame, number_texts = _read_cells(text, dialect, source, options, log)
    frame = frame.with_columns(unguarded(c) for c in frame if c.dtype == pl.String)
    frame.columns = names
    if columns is None and frame.height:
        nameless = [name for name, cell in zip(names, header, strict=True) if not cell.strip()]
        frame = frame.drop([name for name in nameless if frame[name].null_count() == frame.height])
    if (tagged := sentences_of_rows(frame, source, log)) is not None:
        return tagged
    return table_from_texts(frame, source, log, options, number_texts, dialect.delimiter == ";")


# -- cells -------------------------------------------------------------------------------------------------------


def _read_cells(
    text: Utf8Text, dialect: sniff.Dialect, source: str, options: SourceOptions, log: ReadLog
) -> tuple[pl.DataFrame, set[str]]:
    """All rows, columns called c0, c1, ...; typed where the fast reader could. And the texts for missing numbers."""
    lines = count_lines(text.data, dialect)
    if dialect.spaced and not lines.quoted and lines.regular:
        text, dialect = _no_spaces(text, dialect), dialect._replace(spaced=False)
    if dialect.escape is None and not dialect.spaced and lines.regular and lines.rows:
        cells = read_with_polars(text, dialect, lines.rows, options)
        if cells is not None and cells[0].height == lines.rows + lines.blank:
            frame, number_texts = cells
            if lines.blank and frame.width == 1:  # a blank line is a missing value there, but not at the end
                frame = frame.head(_last_value(frame["c0"]))
            elif lines.blank:
                frame = frame.filter(~pl.all_horizontal(pl.all().is_null()))
            return frame, number_texts
    return _read_with_csv(text, dialect, source, log), set()


def _no_spaces(text: Utf8Text, dialect: sniff.Dialect) -> Utf8Text:
    """Without the spaces after delimiters, in a text without quotes."""
    delimiter = dialect.delimiter.encode()
    data = re.sub(re.escape(delimiter) + b" +", delimiter, text.data.tobytes())
    return Utf8Text(np.frombuffer(data, np.uint8), None)


def _last_value(series: pl.Series) -> int:
    present = series.is_not_null().arg_true()
    return int(present[-1]) + 1 if len(present) else 0


def _read_with_csv(text: Utf8Text, dialect: sniff.Dialect, source: str, log: ReadLog) -> pl.DataFrame:
    """The cells as Python's csv module reads them, all text; a few rows of another width are skipped."""
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


def _check_closed(last: np.ndarray, dialect: sniff.Dialect, where: str) -> None:
    """Raise `unreadable-file` if the last row spans several lines because a quote in it is never closed."""
    content = last.tobytes().rstrip()
    if content.count(b"\n") and content.count(dialect.quote.encode()) % 2:
        text = f"{where}: a quote ({dialect.quote}) is opened and never closed; close it, or give data.quote"
        raise SourceError("unreadable-file", text)


def _numbered(text: Utf8Text, dialect: sniff.Dialect, source: str) -> Iterator[tuple[int, list[str]]]:
    """The rows, each with the number of its first line."""
    lines = io.TextIOWrapper(io.BytesIO(text.data.tobytes()), "utf-8", newline="\n")
    reader = dialect.reader(islice(lines, dialect.skip, None))
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
    return pl.DataFrame(rows, schema={f"c{i}": pl.String for i in range(width)}, orient="row")


def _one_space(text: Utf8Text) -> Utf8Text:
    lines = (b" ".join(line.split()) for line in text.data.tobytes().split(b"\n"))
    return Utf8Text(np.frombuffer(b"\n".join(lines), np.uint8), None)


def _sample_size(data: np.ndarray) -> int:
    """Bytes from which the dialect is detected: more where the first lines are long, as a header of 100,000 names."""
    if np.count_nonzero(data[:SAMPLE_BYTES] == ord("\n")) >= MIN_SAMPLE_LINES:
        return SAMPLE_BYTES
    ends = np.flatnonzero(data[: MIN_SAMPLE_LINES * limit("line_bytes")] == ord("\n"))[:MIN_SAMPLE_LINES]
    return max(SAMPLE_BYTES, int(ends[-1]) + 1 if len(ends) else 0)
