"""Text tables with the same number of cells in each row, as polars reads them, and the count of rows and cells that
verifies it."""

import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from deepglass.data.sources import sniff
from deepglass.data.sources.base import NO_QUOTE, SourceOptions
from deepglass.data.sources.missing_texts import candidates_of
from deepglass.data.sources.text_bytes import Utf8Text, release
from deepglass.data.sources.text_columns import may_have_grouped_thousands, proves_comma

_CHUNK = 16 * 2**20
_INFER_ROWS = 10_000  # rows from which types are inferred; a later misfit costs another reading, never a wrong value
_MIN_FAST_ROWS = 5 * _INFER_ROWS  # of a text whose first rows are read before the others
_MAX_MISFITS = 6  # columns with a value of another type than inferred, each of which costs another reading


def read_with_polars(
    text: Utf8Text, dialect: sniff.Dialect, rows: int, options: SourceOptions
) -> tuple[pl.DataFrame, set[str]] | None:
    """The cells as polars reads them, and the texts for missing numbers; None if it fails.

    Types are inferred from the first rows. If a later value does not fit, its column is read as text or as floats;
    after `_MAX_MISFITS` such columns the types are inferred from all rows. Floats in a file where a point may separate
    thousands are read again as they are written, and so are columns of text with missing values, unless only the
    columns of numbers had texts for them.
    """
    keys = [f"c{i}" for i in range(dialect.width)]
    missing = candidates_of(options)
    codes, markers = _codes_and_markers(text.data, dialect, missing)
    release(text.data)  # polars maps the file once more
    types: dict[str, Any] = {keys[i]: pl.String for i in codes}
    source = text.path or text.data.tobytes()
    settings: dict[str, Any] = {
        **{"has_header": False, "new_columns": keys, "skip_lines": dialect.skip, "separator": dialect.delimiter},
        **{"quote_char": None if dialect.quote == NO_QUOTE else dialect.quote, "glob": False},  # stars are no pattern
    }
    misfits = 0
    null_values: list[str] | dict[str, str] = missing
    if rows > _MIN_FAST_ROWS:
        types, null_values = _of_first_rows(source, types, markers, missing, settings)
    while True:
        try:
            length = _INFER_ROWS if misfits < _MAX_MISFITS else None
            frame = pl.read_csv(
                source, null_values=null_values, infer_schema_length=length, schema_overrides=types, **settings
            )
            break
        except pl.exceptions.PolarsError as error:
            odd = re.search(r"could not parse `(.*)` as dtype `(\w+)` at column '(c\d+)'", str(error), re.DOTALL)
            if misfits > _MAX_MISFITS or (misfits < _MAX_MISFITS and odd is None):
                return None
            if odd is not None and odd[1] in missing and null_values is not missing:
                null_values = missing  # they slow reading down, so that all of them are the exception
                continue
            misfits += 1
            if misfits == _MAX_MISFITS:
                types = {key: dtype for key, dtype in types.items() if dtype == pl.String}
            if odd is not None:
                number = odd[2].startswith("i") and re.fullmatch(r"[+-]?[\d.]+(e[+-]?\d+)?", odd[1], re.IGNORECASE)
                types[odd[3]] = pl.Float64 if number and types.get(odd[3]) != pl.Float64 else pl.String
    texts = [key for key in keys if frame[key].dtype == pl.String]
    again = [key for key in texts if frame[key].null_count()] if isinstance(null_values, list) else []
    floats = [key for key in keys if frame[key].dtype.is_float()]
    if options.decimal == "," or (options.decimal is None and any(proves_comma(frame[key]) for key in texts)):
        again += floats
    elif options.decimal is None:
        again += [key for key in floats if may_have_grouped_thousands(frame[key])]
    if again:
        indices = {key: i for i, key in enumerate(keys)}
        positions = [indices[key] for key in again]
        strings = dict.fromkeys(keys, pl.String)
        frame = frame.with_columns(pl.read_csv(source, columns=positions, schema_overrides=strings, **settings))
    numbers = set(keys).difference(texts, again)
    return frame, set().union(*(words for i, words in markers.items() if keys[i] in numbers))


def _of_first_rows(
    source: Path | bytes,
    types: dict[str, Any],
    markers: Mapping[int, Collection[str]],
    missing: list[str],
    settings: Mapping[str, Any],
) -> tuple[dict[str, Any], list[str] | dict[str, str]]:
    """The types of the columns, and the texts for missing values that their numbers have, as each slows reading down.

    The texts are those of each column if none has two, else of all columns together.
    """
    try:
        first = pl.read_csv(
            source, n_rows=_INFER_ROWS, infer_schema_length=_INFER_ROWS, null_values=missing, schema_overrides=types,
            **settings,
        )  # fmt: skip
    except pl.exceptions.PolarsError:  # a number that is too large for the type inferred from it
        return types, missing
    texts = {f"c{i}": words for i, words in markers.items() if words and first.schema[f"c{i}"] != pl.String}
    if all(len(words) == 1 for words in texts.values()):
        return dict(first.schema), {name: next(iter(words)) for name, words in texts.items()}
    return dict(first.schema), sorted(set().union(*texts.values()))


def _codes_and_markers(
    data: np.ndarray, dialect: sniff.Dialect, missing: Sequence[str]
) -> tuple[set[int], dict[int, set[str]]]:
    """From three windows: columns with leading zeros, which integers would lose, and texts for missing values."""
    codes: set[int] = set()
    markers: dict[int, set[str]] = {}
    size, texts = 64 * 1024, set(missing) - {""}
    for start in {offset(data, dialect.skip), len(data) // 2, max(0, len(data) - size)}:
        lines = data[start : start + size].tobytes().decode("utf-8", errors="ignore").split("\n")
        for row in dialect.reader(lines):
            if len(row) == dialect.width:
                codes |= {i for i, cell in enumerate(row) if len(cell) > 1 and cell[0] == "0" and cell.isdigit()}
                for i in (i for i, cell in enumerate(row) if cell in texts):
                    markers.setdefault(i, set()).add(row[i])
    return codes, markers


# -- count -------------------------------------------------------------------------------------------------------


class LineCounts(NamedTuple):
    """Counts of the data lines of a text table."""

    rows: int
    blank: int
    quoted: bool
    regular: bool  # each row has the same number of cells, so that polars reads it correctly


def count_lines(data: np.ndarray, dialect: sniff.Dialect) -> LineCounts:
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
