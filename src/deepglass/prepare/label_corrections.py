"""Label corrections: the file that `deepglass label` writes and `data.label_corrections` reads.

    # deepglass labels of photos, 1797 rows, fingerprint 1f0c...
    row,column,old,new,why
    17,label,cat,dog,looks wrong
    40,label,,cat,worth labelling

`row` is the place in the source, from 0. An empty `old` says that there was no label, an empty `new` that there is to
be none. The file may be written by hand or by other programs: the first line may be absent, and so may old and why.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from deepglass.data.table import Note, Table
from deepglass.errors import SourceError
from deepglass.features.base import Raw
from deepglass.parsing import MISSING
from deepglass.prepare.sources import fingerprint_of, read_like
from deepglass.spec.spec import Spec
from deepglass.training.checkpoint import write_atomic

FIELDS = ("row", "column", "old", "new", "why")
_HEAD = re.compile(r"#\s*deepglass labels of (.*), (\d+) rows, fingerprint (\w+)\s*$")
_TRUE, _FALSE = ("true", "t", "yes", "y", "1"), ("false", "f", "no", "n", "0")


class Mend(NamedTuple):
    """One new or corrected label.

    Args:
        row: the place in the source.
        old, new: as text; "" is none.
        why: in a few words.
        line: of the file, for messages; 0: not from a file.
    """

    row: int
    column: str
    old: str
    new: str
    why: str = ""
    line: int = 0


class Origin(NamedTuple):
    """Of which source the rows are counted."""

    name: str
    rows: int
    fingerprint: str


class Labels(NamedTuple):
    """What a file of labels holds; `checks_old` where it says what was there before."""

    path: Path
    mends: tuple[Mend, ...]
    origin: Origin | None
    checks_old: bool


def write_labels(path: Path, origin: Origin, mends: Iterable[Mend]) -> None:
    """Write a file of labels whole or not at all, in the order of the rows.

    Raises:
        StorageError: `disk-full` or `read-only`.
    """
    text = io.StringIO()
    text.write(f"# deepglass labels of {' '.join(origin.name.split())}, {origin.rows} rows, ")
    text.write(f"fingerprint {origin.fingerprint}\n")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(FIELDS)
    writer.writerows(mend[: len(FIELDS)] for mend in sorted(mends, key=lambda m: (m.row, m.column)))
    write_atomic(path, text.getvalue())


def read_labels(path: Path) -> Labels:
    """A file of labels.

    Raises:
        SourceError: `not-found`, `unreadable-file`, `unknown-column` for another header, `bad-value` with the line.
    """
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except FileNotFoundError:
        raise SourceError("not-found", f"data.label_corrections: {path}: there is no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(
            "unreadable-file", f"data.label_corrections: {path}: cannot be read as text ({error})"
        ) from error
    head = _HEAD.match(lines[0]) if lines else None
    origin = Origin(head[1], int(head[2]), head[3]) if head else None
    start = next((i for i, line in enumerate(lines) if line.strip() and not line.startswith("#")), len(lines))
    reader = csv.DictReader(lines[start:])
    names = reader.fieldnames or []
    if absent := [n for n in ("row", "column", "new") if n not in names]:
        raise SourceError(
            "unknown-column",
            f"data.label_corrections: {path}: expected the columns {','.join(FIELDS)}, {' and '.join(absent)} is not "
            "among them",
        )
    mends = [_mend(record, f"data.label_corrections: {path}, line {start + reader.line_num}", start + reader.line_num)
             for record in reader]  # fmt: skip
    return Labels(path, tuple(mends), origin, "old" in names)


def check_labels(labels: Labels, table: Table, hidden: bool = False) -> None:
    """Whether a file of labels belongs to a source.

    Args:
        hidden: labels of the source may be hidden, so that an empty `old` says nothing.

    Raises:
        SourceError: `unknown-column`, `bad-value`, and `mismatched-files` for rows that the source does not have or
            that hold something else.
    """
    new_labels: dict[tuple[int, str], str] = {}
    for mend in labels.mends:
        where = f"data.label_corrections: {labels.path}, line {mend.line}"
        raw = single_values(table, mend.column, where)
        if mend.row >= len(table):
            raise SourceError(
                "mismatched-files", f"{where}: row {mend.row}, but {table.name} has {len(table)} rows, from 0"
            )
        if new_labels.setdefault((mend.row, mend.column), mend.new) != mend.new:
            raise SourceError("bad-value", f"{where}: row {mend.row} has another label further up")
        there = text_of(raw[mend.row])
        compares_old = labels.checks_old and not (hidden and mend.old == "")
        if compares_old and not _same(there, mend.old):
            raise SourceError(
                "mismatched-files",
                f"{where}: expected {mend.old!r} in row {mend.row}, column {mend.column!r} of {table.name}, found "
                f"{there!r}; the file belongs to another source",
            )
        as_value(mend.new, raw, where)


def mended(table: Table, rows: Mapping[int, int], mends: Sequence[Mend]) -> Table:
    """A table with these labels.

    Args:
        rows: place in the source -> row of the table; labels of other places are passed over.

    Raises:
        SourceError: `bad-value` for a label that cannot stand in its column.
    """
    changed: dict[str, Raw] = {}
    for column in dict.fromkeys(m.column for m in mends):
        own = [m for m in mends if m.column == column and m.row in rows]
        raw = single_values(table, column, "data.label_corrections")
        values = [as_value(m.new, raw, f"data.label_corrections: row {m.row}") for m in own]
        if own:
            new = pl.Series(values, dtype=raw.dtype)
            places = pl.Series([rows[m.row] for m in own])
            changed[column] = raw.clone().scatter(places, new)
    return table.with_columns(changed) if changed else table


def labels_for(spec: Spec, table: Table) -> Labels | None:
    """The labels of `data.label_corrections`, with their places in the whole source.

    They may have been given in the whole, or in one of the sources that it is put together from.

    Raises:
        SourceError: `mismatched-files` for a file that belongs to another source; see `check_labels`.
    """
    if spec.data.label_corrections is None:
        return None
    labels = read_labels(Path(spec.data.label_corrections))
    start = _start_of(spec, table, labels) if labels.origin else 0
    labels = labels._replace(mends=tuple(m._replace(row=m.row + start) for m in labels.mends))
    check_labels(labels, table, spec.data.num_labels is not None)
    return labels


def relabelled(spec: Spec, table: Table, places: np.ndarray, split: np.ndarray, labels: Labels) -> Table:
    """The labels mended, but those of test rows only if that is asked for.

    Args:
        table: the rows that are used; `places`, (N,), are theirs in the source, `split`, (N,), says their part.
    """
    open_rows = (
        np.flatnonzero(split != "") if spec.data.correct_test_labels else np.flatnonzero(~np.isin(split, ("test", "")))
    )
    rows = dict(zip(places[open_rows].tolist(), open_rows.tolist(), strict=True))
    changing = [m for m in labels.mends if m.old != m.new]
    left = len({m.row for m in changing} - rows.keys())
    table = mended(table, rows, labels.mends)
    notes = [
        Note("label_corrections", f"{len(changing) - left:,} labels mended or given", f"as {labels.path.name} says")
    ]
    if left:
        notes.append(
            Note(
                "label_corrections",
                f"{left:,} labels not",
                "rows of the test, or not used; data.correct_test_labels=true",
            )
        )
    return replace(table, notes=(*table.notes, *notes))


def single_values(table: Table, column: str, where: str) -> pl.Series:
    """A column of single values; categories as text.

    Raises:
        SourceError: `unknown-column`; `bad-value` for pictures, lists and dates.
    """
    if column not in table.columns:
        raise SourceError("unknown-column", f"{where}: no column {column!r} in {table.name}: {', '.join(table.names)}")
    raw = table[column]
    series = pl.Series(column, raw) if isinstance(raw, np.ndarray) and raw.ndim == 1 else raw
    if not isinstance(series, pl.Series) or not _is_single(series.dtype):
        raise SourceError("bad-value", f"{where}: column {column!r} holds no single values that could be labels")
    return series.cast(pl.String) if series.dtype in (pl.Categorical, pl.Enum, pl.Null) else series


def text_of(value: Any) -> str:
    """A label as text: 3.0 is "3", and what is missing is ""."""
    if value is None or (isinstance(value, float) and value != value):
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, bool | np.bool_):
        return str(value).lower()
    text = str(value).strip()
    return "" if text in MISSING else text


def as_value(text: str, raw: pl.Series, where: str) -> Any:
    """A label as what stands in its column, None for none.

    Raises:
        SourceError: `bad-value` where it cannot stand there.
    """
    if text == "":
        return None
    dtype = raw.dtype
    if dtype == pl.String:
        return text
    if dtype == pl.Boolean and text.lower() in (*_TRUE, *_FALSE):
        return text.lower() in _TRUE
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if dtype.is_float() and number == number:
        return number
    if dtype.is_integer() and number.is_integer():
        return int(number)
    wanted = "true or false" if dtype == pl.Boolean else "a number" if dtype.is_float() else "a whole number"
    raise SourceError("bad-value", f"{where}: column {raw.name!r}: expected {wanted}, got {text!r}")


# -- steps -------------------------------------------------------------------------------------------------------


def _start_of(spec: Spec, table: Table, labels: Labels) -> int:
    """The place in the whole source at which the rows of a file of labels begin."""
    origin, start = labels.origin, 0
    assert origin is not None
    if origin.fingerprint == fingerprint_of(table):
        return 0
    for source in (s for n in ("source", "test", "unlabelled") if (s := getattr(spec.data, n)) is not None):
        part = read_like(spec.data, source)
        if origin.fingerprint == fingerprint_of(part):
            return start
        start += len(part)
    raise SourceError(
        "mismatched-files",
        f"data.label_corrections: {labels.path}: was made for {origin.name} with {origin.rows} rows, and {table.name} "
        f"is another source or has changed since; it has {len(table)} rows",
    )


def _mend(record: Mapping[str, str | None], where: str, line: int) -> Mend:
    row = (record["row"] or "").strip()
    if not row.isdecimal():
        raise SourceError("bad-value", f"{where}: row: expected a whole number from 0, got {row!r}")
    if record["new"] is None or None in record:
        raise SourceError("bad-value", f"{where}: expected {','.join(FIELDS)}, the line has more or fewer values")
    column, old, new, why = ((record.get(name) or "").strip() for name in FIELDS[1:])
    return Mend(int(row), column, old, new, why, line)


def _is_single(dtype: pl.DataType) -> bool:
    return dtype.is_numeric() or dtype in (pl.String, pl.Boolean, pl.Categorical, pl.Enum, pl.Null)


def _same(there: str, label: str) -> bool:
    if there == label or there.lower() == label.lower():
        return True
    try:
        return float(there) == float(label)
    except ValueError:
        return False
