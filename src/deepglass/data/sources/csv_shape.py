"""Counts the rows and cells of a text table over its bytes, to verify what polars read."""

from typing import NamedTuple

import numpy as np

from deepglass.data.sources.sniff import Dialect

_CHUNK = 16 * 2**20


class LineCounts(NamedTuple):
    """Counts of the data lines of a text table."""

    rows: int
    blank: int
    quoted: bool
    regular: bool  # each row has the same number of cells, so that polars reads it correctly


def count_lines(data: np.ndarray, dialect: Dialect) -> LineCounts:
    """Count rows and cells in one pass over the bytes, 16 MiB at a time; what stands between quotes is no delimiter."""
    newline, delimiter, quote = ord("\n"), ord(dialect.delimiter), ord(dialect.quote)
    rows = blank = 0
    regular, quoted, carried = True, False, np.empty(0, np.uint8)
    start = offset(data, dialect.skip)
    while start < len(data) or len(carried):
        chunk = np.concatenate([carried, data[start : start + _CHUNK]])
        start += _CHUNK
        last = start >= len(data)
        if last and len(chunk) and chunk[-1] != newline:
            chunk = np.append(chunk, np.uint8(newline))
        breaks, commas = chunk == newline, chunk == delimiter
        if (quotes := chunk == quote).any():
            quoted = True
            outside = (np.cumsum(quotes, dtype=np.uint8) & 1) == 0
            breaks, commas = breaks & outside, commas & outside
        ends = np.flatnonzero(breaks)
        if not len(ends):
            if last or len(chunk) > 64 * _CHUNK:
                return LineCounts(rows, blank, True, False)  # a quote is never closed
            carried = chunk
            continue
        starts = np.concatenate([[0], ends[:-1] + 1])
        counts = np.diff(np.searchsorted(np.flatnonzero(commas), np.concatenate([[0], ends])))
        lengths = ends - starts
        lengths -= (lengths > 0) & (chunk[ends - 1] == ord("\r"))
        empty = lengths == 0
        blank += int(empty.sum())
        rows += len(ends) - int(empty.sum())
        regular &= bool((counts[~empty] == dialect.width - 1).all())
        carried = chunk[ends[-1] + 1 :]
        if last:
            regular &= not len(carried)
            break
    return LineCounts(rows, blank, quoted, regular)


def offset(data: np.ndarray, lines: int) -> int:
    """Byte offset of a line."""
    start = 0
    while lines > 0 and start < len(data):
        ends = np.flatnonzero(data[start : start + _CHUNK] == ord("\n"))
        if len(ends) >= lines:
            return start + int(ends[lines - 1]) + 1
        lines -= len(ends)
        start += _CHUNK
    return min(start, len(data))
