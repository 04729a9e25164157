"""Files that hold a table, and folders of such files: one table, or its train, valid and test files."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from deepglass.data.sources.base import SPLIT_NAMES, SPLIT_WORDS, ReadLog, SourceOptions
from deepglass.data.sources.binary import read_arrow, read_parquet
from deepglass.data.sources.conllu import read_conllu
from deepglass.data.sources.delimited import read_delimited, read_plain
from deepglass.data.sources.excel import read_excel
from deepglass.data.sources.frames import concat_columns
from deepglass.data.sources.label_studio import read_task_file
from deepglass.data.sources.path_lists import is_path_list, read_path_list
from deepglass.data.sources.plain import documents, is_plain
from deepglass.data.sources.records import read_json_lines
from deepglass.data.table import Table
from deepglass.errors import SourceError
from deepglass.features.base import Raw
from deepglass.files import open_file
from deepglass.formatting import first_names

Reader = Callable[[Path, str, Sequence[str] | None, SourceOptions], Table]

READERS: dict[str, Reader] = {
    **dict.fromkeys([".csv", ".tsv", ".tab", ".dat", ".data", ".txt"], read_delimited),
    **dict.fromkeys([".conll", ".iob", ".iob2", ".bio"], read_delimited),
    ".conllu": read_conllu,
    ".json": read_task_file,
    **dict.fromkeys([".jsonl", ".ndjson"], read_json_lines),
    **dict.fromkeys([".parquet", ".pq"], read_parquet),
    **dict.fromkeys([".arrow", ".feather", ".ipc"], read_arrow),
    **dict.fromkeys([".xlsx", ".xls", ".xlsm", ".xlsb", ".ods"], read_excel),
}
_NUM_CHECKED = 100  # .txt files of a folder that are checked for being tables; if none is, the others are none
_SHARD = r"-\d{3,5}-of-\d{3,5}"  # as Hugging Face numbers the files of one split
_MIN_COMMON = 0.7  # of the columns of two files: then they are rows of one table
_UNSURE = frozenset([".txt", ".dat", ".data"])  # tables only if a folder holds no others


def ending(path: Path) -> str:
    """The ending of a file in small letters, without `.gz`: ".csv" of a.csv.gz."""
    return Path(path.name.lower().removesuffix(".gz")).suffix


def read_table_file(path: Path, source: str, columns: Sequence[str] | None, options: SourceOptions) -> Table:
    """Read one file with the reader of its ending, or by its first bytes if no reader has this ending."""
    if path.stat().st_size == 0:
        raise SourceError("empty-source", f"{source}: the file is empty")
    if is_path_list(path):
        return read_path_list(path, source, columns, options)
    reader = READERS.get(ending(path))
    if reader is None:
        with open_file(path, source) as file:
            head = file.read(8)
        reader = read_parquet if head[:4] == b"PAR1" else read_arrow if head[:6] == b"ARROW1" else read_delimited
    return reader(path, source, columns, options)


def table_files(entries: Sequence[Path]) -> list[Path]:
    """The files that hold tables."""
    files = [p for p in entries if p.is_file() and ending(p) in READERS]
    sure = [p for p in files if ending(p) not in _UNSURE]
    return sure or files


def read_table_folder(
    files: Sequence[Path], source: str, columns: Sequence[str] | None, options: SourceOptions
) -> Table:
    """The table of a folder: its only file, or its train, valid and test files together.

    Raises:
        SourceError: `mismatched-files` for several tables that are neither splits of one nor plain texts.
    """
    files = [p for p in files if "submission" not in p.stem.lower()] or files
    if len(files) == 1:
        return replace(read_table_file(files[0], files[0].name, columns, options), name=source)
    if (shards := _split_files(files)) is not None:
        tables: dict[str, Table] = {}
        for split, paths in shards.items():  # training first
            tables[split] = read_tables(paths, split, columns, options)
            options = options.with_values(tables[split].values)
        return merge_splits(tables, {split: _range(paths) for split, paths in shards.items()}, source)
    if columns is None and {ending(p) for p in files} == {".txt"}:
        texts = [read_table_file(p, p.name, columns, options) for p in files[:_NUM_CHECKED]]
        if all(map(is_plain, texts)):
            texts += [read_plain(p, p.name, options) for p in files[_NUM_CHECKED:]]
            return documents(texts, source)
    try:
        return replace(read_tables(files, source, columns, options), name=source)
    except SourceError as error:
        if error.code != "mismatched-files":
            raise
        reason = error.message
    commands = "\n".join(f"  deepglass train {source.rstrip('/')}/{p.name}" for p in files[:10])
    raise SourceError(
        "mismatched-files",
        f"{source}: expected one table, its train, valid and test files, or tables of the same columns, got "
        f"{len(files)} tables ({reason}); name one of them:\n{commands}",
    )


def read_tables(files: Sequence[Path], source: str, columns: Sequence[str] | None, options: SourceOptions) -> Table:
    """The rows of several files with the same columns, in one table; the column `file` names the file of each row.

    Columns that a few files lack are missing values there.

    Raises:
        SourceError: `mismatched-files` for files of other columns.
    """
    if len(files) == 1:
        return read_table_file(files[0], files[0].name, columns, options)
    tables: list[Table] = []
    log = ReadLog()
    for path in files:
        table = read_table_file(path, path.name, columns, options)
        options = options.with_values(table.values)
        first = tables[0] if tables else table
        names, other = set(first.names), set(table.names)
        if len(names & other) < _MIN_COMMON * len(names | other):
            odd = ", ".join(sorted(names ^ other)[:4])
            raise SourceError("mismatched-files", f"{path.name} and {files[0].name} differ in columns such as {odd}")
        if (table.target, dict(table.kinds)) != (first.target, dict(first.kinds)):
            raise SourceError("mismatched-files", f"{path.name} and {files[0].name} differ in kind")
        for skipped in table.skipped:
            log.skip(f"{path.name}: {skipped.name}", skipped.reason)
        tables.append(table)
    every_name = dict.fromkeys(name for table in tables for name in table.names)
    for name in every_name:
        if lacking := [p.name for p, table in zip(files, tables, strict=True) if name not in table.columns]:
            log.note("columns", name, f"missing in {len(lacking)} files: {first_names(lacking, 3)}")
    merged = {
        name: concat_columns(
            [t.columns.get(name, pl.Series(name, [None] * len(t), dtype=pl.String)) for t in tables], name, source
        )
        for name in every_name
    }
    log.note("files", f"{len(files):,}", f"tables of the same columns, one below the other: {_range(files)}")
    excluded = tables[0].excluded
    if "file" not in merged and len({p.name for p in files}) == len(files) and not _are_shards(files):
        merged["file"] = pl.Series("file", [p.name for p, t in zip(files, tables, strict=True) for _ in range(len(t))])
        excluded = (*excluded, "file")
    values = {name: texts for table in tables for name, texts in table.values.items()}
    notes, skips = log.entries
    return replace(
        tables[0], columns=merged, name=source, notes=(*tables[0].notes, *notes), skipped=skips, split=None,
        values=values, excluded=excluded,
    )  # fmt: skip


def _range(files: Sequence[Path]) -> str:
    return files[0].name if len(files) == 1 else f"{files[0].name} to {files[-1].name}"


def _are_shards(files: Sequence[Path]) -> bool:
    return all(re.search(_SHARD, p.name) for p in files)


def _split_files(files: Sequence[Path]) -> dict[str, list[Path]] | None:
    """Split -> its file or shards, if the names differ only in a word such as train or test, and in shard numbers."""
    paths: dict[str, list[Path]] = {}
    rests: set[str] = set()
    for path in files:
        name = re.sub(_SHARD, "", path.name.lower())
        words = re.split(r"([-_. ]+)", name)
        split_words = [i for i, word in enumerate(words) if word in SPLIT_WORDS]
        if len(split_words) != 1:
            return None
        shards = paths.setdefault(SPLIT_WORDS[words.pop(split_words[0])], [])
        if shards and name == path.name.lower():
            return None
        shards.append(path)
        rests.add("".join(words))
    complete = len(rests) == 1 and "train" in paths
    return {split: sorted(paths[split]) for split in SPLIT_NAMES if split in paths} if complete else None


def merge_splits(tables: dict[str, Table], names: dict[str, str], source: str) -> Table:
    """The tables of the splits as one table with a split.

    Args:
        tables: split -> its table; "train" is among them.
        names: split -> the name of its file.

    Raises:
        SourceError: `mismatched-files` when a split other than test lacks columns.
    """
    train = tables["train"]
    log = ReadLog(list(train.notes))
    for split_name, table in tables.items():
        for skipped in table.skipped:
            log.skip(f"{names[split_name]}: {skipped.name}", skipped.reason)
    for split_name, table in list(tables.items()):
        if missing := [name for name in train.names if name not in table.columns]:
            if split_name != "test":
                text = f"{source}: {names[split_name]} has no column {missing[0]!r}, {names['train']} has one"
                raise SourceError("mismatched-files", text)
            log.skip(names[split_name], f"it has no column {missing[0]!r}, so it cannot be tested on")
            del tables[split_name]
    tables = {split: _strip_full_stops(table, train, names[split], log) for split, table in tables.items()}
    columns = {n: concat_columns([table.columns[n] for table in tables.values()], n, source) for n in train.names}
    split = np.repeat(np.array(list(tables), "U5"), [len(table) for table in tables.values()])
    log.note_split(split.tolist(), f"given by the files {', '.join(names[s] for s in tables)}")
    notes, skips = log.entries
    with_split = split if len(tables) > 1 else None
    return replace(train, columns=columns, name=source, notes=notes, skipped=skips, split=with_split)


def _strip_full_stops(table: Table, train: Table, name: str, log: ReadLog) -> Table:
    """A table without the full stop after each value of a column, if training has the values without (as in Adult)."""
    changed: dict[str, Raw] = {}
    for column in train.names:
        raw, train_raw = table.columns[column], train.columns[column]
        if not isinstance(raw, pl.Series) or not isinstance(train_raw, pl.Series):
            continue
        if raw.dtype != pl.String or train_raw.dtype != pl.String or not raw.drop_nulls().str.ends_with(".").all():
            continue
        values, train_values = raw.drop_nulls().unique(), train_raw.unique().to_list()
        bare = values.str.strip_suffix(".")
        if len(values) and bare.is_in(train_values).all() and not values.is_in(train_values).any():
            changed[column] = raw.str.strip_suffix(".")
            log.note("full stop", f"{column} in {name}", "taken off: training has the same values without it")
    return table.with_columns(changed)
