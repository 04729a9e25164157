"""Plain text as rows in reading order, whose concatenation is the text again; and folders of such files."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl

from deepglass.data.sources.base import ReadLog
from deepglass.data.sources.header import is_number
from deepglass.data.sources.listing import scan_folder
from deepglass.data.table import Note, Skipped, Table

ENDINGS = (".txt", ".text")
_MAX_ROW = 1_000  # characters per row: some files hold many books in one line
_ROW = re.compile(
    rf"\s*\S(?:[^\n]{{0,{_MAX_ROW - 2}}}(?=\s|\Z)|[^\n]{{{_MAX_ROW - 1}}})"  # a line; of a long one up to a space
    r"[^\S\n]*(?:[^\S\n]*\n)*(?:\s*\Z)?"  # its end, and the blank lines behind it
)


def is_prose(sample: str) -> bool:
    """Whether lines without a delimiter are text, rather than a column of numbers."""
    return any(not is_number(line) for line in sample.split("\n") if line.strip())


def plain_table(text: str, source: str, log: ReadLog) -> Table:
    """A text as a column `text`: one row per line, with its newline and the blank lines after it.

    A line of more than 1,000 characters is split at spaces, or anywhere if it has none. No row is blank.
    """
    rows = _ROW.findall(text)
    log.note("text", f"{len(rows):,} rows", f"plain text of {len(text):,} characters, one row per line")
    if splits := len(rows) - sum(row.endswith("\n") for row in rows[:-1]) - 1:
        log.note("long lines", f"split {splits:,} times", f"a row holds at most {_MAX_ROW:,} characters")
    return Table({"text": pl.Series("text", rows, dtype=pl.String)}, source, *log.entries, kinds={"text": "text"})


def is_plain(table: Table) -> bool:
    """Whether a table is a result of `plain_table`."""
    return table.names == ["text"] and dict(table.kinds) == {"text": "text"}


def documents(tables: Sequence[Table], source: str) -> Table:
    """The texts of several files concatenated, with the file of each row as `document`."""
    names = pl.Series("document", [table.name for table in tables for _ in range(len(table))], dtype=pl.String)
    note = Note("documents", f"{len(tables)} files, {len(names):,} rows", "the column `document` is excluded")
    others = [note for table in tables for note in table.notes if note.what in ("encoding", "long lines")]
    return replace(
        tables[0],
        columns={"text": pl.concat([_text(table) for table in tables]), "document": names},
        name=source,
        notes=(note, *others),
        kinds={"text": "text", "document": "category"},
        excluded=("document",),
    )


def texts_below(folder: Path, source: str) -> list[Skipped]:
    """Folders beside a plain text that hold further texts, which are not read."""
    skipped = []
    for inner in scan_folder(folder):
        files = scan_folder(folder / inner.name) if inner.is_dir() else []
        if texts := sum(entry.name.lower().endswith(ENDINGS) for entry in files):
            reason = f"{texts} more texts in a folder; give {source}/{inner.name} for these"
            skipped.append(Skipped(f"{inner.name}/", reason))
    return skipped


def _text(table: Table) -> pl.Series:
    column = table["text"]
    assert isinstance(column, pl.Series)  # as `is_plain` has it
    return column
