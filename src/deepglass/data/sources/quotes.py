"""Cells of a text table that begin with a quote but are not enclosed in quotes, such as `"Heroes` or `"Rome" at night`.

A parser would read from such a quote to the next one, over any number of rows. They are parts in the whole file and
written again as enclosed cells, so that every reader takes the quotes for text.

A quote encloses a cell if the quote that closes it stands before a delimiter or the end of a line, and if the lines
between them do not read as rows of the table.
"""

from collections.abc import Sequence
from itertools import islice
from typing import NamedTuple

import numpy as np

from deepglass.data.sources.base import ReadLog
from deepglass.data.sources.header import is_number
from deepglass.data.sources.polars_csv import offset
from deepglass.data.sources.sniff import Dialect
from deepglass.data.sources.text_bytes import Utf8Text
from deepglass.parsing import MISSING

_CHUNK = 16 * 2**20
_SAMPLE_LINES = 2_000  # from which the values of each column are learned
_MAX_LINES, _MAX_BYTES = 1_000, 2**20  # of a cell that are compared with rows
_MAX_VALUES = 20  # distinct values of a column of classes
_MIN_ROW_SHARE = 0.9  # of the lines of a cell; beyond it they are rows


class _Lines(NamedTuple):
    """Lines of a text as byte offsets, without their line feeds."""

    starts: np.ndarray
    ends: np.ndarray
    odd: np.ndarray  # whether they have an odd number of quotes

    def content(self, data: np.ndarray, i: int) -> bytes:
        return data[self.starts[i] : self.ends[i]].tobytes()


def enclose_stray_quotes(text: Utf8Text, dialect: Dialect, log: ReadLog) -> Utf8Text:
    """The text with cells that begin with a stray quote enclosed in quotes; their number is noted."""
    if dialect.escape is not None or dialect.width < 1 or len(dialect.delimiter.encode()) != 1:
        return text
    data, start = text.data, offset(text.data, dialect.skip - 1 if dialect.names else dialect.skip)
    lines = _suspicious_lines(data, dialect, start)
    if not len(lines.starts):
        return text
    rows = _Rows(data, dialect, start)
    odd = np.flatnonzero(lines.odd)
    edits: list[tuple[int, int]] = []
    i = 0
    while i < len(lines.starts):
        line = lines.content(data, i)
        cells, unclosed = rows.stray_cells(line)
        if unclosed is not None and lines.odd[i]:
            position = int(np.searchsorted(odd, i)) + 1
            closing = int(odd[position]) if position < len(odd) else None
            if not rows.is_stray(lines, i, closing):
                i = closing + 1 if closing is not None else len(lines.starts)
                continue
            cells = [*cells, (unclosed, rows.cell_end(line, unclosed))]
        edits += [(int(lines.starts[i]) + begin, int(lines.starts[i]) + end) for begin, end in cells]
        i += 1
    if not edits:
        return text
    first = 1 + int(np.count_nonzero(data[: edits[0][0]] == ord("\n")))
    count = "1 cell" if len(edits) == 1 else f"{len(edits):,} cells"
    log.note("quotes", count, f"begin with a quote that does not enclose them, first in line {first}: read as text")
    return Utf8Text(np.frombuffer(_enclosed(data, edits, dialect.quote.encode()), np.uint8), None)


def _enclosed(data: np.ndarray, edits: Sequence[tuple[int, int]], quote: bytes) -> bytes:
    pieces, position = [], 0
    for begin, end in edits:
        content = data[begin:end].tobytes().replace(quote, 2 * quote)
        pieces += [data[position:begin].tobytes(), quote + content + quote]
        position = end
    return b"".join([*pieces, data[position:].tobytes()])


def _suspicious_lines(data: np.ndarray, dialect: Dialect, start: int) -> _Lines:
    """Lines with an odd number of quotes, or with one that is neither at an edge of a cell nor beside another."""
    quote = ord(dialect.quote)
    is_edge = np.zeros(256, bool)
    is_edge[[ord(c) for c in (dialect.delimiter, "\n", "\r", dialect.quote)]] = True
    parts = [_Lines(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, bool))]
    while start < len(data):
        chunk = data[start : start + _CHUNK]
        if start + _CHUNK < len(data):
            last = _CHUNK - int(np.argmax(chunk[::-1] == ord("\n")))  # the limits exclude a line of this length
            chunk = chunk[:last]
        quotes = np.flatnonzero(chunk == quote)
        if len(quotes):
            ends = np.append(np.flatnonzero(chunk == ord("\n")), len(chunk))
            odd = np.diff(np.searchsorted(quotes, ends), prepend=0) % 2 == 1
            before, after = chunk[np.maximum(quotes - 1, 0)], chunk[np.minimum(quotes + 1, len(chunk) - 1)]
            inner = ~is_edge[before] & ~is_edge[after]  # a quote at an end of the text is beside itself: an edge
            lines = np.union1d(np.flatnonzero(odd), np.searchsorted(ends, quotes[inner]))
            starts = np.append(0, ends[:-1] + 1)
            parts.append(_Lines(start + starts[lines], start + ends[lines], odd[lines]))
        start += len(chunk)
    return _Lines(*map(np.concatenate, zip(*parts, strict=True)))


