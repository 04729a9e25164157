"""zip and tar archives, unpacked safely into a temporary folder that is removed when the program ends."""

import bz2
import gzip
import io
import lzma
import os
import stat
import tarfile
import tempfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, NamedTuple
from zipfile import BadZipFile, ZipFile, is_zipfile

from deepglass.data.sources.listing import list_folder
from deepglass.errors import SourceError
from deepglass.files import STORAGE_ERRORS, open_file, storage_error
from deepglass.limits import check_limit, check_unpacked
from deepglass.temporary import make_folder, remove_folder

ENDINGS = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
_PIECE = 2**20  # bytes
_BLOCK = 512  # bytes of a tar file
_DAMAGED = (
    *(BadZipFile, tarfile.TarError, gzip.BadGzipFile, zlib.error, lzma.LZMAError),
    *(EOFError, RuntimeError, NotImplementedError, ValueError),
)
_COMPRESSIONS: dict[bytes, Callable[[IO[bytes]], io.BufferedIOBase]] = {
    b"\x1f\x8b": lambda file: gzip.GzipFile(fileobj=file),
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ": lzma.LZMAFile,
}
"""First bytes of a compressed file -> how it is opened."""

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
        SourceError: `unsafe-archive` for links, paths that lead out and doubled names, `too-large`, `unreadable-file`,
            `empty-source`.
        StorageError: `disk-full` or `read-only`.
    """
    status = path.stat()
    key = (str(path.resolve()), status.st_mtime_ns, status.st_size)
    if key not in _unpacked or not _unpacked[key].exists():
        folder = make_folder(source)
        try:
            _extract(path, folder, source)
        except BaseException:
            remove_folder(folder)
            raise
        _unpacked[key] = folder
    return _inner(_unpacked[key], source)


def _inner(folder: Path, source: str) -> Path:
    entries = [p for p in list_folder(folder) if p.name != "__MACOSX"]
    if not entries:
        raise SourceError("empty-source", f"{source}: the archive holds no files")
    return entries[0] if len(entries) == 1 and entries[0].is_file() else folder


def _extract(path: Path, folder: Path, source: str) -> None:
    size = path.stat().st_size
    try:
        with open_file(path, source) as file:
            is_zip = file.read(2) == b"PK" or (path.name.lower().endswith(".zip") and is_zipfile(file))
            file.seek(0)
            if is_zip:
                with ZipFile(file) as archive:
                    _write(_zip_members(archive, source), size, folder, source)
            else:
                with _uncompressed(file, size, folder, source) as content, tarfile.open(fileobj=content) as tar:
                    _write(_tar_members(tar, content, source), size, folder, source)
    except _DAMAGED as error:
        raise SourceError("unreadable-file", f"{source}: the archive is damaged or locked ({error})") from error
    except OSError as error:
        if error.errno in STORAGE_ERRORS:
            raise storage_error(folder, error) from error
        text = f"{source}: the archive is damaged, or a name in it can be no file here ({error.strerror or error})"
        raise SourceError("unreadable-file", text) from error


@contextmanager
def _uncompressed(file: IO[bytes], size: int, folder: Path, source: str) -> Iterator[IO[bytes]]:
    """A tar file without its compression, which is read to its end, where its checksum is."""
    head = file.read(6)
    file.seek(0)
    compression = next((opener for start, opener in _COMPRESSIONS.items() if head.startswith(start)), None)
    if compression is None:
        yield file
        return
    with tempfile.TemporaryFile(dir=folder) as content:  # without a name, so it is gone when it is closed
        with compression(file) as packed:
            _copy(packed, content, 0, size, source)
        content.seek(0)
        yield content


def _copy(packed: IO[bytes] | io.BufferedIOBase, file: IO[bytes], before: int, size: int, source: str) -> int:
    """Unpack a file; returns the bytes unpacked so far, of which `before` were unpacked earlier."""
    while piece := packed.read(_PIECE):
        before += len(piece)
        check_unpacked(before, size, source)
        file.write(piece)
    return before


def _zip_members(archive: ZipFile, source: str) -> list[_Member]:
    check_limit("archive_files", len(archive.infolist()), source)
    for info in archive.infolist():
        if stat.S_ISLNK(info.external_attr >> 16):
            raise _unsafe(f"{source}: {info.filename!r} in it is a link")
    infos = [info for info in archive.infolist() if not info.is_dir()]
    paths = Counter("/".join(_safe_parts(info.filename, source)) for info in infos)
    if doubled := next((path for path, count in paths.items() if count > 1), None):
        raise _unsafe(f"{source}: {doubled!r} is in it twice")
    return [_Member(info.filename, info.file_size, partial(archive.open, info)) for info in infos]


def _tar_members(archive: tarfile.TarFile, content: IO[bytes], source: str) -> list[_Member]:
    members = []
    for info in archive:
        if not (info.isfile() or info.isdir()):
            what = "a link" if info.issym() or info.islnk() else "no ordinary file"
            raise _unsafe(f"{source}: {info.name!r} in it is {what}")
        _safe_parts(info.name, source)
        if info.isfile():
            members.append(_Member(info.name, info.size, partial(_tar_file, archive, info)))
            check_limit("archive_files", len(members), source)
    content.seek(archive.offset)  # where tarfile found no further file, be it for a damaged header
    if content.read(_BLOCK) != bytes(_BLOCK):
        raise tarfile.ReadError(f"cut off or damaged after {len(members):,} files")
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


def _write(members: list[_Member], size: int, folder: Path, source: str) -> None:
    """Write the members; their sizes are counted as they are unpacked, as an archive can state others."""
    targets = [folder.joinpath(*_safe_parts(member.name, source)) for member in members]
    check_unpacked(sum(member.size for member in members), size, source)
    for parent in dict.fromkeys(target.parent for target in targets):
        parent.mkdir(parents=True, exist_ok=True)
    unpacked = 0
    for member, target in zip(members, targets, strict=True):
        with member.open() as packed, open(target, "wb", opener=_create) as file:
            unpacked = _copy(packed, file, unpacked, size, source)


def _create(path: str, flags: int) -> int:
    return os.open(path, flags, 0o644)
