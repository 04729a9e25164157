"""zip and tar archives, unpacked safely into a temporary folder that is removed when the program ends."""

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

from deepglass import files
from deepglass.data.sources.base import MAX_INFLATION, MAX_UNPACKED_BYTES
from deepglass.data.sources.listing import list_folder
from deepglass.errors import SourceError

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
    """Whether a file has the name of an archive."""
    return path.name.lower().endswith(ENDINGS)


def unpack(path: Path, source: str) -> Path:
    """The folder with an archive's content, or its only file; the same for the same archive.

    Raises:
        SourceError: `unsafe-archive` for links and paths that lead out, `too-large`, `unreadable-file`, `empty-source`.
        StorageError: `disk-full` or `read-only`.
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
    damaged = (BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, RuntimeError, NotImplementedError)
    try:
        with ZipFile(path) if is_zipfile(path) else tarfile.open(path) as archive:
            members = _zip_members(archive, source) if isinstance(archive, ZipFile) else _tar_members(archive, source)
            _write(members, path, folder, source)
    except damaged as error:
        raise SourceError("unreadable-file", f"{source}: the archive is damaged or locked ({error})") from error
    except OSError as error:
        if error.errno in files.STORAGE_ERRORS:
            raise files.storage_error(folder, error) from error
        raise SourceError(
            "unreadable-file", f"{source}: the archive is damaged, or a name in it can be no file here ({error})"
        ) from error


def _zip_members(archive: ZipFile, source: str) -> list[_Member]:
    for info in archive.infolist():
        if stat.S_ISLNK(info.external_attr >> 16):
            raise _unsafe(f"{source}: {info.filename!r} in it is a link")
    infos = [info for info in archive.infolist() if not info.is_dir()]
    return [_Member(info.filename, info.file_size, partial(archive.open, info)) for info in infos]


def _tar_members(archive: tarfile.TarFile, source: str) -> list[_Member]:
    members = []
    for info in archive:
        if not (info.isfile() or info.isdir()):
            what = "a link" if info.issym() or info.islnk() else "no ordinary file"
            raise _unsafe(f"{source}: {info.name!r} in it is {what}")
        _safe_parts(info.name, source)
        if info.isfile():
            members.append(_Member(info.name, info.size, partial(_tar_file, archive, info)))
        if len(members) > _MAX_FILES:
            break
    return members


def _tar_file(archive: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    file = archive.extractfile(info)
    assert file is not None  # checked by the caller
    return file


def _safe_parts(name: str, source: str) -> list[str]:
    """The parts of a path inside the folder."""
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".")]
    if name.startswith(("/", "\\")) or ".." in parts or (parts and parts[0][1:2] == ":") or "\0" in name:
        raise _unsafe(f"{source}: the path {name!r} in the archive leads out of its folder")
    return parts


def _unsafe(text: str) -> SourceError:
    return SourceError("unsafe-archive", f"{text}; nothing was unpacked")


def _write(members: list[_Member], path: Path, folder: Path, source: str) -> None:
    """Write the members; their sizes are counted as they are unpacked, as an archive can state others."""
    max_bytes = min(MAX_UNPACKED_BYTES, max(_PIECE, MAX_INFLATION * path.stat().st_size))
    targets = [folder.joinpath(*_safe_parts(member.name, source)) for member in members]
    if len(members) > _MAX_FILES:
        raise SourceError("too-large", f"{source}: more than {_MAX_FILES} files")
    bytes_left = max_bytes if sum(member.size for member in members) <= max_bytes else -1
    for member, target in zip(members, targets, strict=True):
        if bytes_left < 0:
            break
        target.parent.mkdir(parents=True, exist_ok=True)
        with member.open() as packed, target.open("wb") as file:
            while bytes_left >= 0 and (piece := packed.read(_PIECE)):
                bytes_left -= len(piece)
                file.write(piece)
        os.chmod(target, 0o644)
    if bytes_left < 0:
        raise SourceError(
            "too-large",
            f"{source}: {path.stat().st_size / 2**20:.1f} MiB unpack to more than {max_bytes / 2**20:.0f} MiB; "
            "unpack it yourself if you trust it, and give the folder",
        )
