"""Folders of image, audio or video files: class folders, or labels in file names."""

import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl

from deepglass.data.sources.access import OWN_FOLDER, Access, check_inside
from deepglass.data.sources.base import ReadLog
from deepglass.data.sources.class_folders import table_of_folders
from deepglass.data.sources.listing import natural_key, walk
from deepglass.data.table import Table
from deepglass.errors import SourceError
from deepglass.features._images import count_frames
from deepglass.features._reading import media_kind
from deepglass.features.base import Media

NUM_GIFS_OPENED = 8  # to detect whether the GIFs of a folder are animated
_NOUN = {"image": "image", "audio": "audio file", "video": "video"}
_FRAME = re.compile(r"frame[-_ ]?\d+", re.IGNORECASE)  # the name of a video's frame


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
    hidden: list[str] = []
    names = sorted(walk(folder, hidden=hidden), key=natural_key)
    log.note_hidden(hidden)
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
        table = table_of_folders(names, media, kind, source, log)
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
