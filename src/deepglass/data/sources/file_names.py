"""Cells that name media files by name alone: the files lie in several folders, at any depth, or lack the ending."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import cast

import numpy as np
import polars as pl

from deepglass.data.sources.access import OWN_FOLDER, Access, check_inside
from deepglass.data.sources.file_tree import FileMatcher, stem
from deepglass.data.sources.listing import natural_key, walk
from deepglass.data.sources.media import are_animated
from deepglass.data.table import Note, Table
from deepglass.features._reading import media_kind
from deepglass.features.base import Media, Raw

_MAX_LISTED = 200_000  # files below a folder that are compared with the cells
_NUM_CHECKED = 200  # cells of a column, evenly spaced
_MIN_MATCHED = 0.9  # share of these that name a file, for a column without endings
_MIN_NAMED = 0.5  # share of the files that such a column names, and of its cells that differ
_ID_NAME = re.compile(r"(^|[^a-z])(id|ids|image|img|file|filename|name|key|path|photo|picture|uuid)s?($|[^a-z])")


def with_names(table: Table, folder: Path, access: Access = OWN_FOLDER) -> Table:
    """The table with files for the names that stand in its cells, wherever they lie below the folder.

    Args:
        table: as `with_media` returns it.

    Raises:
        SourceError: `unsafe-path` for links that lead out.
    """
    wanted = [name for name, raw in table.columns.items() if _lacks_files(raw)]
    ids = [] if wanted or any(isinstance(raw, list) for raw in table.columns.values()) else _id_columns(table)
    if not wanted and not ids:
        return table
    files = [name for name in islice(walk(folder), _MAX_LISTED) if media_kind(name)]
    if not files:
        return table
    for name in wanted:
        table = _with_column(table, name, _resolved(table[name], FileMatcher(files)), folder, access, "by their names")
    return _with_ids(table, ids, files, folder, access) if ids else table


def _lacks_files(raw: Raw) -> bool:
    """Whether cells name media files, of which some are not where their paths lead."""
    if isinstance(raw, list):
        sample = [raw[i] for i in _sample(len(raw))]
        return any(isinstance(m, Media) and m.member is None and not m.path.exists() for m in sample)
    if not isinstance(raw, pl.Series) or raw.dtype != pl.String:
        return False
    cells = raw.drop_nulls().head(20).to_list()
    return bool(cells) and all(media_kind(cell) is not None for cell in cells)


def _resolved(raw: Raw, matcher: FileMatcher) -> list[str | None]:
    """The file of each cell: None where none has its name, "" where the cell itself leads to a file."""
    if isinstance(raw, list):
        return [None if m is None else "" if m.path.exists() else matcher.named(m.name) for m in raw]
    return [None if cell is None else matcher.named(cell) for cell in cast(pl.Series, raw).to_list()]


def _with_column(table: Table, name: str, files: Sequence[str | None], folder: Path, access: Access, how: str) -> Table:
    """The table with a column of files; unchanged if no cell names one that was not found before.

    Args:
        files: of each cell, as `_resolved` returns them.
    """
    present = [file for file in files if file]
    if not present:
        return table
    raw = table[name]
    cells: list[str | None] = [None if c is None else c.name for c in raw] if isinstance(raw, list) else _texts(raw)
    media: list[Media | None] = []
    for i, (cell, file) in enumerate(zip(cells, files, strict=True)):
        own = cast(Media, raw[i]) if isinstance(raw, list) and file in (None, "") and cell is not None else None
        media.append(own or (None if cell is None else Media(cell, folder / (file or cell))))
    found = [m for m, file in zip(media, files, strict=True) if m is not None and file]
    check_inside([m.path for m in found], [m.name for m in found], folder, access, f"{table.name}, column {name!r}")
    kind = str(Counter(map(media_kind, present)).most_common(1)[0][0])
    parents = {m.path.parent for m in media if m is not None and m.path.exists()}
    notes = [note for note in table.notes if not (note.what == "paths" and note.value == name)]
    notes = [note for note in notes if note.what != "numbers" or note.value != name]
    notes.append(Note("paths", name, f"its cells name {kind} files {how}, folders: {len(parents):,}"))
    lacking = [str(cell) for cell, file in zip(cells, files, strict=True) if cell is not None and file is None]
    if lacking:
        notes.append(Note("no file", f"{len(lacking):,} cells of {name}, such as {lacking[0]!r}", "none has this name"))
    kind = "video" if kind == "image" and are_animated(media) else kind
    columns = {**table.columns, name: cast(list[Media], media)}
    return replace(table, columns=columns, kinds={**table.kinds, name: kind}, notes=tuple(notes))


# -- names without an ending -------------------------------------------------------------------------------------


def _id_columns(table: Table) -> list[str]:
    """Columns whose cells may be names of files, those that are called so first; numbers only if they are."""
    names = []
    for name, raw in table.columns.items():
        if not isinstance(raw, pl.Series) or not (raw.dtype == pl.String or raw.dtype.is_integer()):
            continue
        is_named = _ID_NAME.search(name.lower()) is not None
        if (is_named or raw.dtype == pl.String) and raw.n_unique() >= max(2, _MIN_NAMED * len(raw)):
            names.append((not is_named, name))
    return [name for _, name in sorted(names, key=lambda pair: pair[0])]


def _with_ids(table: Table, ids: Sequence[str], files: Sequence[str], folder: Path, access: Access) -> Table:
    """The table with the files of the first column that names most of them."""
    kind = Counter(map(media_kind, files)).most_common(1)[0][0]
    files = sorted((file for file in files if media_kind(file) == kind), key=natural_key)
    by_stem: dict[str, list[str]] = {}
    for file in files:
        for key in {stem(file), stem(file).lstrip("0") if stem(file).isdigit() else stem(file)}:
            by_stem.setdefault(key, []).append(file)
    for name in ids:
        cells = _texts(table[name])
        sample = [cell for i in _sample(len(cells)) if (cell := cells[i]) is not None]
        if sum(len(by_stem.get(cell.strip(), ())) == 1 for cell in sample) < max(2, _MIN_MATCHED * len(sample)):
            continue
        matched = [same[0] if cell and len(same := by_stem.get(cell.strip(), [])) == 1 else None for cell in cells]
        if len(set(matched) - {None}) >= _MIN_NAMED * len(files):
            return _with_column(table, name, matched, folder, access, "without their ending")
    return table


def _texts(raw: Raw) -> list[str | None]:
    return [None if cell is None else str(cell) for cell in cast(pl.Series, raw).to_list()]


def _sample(count: int) -> list[int]:
    return np.unique(np.linspace(0, count - 1, min(count, _NUM_CHECKED)).astype(int)).tolist() if count else []
