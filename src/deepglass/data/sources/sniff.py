"""Dialect detection of text tables: delimiter, quoting, header, each with its reason."""

import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from deepglass.data.sources.base import NO_QUOTE, ReadLog, SourceOptions
from deepglass.data.sources.encodings import SAMPLE_BYTES
from deepglass.data.sources.header import has_header, is_number, is_units_row
from deepglass.errors import SourceError
from deepglass.formatting import plain_percent

_SAMPLE_ROWS = 2_000
_MIN_ROW_SHARE = 0.9  # of the lines that have the same number of cells, where a quote that is not closed hides them
_MAX_PREAMBLE = 50  # lines above the data
_DELIMITERS = {"\t": "tab", ";": "';'", "|": "'|'", ",": "','"}  # in the order in which a tie is settled
_COMMENTS = ("#", "%", "//")
NO_DELIMITER = "\x1f"  # a delimiter that does not occur in text: one column

csv.field_size_limit(2**31 - 1)  # a cell may hold a whole document


class Reader(Protocol):
    """The type of csv.reader's result."""

    line_num: int

    def __iter__(self) -> Iterator[list[str]]: ...
    def __next__(self) -> list[str]: ...


class Dialect(NamedTuple):
    """The format of a text table."""

    delimiter: str
    quote: str
    escape: str | None  # before a quote inside a quoted cell, where it is not doubled
    spaced: bool = False  # a space follows each delimiter
    skip: int = 0  # lines before the first row of data
    names: list[str] | None = None  # None: no header
    width: int = 0  # cells per row

    def reader(self, lines: Iterable[str]) -> Reader:
        """A csv.reader of this dialect; a carriage return inside a line is read as a space."""
        return csv.reader(
            (line.rstrip("\r\n").replace("\r", " ") + "\n" for line in lines),
            delimiter=self.delimiter,
            quotechar=None if self.quote == NO_QUOTE else self.quote,
            quoting=csv.QUOTE_NONE if self.quote == NO_QUOTE else csv.QUOTE_MINIMAL,
            escapechar=self.escape,
            doublequote=self.escape is None,
            skipinitialspace=self.spaced,
        )


# -- cells -------------------------------------------------------------------------------------------------------


def detect_dialect(sample: str, whole: bool, prose: bool, source: str, options: SourceOptions, log: ReadLog) -> Dialect:
    """The dialect of a text table, from its first lines.

    Args:
        whole: the sample is the whole file; otherwise its last line may be cut and is not used.
        prose: the file may also be plain text, one row per line.
    """
    before = 0
    if sample.lower().startswith("sep=") and (end := sample.find("\n")) in (5, 6):
        options = SourceOptions(**{**vars(options), "delimiter": options.delimiter or sample[4]})
        sample, before = sample[end + 1 :], 1
    quote, escape = _quoting(sample, options, log)
    read_quote = NO_QUOTE if options.quote is None and _is_swallowed(sample, quote, whole) else quote
    delimiter = options.delimiter or _delimiter(sample, read_quote, escape, whole, prose, log)
    dialect = Dialect(delimiter, read_quote, escape)
    rows, ends = _rows(dialect, sample, whole)
    if _is_spaced(rows, delimiter):
        log.note("spaces", f"after each {delimiter!r}", "removed from the cells")
        dialect = dialect._replace(spaced=True)
        rows, ends = _rows(dialect, sample, whole)
    width = _width(rows)
    first, comments = _first_row(rows, width, options, log)
    header, why = has_header(rows[first:], options.header)
    if comments:
        rows[first] = [rows[first][0].lstrip("#%/ "), *rows[first][1:]]
    if prose and delimiter == NO_DELIMITER and options.header is None and "stands over" not in why:
        return Dialect(delimiter, quote, escape, skip=before, width=1)
    dialect = dialect._replace(quote=quote)
    log.note("header", "the first line" if header else "none", why)
    skip = before + (ends[first] if header else (ends[first - 1] if first else 0))
    names = _names(rows[first], rows[first + 1 :], width, f"{source}, line {skip}", log) if header else None
    if names and is_units_row(rows[first + 1 :]):
        log.note("units", ", ".join(rows[first + 1]), f"line {ends[first + 1]}, below the names: left out")
        skip = before + ends[first + 1]
    return dialect._replace(skip=skip, names=names, width=width)


