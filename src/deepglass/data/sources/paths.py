"""Sources that are files and folders: which reader a path needs."""

import re
from collections.abc import Sequence
from dataclasses import replace
from glob import glob
from pathlib import Path
from typing import NamedTuple

import numpy as np

from deepglass.data.sources.access import OWN_FOLDER, Access, check_inside
from deepglass.data.sources.annotated import read_annotated, read_annotation_file
from deepglass.data.sources.archives import is_archive, unpack
from deepglass.data.sources.base import ReadLog, SourceOptions
from deepglass.data.sources.captions import lists_captions, with_captions
from deepglass.data.sources.database import HEAD, read_database
from deepglass.data.sources.delimited import table_of_text
from deepglass.data.sources.file_names import with_names
from deepglass.data.sources.idx import is_idx, partners, read_idx_files
from deepglass.data.sources.listing import list_folder, natural_key
from deepglass.data.sources.media import are_animated, holds_media, read_media_folder
from deepglass.data.sources.media_cells import with_media
from deepglass.data.sources.npz import read_npz
from deepglass.data.sources.parallel import parallel_files, read_parallel
from deepglass.data.sources.path_lists import is_path_list
from deepglass.data.sources.plain import is_plain, texts_below
from deepglass.data.sources.records import table_of_json_text
from deepglass.data.sources.tables import read_table_file, read_table_folder, read_tables, table_files
from deepglass.data.table import Note, Table
from deepglass.errors import SourceError, near_miss
from deepglass.features._reading import media_kind
from deepglass.features.base import Media
from deepglass.files import check_regular, open_file, read_file


def read_bytes(data: bytes, source: str, columns: Sequence[str] | None, options: SourceOptions) -> Table:
    """A text table, or JSON where it begins with a bracket."""
    if data.lstrip()[:1] in (b"[", b"{"):
        return table_of_json_text(data, source, columns)
    return table_of_text(np.frombuffer(data, np.uint8), None, source, columns, options, ReadLog())


class PathRequest(NamedTuple):
    """How a file or folder is read.

    Args:
        user_path: the path as the user wrote it, for messages.
        name: of the table.
        columns: those to read; None for all.
        pattern: of the names of media files, from which columns are taken.
        access: the folders that names in data may lead to.
    """

    user_path: str
    name: str
    columns: Sequence[str] | None
    pattern: str | None
    options: SourceOptions
    access: Access = OWN_FOLDER


def read_path(path: Path, request: PathRequest) -> Table:
    """Read a file or folder."""
    table = _read_path(path, request)
    if table.folder is not None:  # of an archive
        return table
    roots = None if request.access.closed else tuple(request.access.roots)
    return replace(table, folder=path if path.is_dir() else path.parent, roots=roots)


def _read_path(path: Path, request: PathRequest) -> Table:
    user_path, name, columns, _, options, access = request
    if path.is_dir():
        beside = [p for p in list_folder(path) if p.is_file() and not media_kind(p.name)]
        elsewhere = check_inside(beside, [p.name for p in beside], path, access, name)
        table = _read_folder(path, request)
        links = [Note("links", str(elsewhere), "its files are links into this folder")] if elsewhere else []
        return replace(table, notes=(*table.notes, *links))
    check_regular(path, name)
    with open_file(path, name) as file:
        is_database = file.read(len(HEAD)) == HEAD
    if is_database:
        return read_database(path, "", user_path)
    if is_archive(path):
        closed = request._replace(user_path=f"{user_path} (unpacked)", access=Access(closed=True))
        unpacked = read_path(unpack(path, name), closed)
        return replace(unpacked, name=name)
    if is_idx(path):
        return read_idx_files(partners(path), name)
    if path.suffix.lower() in (".npz", ".npy"):
        return read_npz(path, name)
    if kind := media_kind(path.name):
        files = [Media(name, path)]
        return Table({kind: files}, name, kinds={kind: "video" if are_animated(files) else kind})
    if columns is None and (annotated := read_annotation_file(path, name, options, access)) is not None:
        return annotated
    return _with_files(read_table_file(path, name, columns, options), path.parent, access)


def _read_folder(folder: Path, request: PathRequest) -> Table:
    user_path, name, columns, pattern, options, access = request
    entries = list_folder(folder)
    if idx := [p for p in entries if is_idx(p)]:
        return read_idx_files(idx, name)
    if pattern is None and (annotated := read_annotated(folder, name, options, access)) is not None:
        return annotated
    tables = table_files(entries) if pattern is None else []
    tables += [p for p in entries if p not in tables and p.is_file() and is_path_list(p)] if pattern is None else []
    sure = [p for p in tables if p.suffix.lower() != ".txt" or lists_captions(p) or is_path_list(p)]
    if not sure and pattern is None and (stems := parallel_files(entries)):
        return read_parallel(stems, name, columns, options)
    if sure or (tables and not holds_media(folder)):
        table = replace(read_table_folder(sure or tables, user_path, columns, options), name=name)
        if is_plain(table) or "document" in table.excluded:
            return replace(table, skipped=(*table.skipped, *texts_below(folder, user_path)))
        return _with_files(replace(table, notes=(*table.notes, *_class_names(folder))), folder, access)
    arrays = [p for p in entries if p.suffix.lower() in (".npz", ".npy")]
    if len(arrays) == 1:
        return replace(read_npz(arrays[0], arrays[0].name), name=name)
    if holds_media(folder):
        return read_media_folder(folder, name, pattern, access)
    if len(entries) == 1 and (entries[0].is_dir() or is_archive(entries[0])):
        return read_path(entries[0], request)
    names = ", ".join(p.name for p in entries[:8]) + (", ..." if len(entries) > 8 else "")
    content = names or "it is empty"
    raise SourceError(
        "empty-source", f"{user_path}: expected tables, images, audio, video or arrays, got none ({content})"
    )


def _with_files(table: Table, folder: Path, access: Access) -> Table:
    """The table with the files beside it that its cells name."""
    return with_captions(with_names(with_media(table, folder, access), folder, access), folder)


def _class_names(folder: Path) -> list[Note]:
    """A note on a classes.txt beside a table; the labels stay as the table has them."""
    path = folder / "classes.txt"
    if not path.is_file():
        return []
    names = read_file(path).decode("utf-8", errors="replace").split("\n")
    why = "from classes.txt; labels stay as the table has them"
    return [Note("class names", ", ".join(filter(None, names[:12])), why)]


def matching(path: Path) -> list[Path]:
    """The files that a path with wildcards matches, in natural order; none for a path that exists."""
    if path.exists() or not re.search(r"[*?\[]", str(path)):
        return []
    return [Path(name) for name in sorted(glob(str(path)), key=natural_key) if Path(name).is_file()]


def read_files(files: Sequence[Path], source: str, columns: Sequence[str] | None, options: SourceOptions) -> Table:
    """Several tables with the same columns as one."""
    for path in files:
        check_exists(path, str(path))
        check_regular(path, str(path))
    return replace(read_tables(files, source, columns, options), name=source)


def check_exists(path: Path, user_path: str) -> None:
    """Raise `not-found`, with the near miss, for a path that does not exist."""
    if path.exists():
        return
    parent = next(folder for folder in path.parents if folder.is_dir())
    missing = path.relative_to(parent).parts[0]
    where = "" if parent == Path(".") else f" in {parent}"
    near = near_miss(missing, [p.name for p in list_folder(parent)])
    raise SourceError("not-found", f"{user_path}: there is no {missing!r}{where}{near}")