class _Rows:
    """What the rows of a table look like, to tell rows from the lines of a text."""

    def __init__(self, data: np.ndarray, dialect: Dialect, start: int) -> None:
        self.data, self.width, self.spaced = data, dialect.width, dialect.spaced
        self.delimiter, self.quote = dialect.delimiter.encode(), dialect.quote.encode()
        self.numbers, self.classes = self._learn(start if dialect.names is None else self._next(start))

    def _next(self, start: int) -> int:
        return start + offset(self.data[start : start + _CHUNK], 1)

    def _learn(self, start: int) -> tuple[list[int], dict[int, set[str]]]:
        """Columns of numbers, and the values of columns of classes, in lines without quotes."""
        sample = self.data[start : start + 256 * 1024].tobytes().split(b"\n")[:-1]
        plain = islice((line for line in sample if self.quote not in line), _SAMPLE_LINES)
        rows = [cells for line in plain if len(cells := self._cells(line)) == self.width]
        numbers, classes = [], {}
        for i, column in enumerate(zip(*rows, strict=True)):
            if sum(is_number(cell) or cell in MISSING for cell in column) >= 0.98 * len(column):
                numbers.append(i)
            elif len(values := set(column)) <= min(_MAX_VALUES, 0.2 * len(column)):
                classes[i] = values
        return numbers, classes

    def _cells(self, line: bytes) -> list[str]:
        return [cell.strip() for cell in line.decode("utf-8", errors="replace").split(self.delimiter.decode())]

    def is_row(self, line: bytes) -> bool:
        """Whether a line, with its quotes as text, reads as a row of the table."""
        cells = self._cells(line)
        if len(cells) != self.width:
            return False
        numbers = all(is_number(cells[i]) or cells[i] in MISSING for i in self.numbers)
        return numbers and all(cells[i] in values for i, values in self.classes.items())

    def stray_cells(self, line: bytes) -> tuple[list[tuple[int, int]], int | None]:
        """Cells of a line that begin with a quote and are closed before their end, and where an unclosed one begins."""
        stray: list[tuple[int, int]] = []
        begin = 0
        while begin >= 0:
            if self.spaced:
                begin += len(line) - begin - len(line[begin:].lstrip(b" "))
            if line[begin : begin + 1] == self.quote:
                close = self._close(line, begin + 1)
                if close < 0:
                    return stray, begin
                if line[close + 1 : close + 2] not in (b"", b"\r", self.delimiter):
                    end = self.cell_end(line, begin)
                    if line.count(self.delimiter) != self.width - 1:
                        return stray, None  # the quotes may enclose delimiters
                    stray.append((begin, end))
                    close = end - 1
            else:
                close = begin - 1
            begin = line.find(self.delimiter, close + 1)
            begin += begin >= 0
        return stray, None

    def _close(self, line: bytes, begin: int) -> int:
        """The next quote that is not doubled, -1 without one."""
        while (close := line.find(self.quote, begin)) >= 0 and line[close + 1 : close + 2] == self.quote:
            begin = close + 2
        return close

    def cell_end(self, line: bytes, begin: int) -> int:
        end = line.find(self.delimiter, begin)
        return end if end >= 0 else len(line.removesuffix(b"\r"))

    def is_stray(self, lines: _Lines, first: int, last: int | None) -> bool:
        """Whether a quote opened in one line does not enclose the text up to the quote in another.

        Args:
            last: None where no quote follows.
        """
        opening = lines.content(self.data, first)
        if opening.count(self.delimiter) != self.width - 1:
            return False
        if last is None:
            return self.is_row(opening)
        closing = lines.content(self.data, last)
        close = self._close(closing, 0)
        closed = closing[close + 1 : close + 2] in (b"", b"\r", self.delimiter)
        content = self.data[lines.starts[first] : min(lines.ends[last], lines.starts[first] + _MAX_BYTES)].tobytes()
        inside = [line for line in islice(content.split(b"\n"), _MAX_LINES) if line.strip()]
        share = sum(map(self.is_row, inside)) / len(inside)
        if not closed:
            return share > 0.5 or self.is_row(opening)
        certain = bool(self.numbers or self.classes) or self.delimiter != b"," or len(inside) > 2
        return certain and share >= _MIN_ROW_SHARE
