"""Label corrections: the file that `deepglass label` writes and `data.label_corrections` reads.

    # deepglass labels of photos, 1797 rows, fingerprint 1f0c...
    row,column,old,new,why,order
    17,label,cat,dog,looked wrong,2
    40,label,,cat,worth labelling,1

`row` is the index in the source, from 0. An empty `old` or `new` is no label. `order` counts the answers of a person,
so that the last one can be taken back. In a column of masks or boxes `old` is `given`, and `new` is `given` too where
a person accepted what is there, else empty. The first line and the columns `old`, `why` and `order` are optional, so
that the file may be written by hand or by other programs.
"""

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from deepglass.data.missing import set_null
from deepglass.data.table import Note, Table
from deepglass.errors import SourceError
from deepglass.features.base import Raw
from deepglass.files import read_file, write_file
from deepglass.prepare.label_values import GIVEN, is_reviewed, label_column, label_text, label_value, same_label
from deepglass.prepare.sources import fingerprint_of, read_like
from deepglass.spec.data_spec import SOURCES
from deepglass.spec.spec import Spec

FIELDS = ("row", "column", "old", "new", "why", "order")
SETTING = "data.label_corrections"
_HEAD = re.compile(r"#\s*deepglass labels of (.*), (\d+) rows, fingerprint (\w+)\s*$")


class LabelCorrection(NamedTuple):
    """One new or corrected label.

    Args:
        row: index in the source.
        old, new: as text; "" is no label.
        why: the reason in a few words.
        order: the number of the answer, from 1; 0 for a correction that is no answer.
        line: of the file, for messages; 0 for a correction that is not from a file.
    """

    row: int
    column: str
    old: str
    new: str
    why: str = ""
    order: int = 0
    line: int = 0


class Origin(NamedTuple):
    """The source whose rows are corrected."""

    name: str
    rows: int
    fingerprint: str


class LabelFile(NamedTuple):
    """The content of a labels file.

    Args:
        origin: from the first line; None without it.
        has_old: the file has the column `old`, which is compared with the source.
    """

    path: Path
    corrections: tuple[LabelCorrection, ...]
    origin: Origin | None
    has_old: bool


def write_corrections(path: Path, origin: Origin, corrections: Iterable[LabelCorrection]) -> None:
    """Write a labels file atomically, in the order of the rows.

    Raises:
        StorageError: `disk-full` or `read-only`.
    """
    text = io.StringIO()
    name = " ".join(origin.name.split())
    text.write(f"# deepglass labels of {name}, {origin.rows} rows, fingerprint {origin.fingerprint}\n")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(FIELDS)
    writer.writerows(c[: len(FIELDS)] for c in sorted(corrections, key=lambda c: (c.row, c.column)))
    write_file(path, text.getvalue())


def read_corrections(path: Path) -> LabelFile:
    """Read a labels file.

    Raises:
        SourceError: `not-found`, `unreadable-file`, `unknown-column` for a missing column, `bad-value` with the line.
    """
    try:
        lines = read_file(path, f"{SETTING}: {path}", "json_bytes").decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise SourceError("unreadable-file", f"{SETTING}: {path}: cannot be read as text ({error})") from error
    head = _HEAD.match(lines[0]) if lines else None
    origin = Origin(head[1], int(head[2]), head[3]) if head else None
    start = next((i for i, line in enumerate(lines) if line.strip() and not line.startswith("#")), len(lines))
    reader = csv.DictReader(lines[start:])
    names = reader.fieldnames or []
    if absent := [n for n in ("row", "column", "new") if n not in names]:
        expected = f"expected the columns {','.join(FIELDS)}, {' and '.join(absent)} is not among them"
        raise SourceError("unknown-column", f"{SETTING}: {path}: {expected}")
    corrections = tuple(_correction(record, path, start + reader.line_num) for record in reader)
    return LabelFile(path, corrections, origin, "old" in names)


def check_corrections(file: LabelFile, table: Table, hidden: bool = False) -> None:
    """Check that a labels file belongs to a source.

    Args:
        hidden: labels of the source may be hidden; an empty `old` is then not compared.

    Raises:
        SourceError: `unknown-column`, `bad-value`, and `mismatched-files` for rows that the source does not have or
            whose label is another.
    """
    new_labels: dict[tuple[int, str], str] = {}
    for row, column, old, new, _, _, line in file.corrections:
        where = f"{SETTING}: {file.path}, line {line}"
        raw = None if is_reviewed(table, column) else label_column(table, column, where)
        if row >= len(table):
            raise SourceError("mismatched-files", f"{where}: row {row}, but {table.name} has {len(table)} rows, from 0")
        if new_labels.setdefault((row, column), new) != new:
            raise SourceError("bad-value", f"{where}: row {row} has another label in an earlier line; keep one")
        if raw is None:
            if new not in ("", GIVEN):
                expected = f"expected {GIVEN!r} or nothing, as {column!r} holds no texts"
                raise SourceError("bad-value", f"{where}: {expected}, got {new!r}")
            continue
        label = label_text(raw[row])
        if file.has_old and not (hidden and old == "") and not same_label(label, old):
            raise SourceError(
                "mismatched-files",
                f"{where}: expected {old!r} in row {row}, column {column!r} of {table.name}, got {label!r}; the file "
                "belongs to another source",
            )
        label_value(new, raw, where)


