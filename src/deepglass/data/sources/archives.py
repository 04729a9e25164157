"""zip and tar archives, safely unpacked into a temporary folder that is removed when the program ends."""

from __future__ import annotations

import atexit
import lzma
import os
import shutil
import stat
import tarfile
import tempfile
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import IO, NamedTuple
from zipfile import BadZipFile, ZipFile, is_zipfile

from deepglass.data.sources.base import MAX_INFLATION, MAX_UNPACKED_BYTES
from deepglass.data.sources.listing import list_folder
from deepglass.errors import SourceError, StorageError

ENDINGS = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
_MAX_FILES = 2_000_000
_PIECE = 2**20

_unpacked: dict[tuple[str, int, int], Path] = {}  # (path, mtime, size) -> folder


class _Member(NamedTuple):
    """A file in an archive."""

    name: str
    size: int  # as the archive states it, which need not be true
    open: Callable[[], IO[bytes]]


def is_archive(path: Path) -> bool:
    """Whether a file's name is one of an archive."""
    return path.name.lower().endswith(ENDINGS)


def unpack(path: Path, source: str) -> Path:
    """The folder with an archive's content, or its only file; the same for the same archive.

    Raises:
        SourceError: `unsafe-archive` for links and paths that lead out, `too-large`, `unreadable-file`, `empty-source`.
        StorageError: `disk-full`.
    """
    status = path.stat()
    key = (str(path.resolve()), status.st_mtime_ns, status.st_size)
    if key not in _unpacked:
        folder = Path(tempfile.mkdtemp(prefix="deepglass-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        try:
            _extract(path, folder, source)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        _unpacked[key] = folder
    return _inner(_unpacked[key], source)


def _inner(folder: Path, source: str) -> Path:
    entries = [p for p in list_folder(folder) if p.name != "__MACOSX"]
    if not entries:
        raise SourceError("empty-source", f"{source}: the archive holds no files")
    return entries[0] if len(entries) == 1 and entries[0].is_file() else folder


def _extract(path: Path, folder: Path, source: str) -> None:
    try:
        if is_zipfile(path):
            with ZipFile(path) as archive:
                _write(_zip_members(archive, source), path, folder, source)
        else:
            with tarfile.open(path) as archive:
                _write(_tar_members(archive, source), path, folder, source)
    except (
        BadZipFile,
        tarfile.TarError,
        zlib.error,
        lzma.LZMAError,
        EOFError,
        RuntimeError,
        NotImplementedError,
    ) as error:
        raise SourceError("unreadable-file", f"{source}: the archive is damaged or locked ({error})") from error
    except OSError as error:
        if error.errno is None:
            raise SourceError("unreadable-file", f"{source}: the archive is damaged ({error})") from error
        raise StorageError("disk-full", f"{source}: cannot be unpacked to {folder} ({error.strerror})") from error


def _zip_members(archive: ZipFile, source: str) -> list[_Member]:
    members = []
    for info in archive.infolist():
        if stat.S_ISLNK(info.external_attr >> 16):
            raise SourceError("unsafe-archive", f"{source}: {info.filename!r} in it is a link; nothing was unpacked")
        if not info.is_dir():
            members.append(_Member(info.filename, info.file_size, partial(archive.open, info)))
    return members


def _tar_members(archive: tarfile.TarFile, source: str) -> list[_Member]:
    members = []
    for info in archive:
        if not (info.isfile() or info.isdir()):
            what = "a link" if info.issym() or info.islnk() else "no ordinary file"
            raise SourceError("unsafe-archive", f"{source}: {info.name!r} in it is {what}; nothing was unpacked")
        _safe(info.name, source)
        if info.isfile():
            members.append(_Member(info.name, info.size, partial(_tar_file, archive, info)))
        if len(members) > _MAX_FILES:
            break
    return members


def _tar_file(archive: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    file = archive.extractfile(info)
    assert file is not None  # checked by the caller
    return file


def _safe(name: str, source: str) -> list[str]:
    """The parts of a path inside the folder."""
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".")]
    if name.startswith(("/", "\\")) or ".." in parts or (parts and parts[0][1:2] == ":") or "\0" in name:
        raise SourceError("unsafe-archive", f"{source}: {name!r} in it leads out of the folder; nothing was unpacked")
    return parts


def _write(members: list[_Member], path: Path, folder: Path, source: str) -> None:
    most = min(MAX_UNPACKED_BYTES, max(_PIECE, MAX_INFLATION * path.stat().st_size))
    places = [folder.joinpath(*_safe(member.name, source)) for member in members]
    if len(members) > _MAX_FILES:
        raise SourceError("too-large", f"{source}: more than {_MAX_FILES} files")
    stated = sum(member.size for member in members)
    left = most
    for member, place in zip(members, places, strict=True):
        if stated > most:
            break
        place.parent.mkdir(parents=True, exist_ok=True)
        with member.open() as packed, place.open("wb") as file:
            while left >= 0 and (piece := packed.read(_PIECE)):
                left -= len(piece)
                file.write(piece)
        os.chmod(place, 0o644)
        if left < 0:
            break
    if stated > most or left < 0:
        raise SourceError(
            "too-large",
            f"{source}: {path.stat().st_size / 2**20:.1f} MiB unpack to more than {most / 2**20:.0f} MiB; "
            "unpack it yourself if you trust it, and give the folder",
        )
