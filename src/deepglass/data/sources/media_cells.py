"""Tables whose cells name image, audio or video files."""

import os
import re
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

import polars as pl

from deepglass.data.sources.access import OWN_FOLDER, Access, check_inside
from deepglass.data.sources.listing import list_folder
from deepglass.data.sources.media import are_animated
from deepglass.data.table import Note, Table
from deepglass.features._reading import KINDS, media_kind
from deepglass.features.base import Media, Raw
from deepglass.files import outside

_MAX_PATH, _MAX_NAME = 4096, 255  # bytes, of Linux
_MEDIA_NAME = rf"(?i)({'|'.join(re.escape(e) for endings in KINDS.values() for e in sorted(endings))})$"


def with_media(table: Table, folder: Path, access: Access = OWN_FOLDER) -> Table:
    """Convert text columns whose cells are paths of files to lazy files; an empty cell is None.

    Raises:
        SourceError: `unsafe-path` where a few cells name files outside the folder of the table.
    """
    columns, kinds, notes = dict(table.columns), dict(table.kinds), list(table.notes)
    texts = {n: raw for n, raw in table.columns.items() if isinstance(raw, pl.Series) and raw.dtype == pl.String}
    heads = {name: raw.drop_nulls().head(20).to_list() for name, raw in texts.items()}
    folders: set[Path] = set()  # of the files that other columns name
    for name in sorted(texts, key=lambda name: not (heads[name] and media_kind(heads[name][0]))):
        raw, cells = texts[name], heads[name]
        kind = media_kind(cells[0]) if cells else None
        base, last = folder, None
        if kind is not None and all(media_kind(cell) == kind for cell in cells):
            start = _start(folder, cells, access)
            if start is None and not access.closed and any(map(os.path.isfile, cells)):
                start = Path.cwd(), None  # as lists of files have it that were written for one working folder
            if start is None:
                _check_texts(raw, f"{table.name}, column {name!r}", folder, access)
                why = f"its cells look like {kind} files, but none of these files exists beside the table"
                notes.append(Note("paths", name, why))
                continue
            base, last = start
            target = f"{kind} files in {_folder_name(base)}"
        elif kind is None and _are_folders_of_frames(folder, cells, folders, access):
            kind, target = "video", f"folders of frames in {_folder_name(folder)}"
        else:
            _check_texts(raw, f"{table.name}, column {name!r}", folder, access)
            continue
        files = [None if cell is None else Media(cell, base / _as_path(cell, last)) for cell in raw.to_list()]
        present = [file for file in files if file is not None]
        where = f"{table.name}, column {name!r}"
        if elsewhere := check_inside([f.path for f in present], [f.name for f in present], folder, access, where):
            target = f"{kind} files that all lie elsewhere, in {elsewhere}"
        folders |= {file.path.parent for file in present}
        columns[name] = cast(list[Media], files)  # None = missing, as `sequence_of` has it
        kinds[name] = "video" if kind == "image" and are_animated(files) else kind
        shortened = "" if last is None else f", of which only the end, such as {_as_path(cells[0], last)}, is there"
        notes.append(Note("paths", name, f"its cells name {target}{shortened}"))
    notes = [note for note in notes if note.what != "numbers" or note.value not in kinds]  # 1.jpg is no quantity
    return replace(table, columns=columns, kinds=kinds, notes=tuple(notes))


def with_named_files(table: Table, names: Collection[str]) -> Table:
    """Convert text columns that a feature reads as files, whatever their cells look like, by the rules of `with_media`.

    Args:
        names: of the columns; those that hold no text stay.

    Raises:
        SourceError: `unsafe-path`.
    """
    texts = {n: raw for n in names if isinstance(raw := table.columns.get(n), pl.Series) and raw.dtype == pl.String}
    if table.folder is None or not texts:
        return table
    access = Access(table.roots or (), table.roots is None)
    columns: dict[str, list[Media | None]] = {}
    for name, raw in texts.items():
        cells = [cell for cell in raw.drop_nulls().head(20).to_list() if len(cell.encode()) < _MAX_NAME]
        start = _start(table.folder, cells, access) if cells else None
        if start is None and not access.closed and any(os.path.isfile(cell) for cell in cells if "\0" not in cell):
            start = Path.cwd(), None
        base, last = start or (table.folder, None)
        files = [None if cell is None else Media(cell, base / _as_path(cell, last)) for cell in raw.to_list()]
        present = [file for file in files if file is not None]
        where = f"{table.name}, column {name!r}"
        check_inside([f.path for f in present], [f.name for f in present], table.folder, access, where)
        columns[name] = files
    return table.with_columns(cast(dict[str, Raw], columns))


def _check_texts(raw: pl.Series, where: str, folder: Path, access: Access) -> None:
    """Raise `unsafe-path` for texts that would open files outside the folder, if a feature read them as paths."""
    short = raw.filter(raw.str.len_bytes() <= _MAX_PATH)
    named = short.filter(short.str.contains(_MEDIA_NAME)).unique().to_list()
    names = [name for name in named if "\0" not in name and os.path.isfile(name)]
    check_inside([Path(name).absolute() for name in names], names, folder, access, where)


def _folder_name(folder: Path) -> str:
    """A folder's name for a message; the current one has none of its own."""
    return f"{folder.name or folder.resolve().name}/"


def _are_folders_of_frames(folder: Path, cells: Sequence[str], used: Collection[Path], access: Access) -> bool:
    """Whether cells name folders beside the table, the first of which hold several images.

    Args:
        used: folders whose images are cells of another column, which are labels rather than videos.
    """
    if not cells or any(len(cell) > 200 or not cell.strip(" ./\\") for cell in cells):
        return False
    paths = [folder / _as_path(cell) for cell in cells if "\0" not in cell]
    if access.closed and outside(paths, (folder,)):
        return False
    if any(path in used for path in paths):
        return False
    return all(path.is_dir() for path in paths) and all(
        sum(media_kind(p.name) == "image" for p in list_folder(path)) > 1 for path in paths[:3]
    )


def _as_path(cell: str, last: int | None = None) -> str:
    """A cell as a path; of one from another machine, its last parts."""
    path = cell.strip().replace("\\", "/")
    return path if last is None else "/".join(path.split("/")[-last:])


def _start(folder: Path, cells: Sequence[str], access: Access) -> tuple[Path, int | None] | None:
    """The folder that the paths start from, beside the table or one below, and how many of their last parts count.

    All parts (None) come first; of a path of another machine, such as C:\\drive\\IMG\\1.jpg, as many as exist.
    """
    bases = [folder, *(p for p in list_folder(folder) if p.is_dir())]
    deepest = max(_as_path(cell).count("/") for cell in cells)
    for last in (None, *range(deepest, 0, -1)):
        for base in bases:
            files = [base / _as_path(cell, last) for cell in cells if "\0" not in cell]
            hidden = set(outside(files, (folder,))) if access.closed else ()
            if any(file.is_file() for i, file in enumerate(files) if i not in hidden):
                return base, last
    return None