def apply_corrections(table: Table, rows: Mapping[int, int], corrections: Sequence[LabelCorrection]) -> Table:
    """The table with corrected labels.

    Args:
        rows: index in the source -> index in the table; corrections of other rows are ignored.

    Raises:
        SourceError: `bad-value` for a label that its column cannot hold.
    """
    columns: dict[str, Raw] = {}
    for column in dict.fromkeys(c.column for c in corrections if c.row in rows):
        own = [c for c in corrections if c.column == column and c.row in rows]
        if is_reviewed(table, column):
            refused = np.zeros(len(table), bool)
            refused[[rows[c.row] for c in own if c.new == ""]] = True
            columns[column] = set_null(table[column], refused) if refused.any() else table[column]
            continue
        raw = label_column(table, column, SETTING)
        values = pl.Series([label_value(c.new, raw, f"{SETTING}: row {c.row}") for c in own], dtype=raw.dtype)
        columns[column] = raw.clone().scatter(pl.Series([rows[c.row] for c in own]), values)
    return table.with_columns(columns) if columns else table


def load_corrections(spec: Spec, table: Table) -> LabelFile | None:
    """The corrections of `data.label_corrections`, checked, with row indices in the whole source.

    The file may have been made for the whole source or for one of those that it is concatenated from.

    Raises:
        SourceError: `mismatched-files` for a file that belongs to another source; see `check_corrections`.
    """
    if spec.data.label_corrections is None:
        return None
    file = read_corrections(Path(spec.data.label_corrections))
    start = _start_of(spec, table, file, file.origin) if file.origin else 0
    file = file._replace(corrections=tuple(c._replace(row=c.row + start) for c in file.corrections))
    check_corrections(file, table, spec.data.num_labels is not None)
    return file


def correct_labels(spec: Spec, table: Table, source_rows: np.ndarray, split: np.ndarray, file: LabelFile) -> Table:
    """The table with corrected labels; those of test rows only with `data.correct_test_labels`.

    Args:
        table: the rows in use.
        source_rows: (N,) their indices in the source.
        split: (N,) their split.
    """
    excluded = ("",) if spec.data.correct_test_labels else ("test", "")
    index = np.flatnonzero(~np.isin(split, excluded))
    rows = dict(zip(source_rows[index].tolist(), index.tolist(), strict=True))
    changes = [c for c in file.corrections if c.old != c.new]
    ignored = len({c.row for c in changes} - rows.keys())
    table = apply_corrections(table, rows, file.corrections)
    counts = [(f"{len(changes) - ignored:,} labels corrected or added", f"as {file.path.name} says")]
    if ignored:
        reason = "of test rows or unused rows; data.correct_test_labels=true corrects test rows"
        counts.append((f"{ignored:,} corrections ignored", reason))
    return replace(table, notes=(*table.notes, *(Note("label_corrections", *c) for c in counts)))


def _start_of(spec: Spec, table: Table, file: LabelFile, origin: Origin) -> int:
    """The index in the whole source at which the rows of a labels file begin."""
    if origin.fingerprint == fingerprint_of(table):
        return 0
    start = 0
    for source in (s for n in SOURCES if (s := getattr(spec.data, n)) is not None):
        part = read_like(spec.data, source)
        if origin.fingerprint == fingerprint_of(part):
            return start
        start += len(part)
    raise SourceError(
        "mismatched-files",
        f"{SETTING}: {file.path}: made for {origin.name} with {origin.rows} rows; {table.name} with {len(table)} rows "
        "is another source or has changed since",
    )


def _correction(record: Mapping[str, str | None], path: Path, line: int) -> LabelCorrection:
    where = f"{SETTING}: {path}, line {line}"
    row = (record["row"] or "").strip()
    if not row.isdecimal():
        raise SourceError("bad-value", f"{where}: row: expected a whole number from 0, got {row!r}")
    if record["new"] is None or None in record:
        raise SourceError("bad-value", f"{where}: expected {','.join(FIELDS)}, the line has more or fewer values")
    column, old, new, why, order = ((record.get(name) or "").strip() for name in FIELDS[1:])
    if order and not order.isdecimal():
        raise SourceError("bad-value", f"{where}: order: expected a whole number or nothing, got {order!r}")
    return LabelCorrection(int(row), column, old, new, why, int(order or 0), line)
