"""Folders of image, audio or video files: class folders, labels in file names, tables with paths in their cells."""

import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import polars as pl

from deepglass.data.sources.access import OWN_FOLDER, Access, check_inside
from deepglass.data.sources.base import (
    AUDIO_SUFFIXES,
    IMAGE_SUFFIXES,
    SPLIT_WORDS,
    VIDEO_SUFFIXES,
    ReadLog,
)
from deepglass.data.sources.listing import list_folder, natural_key, walk
from deepglass.data.table import Note, Table
from deepglass.errors import SourceError
from deepglass.features._images import count_frames
from deepglass.features.base import Media
from deepglass.files import outside

NUM_GIFS_OPENED = 8  # to detect whether the GIFs of a folder are animated
_NOUN = {"image": "image", "audio": "audio file", "video": "video"}
KINDS = {"image": IMAGE_SUFFIXES, "audio": AUDIO_SUFFIXES, "video": VIDEO_SUFFIXES}
_MAX_PATH = 4096  # bytes, of Linux
_MEDIA_NAME = rf"(?i)({'|'.join(re.escape(e) for endings in KINDS.values() for e in sorted(endings))}|\.jpe)$"
_FRAME = re.compile(r"frame[-_ ]?\d+", re.IGNORECASE)  # the name of a video's frame
_UNLABELLED = frozenset(["unlabelled", "unlabeled", "unsup", "unknown_class"])
_ANNOTATIONS = re.compile(r"(annot|mask|annotations|labels|label_\d|calib)s?$", re.IGNORECASE)
_WORN = re.compile(r"(with|without|no|wearing)[-_ ]", re.IGNORECASE)  # a face with_mask is a class


def media_kind(name: str) -> str | None:
    """ "image", "audio" or "video" by the ending of a file's name, else None."""
    suffix = os.path.splitext(name)[1].lower()
    return next((kind for kind, endings in KINDS.items() if suffix in endings), None)


def holds_media(folder: Path) -> bool:
    """Whether there is a media file below a folder; stops at the first."""
    return any(media_kind(name) for name in walk(folder))


def read_media_folder(
    folder: Path, source: str, filename_pattern: str | None = None, access: Access = OWN_FOLDER
) -> Table:
    """A table of the media files in a folder; only a few GIFs are opened: animated ones are videos.

    The label is the folder that holds a file, unless `filename_pattern` reads columns from the file's name. Folders
    called train, valid or test, over or under the class folders, give the split. Folders whose images are all called
    frame1, frame2 and so on are a video each.

    Raises:
        SourceError: `empty-source`, `bad-value` for a pattern that matches no name, `unsafe-path` for links that lead
            out.
    """
    log = ReadLog()
    names = sorted(walk(folder), key=natural_key)
    kinds = Counter(kind for name in names if (kind := media_kind(name)))
    if not kinds:
        raise SourceError("empty-source", f"{source}: expected image, audio or video files, got none")
    kind = kinds.most_common(1)[0][0]
    media = [Media(name, folder / name) for name in names if media_kind(name) == kind]
    if elsewhere := check_inside([m.path for m in media], [m.name for m in media], folder, access, source):
        log.note("links", str(elsewhere), f"all {len(media):,} files are links into this folder")
    for name in names:
        if media_kind(name) != kind:
            log.skip(name, "an empty folder" if name.endswith("/") else f"no {_NOUN[kind]}")
    if kind == "image" and (clips := _folders_of_frames(media, folder)):
        log.note("video", f"{len(clips)} folders", "their files are named frame1, frame2, ...")
        kind, media = "video", clips
    animated = kind == "image" and are_animated(media)
    if animated:
        log.note("video", f"{len(media)} GIFs", "each has several frames")
    if filename_pattern is not None:
        table = _by_pattern(media, kind, filename_pattern, source, log)
    else:
        table = _by_folder(folder, media, kind, source, log)
    return replace(table, kinds={**table.kinds, kind: "video"}) if animated else table