def _quoting(sample: str, options: SourceOptions, log: ReadLog) -> tuple[str, str | None]:
    quote = options.quote or '"'
    if options.quote is None and '"' not in sample:
        lines = sample[:20_000].splitlines()
        around = sum(len(re.findall(r"(?:^|[,;\t|])\s?'[^'\n]*'(?=$|[,;\t|])", line)) for line in lines)
        if around >= 4 and around >= 0.5 * len(lines):
            log.note("quote", '"\'"', f"around {around} cells of the first {len(lines)} lines")
            return "'", None
    escape = "\\" if f"\\{quote}" in sample and f"{quote}{quote}" not in sample.replace(f"\\{quote}", "") else None
    if escape:
        log.note("quote", f"\\{quote} inside cells", "escaped by a backslash")
    return quote, escape


def _is_swallowed(sample: str, quote: str, whole: bool) -> bool:
    """Whether quotes that nobody closes hide most lines of the sample, which are rows without them."""
    if quote not in sample or len(sample) > 2 * SAMPLE_BYTES:  # it is longer only where its lines are
        return False
    for delimiter in _DELIMITERS:
        rows, _ = _rows(Dialect(delimiter, NO_QUOTE, None), sample, whole)
        width, count = Counter(map(len, rows)).most_common(1)[0] if rows else (0, 0)
        if width > 1 and count >= _MIN_ROW_SHARE * len(rows):
            return _hidden_lines(sample.split("\n"), delimiter, quote) > 0.5 * len(rows)
    return False


def _hidden_lines(lines: Sequence[str], delimiter: str, quote: str) -> int:
    """Lines in cells that begin with a quote, and do not end with one before a delimiter or the end of a line."""
    reader = csv.reader((line + "\n" for line in lines), delimiter=delimiter, quotechar=quote, strict=True)
    hidden = before = 0
    while reader.line_num < min(len(lines), _SAMPLE_ROWS):
        before = reader.line_num
        try:
            next(reader)
        except csv.Error:
            hidden += reader.line_num - before - 1
        except StopIteration:
            break
    return hidden


def _delimiter(sample: str, quote: str, escape: str | None, whole: bool, prose: bool, log: ReadLog) -> str:
    widths = {d: _widths(Dialect(d, quote, escape, spaced=True), sample, whole) for d in _DELIMITERS}
    best = _most_even(widths, 0) or _most_even(widths, _MAX_PREAMBLE)
    if best is not None:
        log.note("delimiter", _DELIMITERS[best.delimiter], best.why)
        return best.delimiter
    first_lines = sample.split("\n")[: _SAMPLE_ROWS if whole else -1] or [sample]
    rows = [line.split() for line in first_lines if line.strip()]
    numeric = [sum(is_number(cell) for cell in row) >= 0.5 * len(row) for row in rows[1:]]
    if len({len(row) for row in rows}) == 1 and len(rows[0]) > 1 and numeric and np.mean(numeric) > 0.5:
        log.note("delimiter", "space", f"each of {len(rows)} lines has {len(rows[0])} words, mostly numbers")
        return " "
    filled = [line for line in first_lines if line.strip()]
    uneven = [d for d in _DELIMITERS if d in filled[0] and sum(d in line for line in filled) > len(filled) / 2]
    if uneven and not prose:  # reading the whole file counts and names the lines that differ
        log.note("delimiter", _DELIMITERS[uneven[0]], "in the first line and in most others, in different numbers")
        return uneven[0]
    log.note("delimiter", "none", "no character splits the lines into an equal number of cells: one column")
    return NO_DELIMITER


class _Splitter(NamedTuple):
    """A delimiter that splits most lines into the same number of cells."""

    delimiter: str
    why: str


def _most_even(widths: Mapping[str, Sequence[int]], max_preamble: int) -> _Splitter | None:
    """The delimiter that splits the largest share of the lines into the same number of cells; None below 70 %.

    Args:
        widths: delimiter -> cells of each line.
        max_preamble: lines above the first one of that number that do not count.
    """
    best, best_share = None, 0.0
    for delimiter, cells in widths.items():
        if not cells:
            continue
        width, count = Counter(cells).most_common(1)[0]
        lines = len(cells) - min(cells.index(width), max_preamble)
        share = count / lines
        if width > 1 and share >= 0.7 and share > best_share:
            why = f"splits {'each' if share == 1 else plain_percent(share)} of {lines} lines into {width} cells"
            best, best_share = _Splitter(delimiter, why), share
    return best


