"""JSON: a list of records, columns by name, or one record per line (JSON Lines)."""

import json
import mmap
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from deepglass.data.sources.base import ReadLog, SourceOptions
from deepglass.data.sources.frames import check_lengths, check_names, table_from_frame
from deepglass.data.sources.text_bytes import load_bytes
from deepglass.data.table import Table
from deepglass.documents import parse_json
from deepglass.errors import SourceError
from deepglass.files import open_file

MAX_BITS = 126  # of an integer; polars reads larger ones than Int128 holds as missing


def read_json(path: Path, source: str, columns: Sequence[str] | None, options: SourceOptions) -> Table:
    """A JSON file: [{...}, ...], {"a": [...], ...}, {"data": [{...}, ...]} or one record per line."""
    return table_of_json_text(load_bytes(path, source).tobytes(), source, columns)


def table_of_json_text(data: bytes, source: str, columns: Sequence[str] | None = None) -> Table:
    """JSON or JSON Lines as a table.

    Raises:
        SourceError: `unreadable-file` with the line, `bad-value`, `empty-source`, `too-large`.
    """
    first, _, rest = data.lstrip().partition(b"\n")
    if not first:
        raise SourceError("empty-source", f"{source}: the file is empty")
    if rest.strip() and _is_json(first):
        return _table(_lines(data, source), source, columns, ReadLog())
    return table_of_json(parse_json(data, source), source, columns)


def _is_json(line: bytes) -> bool:
    try:
        parse_json(line, "")
    except SourceError:
        return False
    return True


def read_json_lines(path: Path, source: str, columns: Sequence[str] | None, options: SourceOptions) -> Table:
    """JSON Lines: one record per line."""
    log = ReadLog()
    if path.suffix.lower() != ".gz":
        try:
            with open_file(path, source) as file:
                frame = pl.read_ndjson(file, infer_schema_length=None)
            if frame.width and not _has_huge_integers(path):
                return table_from_frame(frame, source, log, columns=columns)
        except (pl.exceptions.PolarsError, OSError):
            pass  # the slower reader below names the line that is wrong, or reads what polars cannot
    return _table(_lines(load_bytes(path, source).tobytes(), source), source, columns, log)


def _has_huge_integers(path: Path) -> bool:
    """Whether a file may have integers that polars reads as missing: more digits in a row than `MAX_BITS` have."""
    with open_file(path) as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return re.search(rb"\d{38}", content) is not None


def table_of_json(content: Any, source: str, columns: Sequence[str] | None = None) -> Table:
    """Parsed JSON as a table.

    Raises:
        SourceError: `bad-value` when there are no records in it.
    """
    log = ReadLog()
    if isinstance(content, dict):
        lists = {k: v for k, v in content.items() if isinstance(v, list)}
        records = [k for k, v in lists.items() if v and all(isinstance(r, dict) for r in v)]
        if len(records) == 1:
            log.note("records", records[0], "the list of records in the file")
            content = content[records[0]]
        elif set(content) >= {"columns", "data"} and len(lists) >= 2:
            content = _rows_of_lists(content["columns"], content["data"], source)
        elif content and len(lists) == len(content):
            return _table_of_columns(lists, source, columns, log)
        elif len(content) > 1 and (rows := _rows_by_key(content)) is not None:
            log.note("rows", f"{len(rows):,}", "one for each key of the file, with the same fields")
            content = rows
        elif content and all(isinstance(v, dict) for v in content.values()):
            inner = {k: list(v.values()) for k, v in content.items()}  # pandas writes {column: {row: value}}
            return _table_of_columns(inner, source, columns, log)
        else:
            content = [content]
    return _table(content, source, columns, log)


def _rows_by_key(content: dict[str, Any]) -> list[dict[str, Any]] | None:
    """Records of pandas' {row: {column: value}}; None for its {column: {row: value}}.

    The fields of rows have types of their own, while all values of a column have one; row numbers are numbers.
    """
    if not all(isinstance(inner, dict) and inner for inner in content.values()):
        return None
    fields = list(dict.fromkeys(name for inner in content.values() for name in inner))
    numbers_outside = all(key.isdigit() for key in content)
    numbers_inside = all(name.isdigit() for name in fields)
    if numbers_outside == numbers_inside:  # keys of rows that are words
        by_row = [{type(inner.get(name)) for inner in content.values()} - {type(None)} for name in fields]
        by_column = [{type(value) for value in inner.values()} - {type(None)} for inner in content.values()]
        mixed = [any(len(types - {float}) > 1 and types != {int, float} for types in t) for t in (by_row, by_column)]
        numbers_outside = not mixed[0] and (mixed[1] or len(fields) < len(content))
    return list(content.values()) if numbers_outside else None


def _rows_of_lists(columns: Any, rows: Any, source: str) -> list[dict[str, Any]]:
    """Records of pandas' {"columns": [...], "data": [[...], ...]}."""
    if not isinstance(columns, list) or not isinstance(rows, list):
        raise SourceError("bad-value", f"{source}: expected lists of columns and data")
    for i, row in enumerate(rows):
        if not isinstance(row, list) or len(row) != len(columns):
            got = f"{len(row)} values" if isinstance(row, list) else type(row).__name__
            raise SourceError(
                "bad-value", f"{source}, data[{i}]: expected {len(columns)} values, one for each of columns, got {got}"
            )
    names = check_names(list(map(str, columns)), source)
    return [dict(zip(names, row, strict=True)) for row in rows]


def _table_of_columns(lists: dict[str, list[Any]], source: str, columns: Sequence[str] | None, log: ReadLog) -> Table:
    check_lengths(lists, f"{source}: its columns")
    frame = pl.DataFrame([pl.Series(k, v, strict=False) for k, v in lists.items()])
    return table_from_frame(frame, source, log, columns=columns)


def _table(records: Any, source: str, columns: Sequence[str] | None, log: ReadLog) -> Table:
    if not isinstance(records, list) or any(not isinstance(r, dict) for r in records):
        raise SourceError("bad-value", f'{source}: expected records such as [{{"a": 1}}, {{"a": 2}}]')
    if not records:
        raise SourceError("empty-source", f"{source}: the list of records is empty")
    names = list(dict.fromkeys(name for record in records for name in record))
    frame = pl.DataFrame([typed_series(name, [record.get(name) for record in records]) for name in names])
    return table_from_frame(frame, source, log, columns=columns)


def typed_series(name: str, values: list[Any]) -> pl.Series:
    """One column: numbers if all values are numbers, text if their types differ."""
    types = {type(v) for v in values if v is not None}
    huge = int in types and any(type(v) is int and v.bit_length() > MAX_BITS for v in values)  # polars makes them null
    if (types <= {int, float} or len(types) <= 1) and not huge:
        try:
            return pl.Series(name, values, strict=types <= {list, dict})
        except (TypeError, OverflowError, pl.exceptions.PolarsError):
            pass
    texts = [v if v is None or isinstance(v, str) else json.dumps(v, default=str) for v in values]
    return pl.Series(name, texts, dtype=pl.String)


def _lines(data: bytes, source: str) -> list[Any]:
    lines = enumerate(data.split(b"\n"), 1)
    return [parse_json(line, source, number) for number, line in lines if line.strip()]