def are_animated(media: Sequence[Media | None]) -> bool:
    """Whether all are GIFs, and a sample of them has several frames each."""
    files = [m for m in media if m is not None]
    if not all(m.name.lower().endswith(".gif") for m in files):
        return False
    counts = [count_frames(m) for m in files[:: max(len(files) // NUM_GIFS_OPENED, 1)]]
    return max(counts, default=0) > 1 and 1 not in counts  # 0 cannot be read


def _folders_of_frames(media: Sequence[Media], root: Path) -> list[Media]:
    """The folders of the images, if each image is called a frame and each folder holds several of them."""
    parents = Counter(m.name.rpartition("/")[0] for m in media)
    if min(parents.values()) < 2 or ("" in parents and len(parents) > 1):
        return []
    if not all(_FRAME.fullmatch(os.path.splitext(m.name.rpartition("/")[2])[0]) for m in media):
        return []
    return [Media(parent or root.name, root / parent) for parent in parents]


# -- class folders -----------------------------------------------------------------------------------------------


def _by_folder(folder: Path, media: list[Media], kind: str, source: str, log: ReadLog) -> Table:
    folders = [m.name.split("/")[:-1] for m in media]
    shared = os.path.commonpath(["/".join(f) or "." for f in folders]) if all(folders) else ""
    folders = [f[len(shared.split("/")) if shared not in ("", ".") else 0 :] for f in folders]
    split, folders = _split_folders(folders, log)
    labels = [f[0] if f and f[0].lower() not in _UNLABELLED else None for f in folders]
    siblings = {p.name for p in list_folder(folder) if p.is_dir()}
    _refuse_annotations({f[0] for f in folders if f} | {shared} | siblings, source)
    columns: dict[str, pl.Series | list[Media]] = {kind: media}
    kinds = {kind: kind}
    column = pl.Series("label", labels, dtype=pl.String)
    if classes := sorted(column.drop_nulls().unique(), key=natural_key):
        columns["label"], kinds["label"] = column, "category"
        listed = ", ".join(classes[:6]) + (", ..." if len(classes) > 6 else "")
        log.note("label", f"{len(classes)} classes: {listed}", "the folders that hold the files")
        if column.null_count():
            log.note("unlabelled", f"{column.null_count()} files", "not in a class folder")
    else:
        log.note("files", f"{len(media)} of kind {kind}", "no class folders: there is no label")
    return Table(columns, source, *log.entries, split, "label" if classes else None, kinds)


def _split_folders(folders: list[list[str]], log: ReadLog) -> tuple[np.ndarray | None, list[list[str]]]:
    """The split of each file from its first or second parent folder, and the folders without that one."""
    for level in (0, 1):
        words = [f[level].lower() if len(f) > level else "" for f in folders]
        splits = [SPLIT_WORDS.get(word, "") for word in words]
        if all(splits) and len(set(splits)) > 1:
            log.note_split(splits, f"given by the folders {', '.join(sorted(set(words)))}")
            return np.array(splits, "U5"), [f[:level] + f[level + 1 :] for f in folders]
    return None, folders


def _refuse_annotations(names: set[str], source: str) -> None:
    odd = sorted(name for name in names if _ANNOTATIONS.search(name) and not _WORN.match(name))
    if odd:
        text = f"{source}: its folder {odd[0]!r} looks like a folder of masks or boxes, not like a class"
        raise SourceError("bad-value", text)


# -- names -------------------------------------------------------------------------------------------------------


def _by_pattern(media: list[Media], kind: str, pattern: str, source: str, log: ReadLog) -> Table:
    """Columns from names such as `{digit}_{speaker}_{take}`; a pattern with slashes reads the folders too."""
    fields, expression = _compiled(pattern)
    matches: list[tuple[Media, re.Match[str]]] = []
    for item in media:
        name = item.name if "/" in pattern else item.name.rsplit("/", 1)[-1]
        if match := expression.fullmatch(os.path.splitext(name)[0]) or expression.fullmatch(name):
            matches.append((item, match))
        else:
            log.skip(item.name, f"its name does not match {pattern!r}")
    if not matches:
        text = f"{pattern!r} matches none of {len(media)} names in {source}, such as {media[0].name!r}"
        raise SourceError("bad-value", f"--filename-pattern: {text}")
    columns: dict[str, pl.Series | list[Media]] = {kind: [item for item, _ in matches]}
    for field in fields:
        columns[field] = pl.Series(field, [match[field] for _, match in matches], dtype=pl.String)
    log.note("names", pattern, f"matches {len(matches)} of {len(media)} files")
    log.note("set aside", ", ".join(fields), "excluded from the inputs: a new file need not have such a name")
    return Table(columns, source, *log.entries, kinds={kind: kind}, excluded=tuple(fields))


def _compiled(pattern: str) -> tuple[list[str], re.Pattern[str]]:
    pieces = re.split(r"\{([^{}]*)\}", pattern)
    fields = pieces[1::2]
    words = all(re.fullmatch(r"[^\W\d]\w*", field) for field in fields)
    if not fields or not words or len(set(fields)) < len(fields):
        text = f"expected different words in braces such as '{{label}}_{{take}}', got {pattern!r}"
        raise SourceError("bad-value", f"--filename-pattern: {text}")
    text = "".join(f"(?P<{piece}>[^/]+?)" if i % 2 else re.escape(piece) for i, piece in enumerate(pieces))
    return fields, re.compile(text)


# -- cells that are paths ----------------------------------------------------------------------------------------


def with_media(table: Table, folder: Path, access: Access = OWN_FOLDER) -> Table:
    """Convert text columns whose cells are paths of files to lazy files; an empty cell is None.

    Raises:
        SourceError: `unsafe-path` where a few cells name files outside the folder of the table.
    """
    columns, kinds, notes = dict(table.columns), dict(table.kinds), list(table.notes)
    for name, raw in table.columns.items():
        if not isinstance(raw, pl.Series) or raw.dtype != pl.String:
            continue
        cells = raw.drop_nulls().head(20).to_list()
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
        elif kind is None and _are_folders_of_frames(folder, cells, access):
            kind, target = "video", f"folders of frames in {_folder_name(folder)}"
        else:
            _check_texts(raw, f"{table.name}, column {name!r}", folder, access)
            continue
        files = [None if cell is None else Media(cell, base / _as_path(cell, last)) for cell in raw.to_list()]
        present = [file for file in files if file is not None]
        where = f"{table.name}, column {name!r}"
        if elsewhere := check_inside([f.path for f in present], [f.name for f in present], folder, access, where):
            target = f"{kind} files that all lie elsewhere, in {elsewhere}"
        columns[name] = cast(list[Media], files)  # None = missing, as `sequence_of` has it
        kinds[name] = "video" if kind == "image" and are_animated(files) else kind
        shortened = "" if last is None else f", of which only the end, such as {_as_path(cells[0], last)}, is there"
        notes.append(Note("paths", name, f"its cells name {target}{shortened}"))
    notes = [note for note in notes if note.what != "numbers" or note.value not in kinds]  # 1.jpg is no quantity
    return replace(table, columns=columns, kinds=kinds, notes=tuple(notes))


def _check_texts(raw: pl.Series, where: str, folder: Path, access: Access) -> None:
    """Raise `unsafe-path` for texts that would open files outside the folder, if a feature read them as paths."""
    short = raw.filter(raw.str.len_bytes() <= _MAX_PATH)
    named = short.filter(short.str.contains(_MEDIA_NAME)).unique().to_list()
    names = [name for name in named if "\0" not in name and os.path.isfile(name)]
    check_inside([Path(name).absolute() for name in names], names, folder, access, where)


def _folder_name(folder: Path) -> str:
    """A folder's name for a message; the current one has none of its own."""
    return f"{folder.name or folder.resolve().name}/"


def _are_folders_of_frames(folder: Path, cells: Sequence[str], access: Access) -> bool:
    """Whether cells name folders beside the table, the first of which hold several images."""
    if not cells or any(len(cell) > 200 or not cell.strip(" ./\\") for cell in cells):
        return False
    paths = [folder / _as_path(cell) for cell in cells if "\0" not in cell]
    if access.closed and outside(paths, (folder,)):
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