def _widths(dialect: Dialect, sample: str, whole: bool) -> list[int]:
    """Cells of each row, without comments and rows of empty cells."""
    rows, _ = _rows(dialect, sample, whole)
    return [len(row) for row in rows if (len(row) == 1 or any(map(str.strip, row))) and _begins_otherwise(row)]


def _rows(dialect: Dialect, sample: str, whole: bool) -> tuple[list[list[str]], list[int]]:
    """The first rows, and the number of lines of the text at the end of each."""
    lines = sample.split("\n")
    if dialect.delimiter == " ":
        lines = [" ".join(line.split()) for line in lines]
    lines = lines[:-1] if len(lines) > 1 and (not whole or not lines[-1]) else lines
    reader = dialect.reader(lines)
    rows: list[list[str]] = []
    ends: list[int] = []
    try:
        for row in reader:
            rows.append(row)
            ends.append(reader.line_num)
            if len(rows) == _SAMPLE_ROWS:
                break
    except csv.Error:  # reading the whole file reports the line
        pass
    if not whole and 1 < len(rows) < _SAMPLE_ROWS:
        rows, ends = rows[:-1], ends[:-1]  # the last row may be cut, or begin with a quote that is never closed
    return rows, ends


def _names(names: list[str], body: Sequence[Sequence[str]], width: int, where: str, log: ReadLog) -> list[str]:
    """The column names, one per cell of a row."""
    if len(names) == width - 1:
        if not any(row[-1].strip() for row in body if len(row) == width):
            return [*names, ""]  # the rows end with a delimiter and the names do not
        log.note("header", "one name fewer than cells", "the first column holds row names, as R writes them")
        return ["", *names]
    if len(names) != width:
        raise SourceError(
            "unreadable-file",
            f"{where}: {len(names)} names, but the rows below have {width} cells; "
            "correct the names, or give data.delimiter",
        )
    return names


def _is_spaced(rows: Sequence[Sequence[str]], delimiter: str) -> bool:
    later = [cell for row in rows for cell in row[1:] if cell]
    return delimiter != " " and len(later) > 1 and sum(cell[0] == " " for cell in later) > 0.9 * len(later)


def _width(rows: Sequence[Sequence[str]]) -> int:
    """The usual number of cells."""
    full = [row for row in rows if row]
    counts = Counter(len(row) for row in full[1:] or full)
    return counts.most_common(1)[0][0] if counts else 0


def _first_row(rows: Sequence[Sequence[str]], width: int, options: SourceOptions, log: ReadLog) -> tuple[int, bool]:
    """The index of the first row of the table, after blank lines, comments and titles; and whether it is a comment.

    A comment before the values may hold the names, as in `#a,b`; not if a row of names follows it.
    """
    commented = None
    start = _start_of_names(rows, width)
    for i, row in enumerate(rows[:_MAX_PREAMBLE]):
        if i < start:
            continue
        cells = [cell for cell in row if cell.strip()]
        title = width >= 3 and len(cells) <= 1 and len(row) != width and i + 1 < len(rows)
        marked = bool(cells) and cells[0].lstrip().startswith(_COMMENTS) and (width > 1 or len(row) != width)
        if marked and any(_begins_otherwise(r) for r in rows[i + 1 :]):
            commented = i if len(row) == width else None
        elif cells and not title:
            if commented is not None and (options.header or not has_header(rows[i:])[0]):
                i, is_comment = commented, True
            else:
                is_comment = False
            if i:
                log.note("preamble", f"{i} lines", "blank, a comment or a title: left out")
            return i, is_comment
    return 0, False


def _start_of_names(rows: Sequence[Sequence[str]], width: int) -> int:
    """The first row of full width, if it holds names above numbers and what stands above it is shorter; else 0.

    Programs of instruments write such lines, as in `Operator;Ann`.
    """
    first = next((i for i, row in enumerate(rows[:_MAX_PREAMBLE]) if len(row) == width), 0)
    above = [row for row in rows[:first] if row]
    return first if above and "stands over" in has_header(rows[first:])[1] else 0


def _begins_otherwise(row: Sequence[str]) -> bool:
    return bool(row) and not row[0].lstrip().startswith(_COMMENTS)
