"""Files that hold a table, and folders of such files: one table, or the parts of one."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from deepglass.data.sources.base import SPLIT_NAMES, SPLIT_WORDS, SourceOptions
from deepglass.data.sources.binary import read_arrow, read_excel, read_parquet
from deepglass.data.sources.conllu import read_conllu
from deepglass.data.sources.delimited import read_delimited
from deepglass.data.sources.frames import concat_columns
from deepglass.data.sources.plain import documents, is_plain
from deepglass.data.sources.records import read_json, read_json_lines
from deepglass.data.table import Note, Skipped, Table
from deepglass.errors import SourceError
from deepglass.features.base import Raw

Reader = Callable[[Path, str, Sequence[str] | None, SourceOptions], Table]

READERS: dict[str, Reader] = {
    **dict.fromkeys([".csv", ".tsv", ".tab", ".dat", ".data", ".txt"], read_delimited),
    **dict.fromkeys([".conllu"], read_conllu),
    **dict.fromkeys([".json"], read_json),
    **dict.fromkeys([".jsonl", ".ndjson"], read_json_lines),
    **dict.fromkeys([".parquet", ".pq"], read_parquet),
    **dict.fromkeys([".arrow", ".feather", ".ipc"], read_arrow),
    **dict.fromkeys([".xlsx", ".xls", ".xlsm", ".xlsb", ".ods"], read_excel),
}
_PLAIN = frozenset([".txt", ".dat", ".data"])  # tables only where a folder holds no others


def ending(path: Path) -> str:
    """The ending that says what a file is, `.gz` looked through: ".csv" of a.csv.gz."""
    suffixes = [s.lower() for s in path.suffixes]
    if suffixes[-1:] == [".gz"]:
        suffixes = suffixes[:-1]
    return suffixes[-1] if suffixes else ""


def read_table_file(path: Path, source: str, columns: Sequence[str] | None, options: SourceOptions) -> Table:
    """One file by its ending, or by its first bytes where the ending says nothing."""
    if path.stat().st_size == 0:
        raise SourceError("empty-source", f"{source}: the file is empty")
    reader = READERS.get(ending(path))
    if reader is None:
        with path.open("rb") as file:
            head = file.read(8)
        reader = read_parquet if head[:4] == b"PAR1" else read_arrow if head[:6] == b"ARROW1" else read_delimited
    return reader(path, source, columns, options)


def table_files(entries: Sequence[Path]) -> list[Path]:
    """Those of some files that hold tables."""
    files = [p for p in entries if p.is_file() and ending(p) in READERS]
    sure = [p for p in files if ending(p) not in _PLAIN]
    return sure or files


def read_table_folder(
    files: Sequence[Path], source: str, columns: Sequence[str] | None, options: SourceOptions
) -> Table:
    """The table of a folder: its only file, or its train, valid and test files put together.

    Raises:
        SourceError: `mismatched-files` for several tables that are neither parts of one nor plain texts.
    """
    if len(files) > 1:
        files = [p for p in files if "submission" not in p.stem.lower()] or files
    if len(files) == 1:
        return replace(read_table_file(files[0], files[0].name, columns, options), name=source)
    parts = _parts(files)
    if parts is None and columns is None and {ending(p) for p in files} == {".txt"}:
        texts = [read_table_file(p, p.name, columns, options) for p in files]
        if all(map(is_plain, texts)):
            return documents(texts, source)
    if parts is None:
        commands = "\n".join(f"  deepglass train {source.rstrip('/')}/{p.name}" for p in files[:10])
        raise SourceError(
            "mismatched-files",
            f"{source}: {len(files)} tables lie in it and are not the train, valid and test parts of one; "
            f"name one of them:\n{commands}",
        )
    tables = {part: read_table_file(path, path.name, columns, options) for part, path in parts.items()}
    return merge_splits(tables, {part: path.name for part, path in parts.items()}, source)


def _parts(files: Sequence[Path]) -> dict[str, Path] | None:
    """Part -> file where the names differ only in a word such as train or test."""
    parts: dict[str, Path] = {}
    rests: set[str] = set()
    for path in files:
        words = re.split(r"([-_. ]+)", path.name.lower())
        split_words = [i for i, word in enumerate(words) if word in SPLIT_WORDS]
        if len(split_words) != 1 or SPLIT_WORDS[words[split_words[0]]] in parts:
            return None
        parts[SPLIT_WORDS[words[split_words[0]]]] = path
        rests.add("".join(w for i, w in enumerate(words) if i != split_words[0]))
    return (
        {part: parts[part] for part in SPLIT_NAMES if part in parts} if len(rests) == 1 and "train" in parts else None
    )


def merge_splits(tables: dict[str, Table], names: dict[str, str], source: str) -> Table:
    """The parts of one table as a table with a split.

    Args:
        tables: part -> its table; "train" is among them.
        names: part -> what its file is called.

    Raises:
        SourceError: `mismatched-files` when a part other than test lacks columns.
    """
    train = tables["train"]
    skipped = [Skipped(f"{names[p]}: {s.name}", s.reason) for p, t in tables.items() for s in t.skipped]
    notes = list(train.notes)
    for part, table in list(tables.items()):
        if lacking := [name for name in train.names if name not in table.columns]:
            if part != "test":
                raise SourceError(
                    "mismatched-files",
                    f"{source}: {names[part]} has no column {lacking[0]!r}, {names['train']} has one",
                )
            skipped.append(Skipped(names[part], f"it has no column {lacking[0]!r}, so it cannot be tested on"))
            del tables[part]
    tables = {part: _strip_full_stops(table, train, names[part], notes) for part, table in tables.items()}
    columns = {n: concat_columns([table.columns[n] for table in tables.values()], n, source) for n in train.names}
    split = np.concatenate([np.full(len(table), part, "U5") for part, table in tables.items()])
    counts = ", ".join(f"{part} {len(table)}" for part, table in tables.items())
    notes.append(Note("split", counts, f"given by the files {', '.join(names[p] for p in tables)}"))
    return replace(
        train,
        columns=columns,
        name=source,
        notes=tuple(notes),
        skipped=tuple(skipped),
        split=split if len(tables) > 1 else None,
    )


def _strip_full_stops(table: Table, train: Table, name: str, notes: list[Note]) -> Table:
    """Values that are the training file's with a full stop behind (as in Adult's test file) lose it."""
    changed: dict[str, Raw] = {}
    for column in train.names:
        here, there = table.columns[column], train.columns[column]
        if not isinstance(here, pl.Series) or not isinstance(there, pl.Series):
            continue
        if here.dtype != pl.String or there.dtype != pl.String:
            continue
        values = here.drop_nulls().unique()
        if len(values) and values.str.ends_with(".").all():
            bare = values.str.strip_suffix(".")
            train_values = there.unique()
            if bare.is_in(train_values.to_list()).all() and not values.is_in(train_values.to_list()).any():
                changed[column] = here.str.strip_suffix(".")
                notes.append(
                    Note("full stop", f"{column} in {name}", "taken off: all values are those of train with it")
                )
    return table.with_columns(changed) if changed else table
