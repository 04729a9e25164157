"""Opening, joining, naming and writing files: one place each for what data, run folders and uploads may reach.

`outside` finds the names from data that lead out of their folder. Files are opened by `open_file`, which takes regular
files only. Files named after data get their names from `file_name`. Files are written by `write_file` and
`atomic_path`: completely or not at all.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import BinaryIO

from deepglass.errors import SourceError, SpecError, StorageError, UserError
from deepglass.limits import check_limit

MAX_NAME_BYTES = 200  # of a file's name; file systems allow 255, and endings are added
STORAGE_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)  # a file cannot be written
_PARTIAL = ".partial-"  # in the names of files that are being written
_DEVICE_NAMES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)  # reserved on Windows


# -- reading ---------------------------------------------------------------------------------------------------------


def open_file(path: Path, where: str = "") -> BinaryIO:
    """Open a regular file for reading.

    Args:
        where: what the user calls the file, for messages; by default its path.

    Raises:
        SourceError: `not-found`, or `unreadable-file` for devices, pipes, sockets, folders and what may not be read.
    """
    where = where or str(path)
    try:
        # without O_NONBLOCK, opening a named pipe waits for a writer; a device is refused before it is opened
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise SourceError("unreadable-file", f"{where}: not a regular file ({_type_of(path)})")
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except (OSError, ValueError) as error:
        raise read_error(where, error) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):  # exchanged between the two calls
        os.close(descriptor)
        raise SourceError("unreadable-file", f"{where}: not a regular file")
    return os.fdopen(descriptor, "rb")


def check_regular(path: Path, where: str = "") -> None:
    """Raise as `open_file` for what is no regular file, or may not be read."""
    open_file(path, where).close()


def read_file(path: Path, where: str = "", limit: str = "media_bytes") -> bytes:
    """The content of a regular file.

    Args:
        limit: name of the limit on its size.

    Raises:
        SourceError: as `open_file`, and `too-large`.
    """
    with open_file(path, where) as file:
        check_limit(limit, os.fstat(file.fileno()).st_size, where or str(path))
        try:
            return file.read()
        except OSError as error:
            raise read_error(where or str(path), error) from error


def file_sha256(path: Path) -> str:
    """sha256 of a file's content, in hexadecimal digits."""
    digest = hashlib.sha256()
    with open_file(path) as file:
        while chunk := file.read(2**20):
            digest.update(chunk)
    return digest.hexdigest()


def read_error(where: str, error: OSError | ValueError) -> SourceError:
    """The error to raise when a file could not be read."""
    number = error.errno if isinstance(error, OSError) else None
    if number == errno.ENOENT:
        return SourceError("not-found", f"{where}: there is no such file")
    if number in (errno.ENOTDIR, errno.ENAMETOOLONG) or number is None:
        return SourceError("not-found", f"{where}: no such file ({_reason(error)})")
    if number == errno.ELOOP:
        return SourceError("unreadable-file", f"{where}: its links lead in a circle")
    if number in (errno.EACCES, errno.EPERM):
        return SourceError("unreadable-file", f"{where}: may not be read; check its permissions")
    return SourceError("unreadable-file", f"{where}: cannot be read ({_reason(error)})")


def os_error(error: OSError) -> SourceError | StorageError | UserError | None:
    """The error to raise for one of the operating system that was not caught where its file was read or written.

    None where it is about no file.
    """
    if "temporary directory" in str(error):  # raised by `tempfile`, without a file
        return StorageError("read-only", f"{error.strerror}; name a folder with space in the variable TMPDIR")
    path = Path(os.fsdecode(error.filename)) if isinstance(error.filename, (str, bytes)) else None
    if error.errno in STORAGE_ERRORS or (path and isinstance(error, PermissionError) and not path.is_file()):
        return storage_error(path or Path("a file"), error)
    return read_error(str(path), error) if path else None


def _reason(error: OSError | ValueError) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _type_of(path: Path) -> str:
    mode = os.stat(path).st_mode
    types = (("a folder", stat.S_ISDIR), ("a named pipe", stat.S_ISFIFO), ("a socket", stat.S_ISSOCK))
    return next((name for name, test in types if test(mode)), "a device")


# -- paths and names from data ---------------------------------------------------------------------------------------


def outside(paths: Sequence[Path], roots: Sequence[Path]) -> list[int]:
    """Indices of the paths that, with their links resolved, lie below none of the folders."""
    real_roots = [os.path.realpath(root).rstrip(os.sep) + os.sep for root in roots]
    folders: dict[str, str] = {}  # many files are in few folders, and each resolution takes a call per part
    leaving = []
    for i, path in enumerate(paths):
        parent, name = os.path.split(path)
        try:
            if parent not in folders:
                folders[parent] = os.path.realpath(parent)
            real = os.path.join(folders[parent], name)
            real = os.path.realpath(real) if name in ("", ".", "..") or os.path.islink(real) else real
        except (OSError, ValueError):  # a name that no file can have
            real = ""
        if not any(f"{real}{os.sep}".startswith(root) for root in real_roots):
            leaving.append(i)
    return leaving


def file_name(text: str, ending: str = "") -> str:
    """A file name made from a text of the data, such as the name of a column: one part of a path, never hidden."""
    name = re.sub(r'[\x00-\x1f\x7f<>:"/\\|?*\u202a-\u202e\u2066-\u2069]', "_", text).strip(" .") or "_"
    if _DEVICE_NAMES.fullmatch(name):
        name = f"_{name}"
    return name.encode("utf-8", "replace")[:MAX_NAME_BYTES].decode("utf-8", "ignore") + ending


def file_names(texts: Iterable[str]) -> dict[str, str]:
    """Text -> `file_name`; a number keeps names apart that would be the same, also where letter case is ignored."""
    names: dict[str, str] = {}
    used: set[str] = set()
    for text in dict.fromkeys(texts):
        candidates = (file_name(text, f"-{i}" if i > 1 else "") for i in count(1))
        names[text] = next(name for name in candidates if name.casefold() not in used)
        used.add(names[text].casefold())
    return names


# -- writing ---------------------------------------------------------------------------------------------------------


def check_not_exists(out: Path | None, force: bool) -> None:
    """Raise `already-exists` for an output file that would be overwritten without --force."""
    if out is not None and out.exists() and not force:
        raise SpecError(
            "already-exists", f"--out: {out} exists; choose another name or add --force (in Python force=True)"
        )


def write_file(path: Path, content: bytes | str) -> None:
    """Write a file atomically: completely, or not at all.

    Raises:
        StorageError: `disk-full` or `read-only`, naming the file.
    """
    with atomic_path(path) as partial, partial.open("r+b") as file:
        file.write(content.encode() if isinstance(content, str) else content)
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A new empty file in the same folder, to be written inside the block, that then takes the place of `path`.

    Its name is random and it follows no link. It has the permissions that the user's umask gives.

    Raises:
        StorageError: `disk-full` or `read-only`, naming the file.
    """
    partial = path.with_name(f".{path.name[:100]}{_PARTIAL}{os.urandom(8).hex()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_NOFOLLOW", 0), 0o666))
        try:
            yield partial
            os.replace(partial, path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise storage_error(path, error) from error


def append_line(path: Path, text: str) -> None:
    """Append a line to a text file: completely, or not at all.

    Raises:
        StorageError: `disk-full` or `read-only`, naming the file.
    """
    try:
        flags = os.O_CREAT | os.O_APPEND | os.O_WRONLY | getattr(os, "O_NOFOLLOW", 0)
        descriptor = os.open(path, flags, 0o666)
        try:
            size, content = os.fstat(descriptor).st_size, (text + "\n").encode("utf-8", "replace")
            written = 0
            try:
                while written < len(content):
                    written += os.write(descriptor, content[written:])
            except BaseException:
                os.ftruncate(descriptor, size)
                raise
        finally:
            os.close(descriptor)
    except OSError as error:
        raise storage_error(path, error) from error


def is_partial(path: Path) -> bool:
    """Whether a file is one that a writer has not finished."""
    return path.name.startswith(".") and _PARTIAL in path.name


def remove_partial_files(folder: Path) -> None:
    """Remove what writers that were killed have left in a folder and those below it."""
    for path in folder.rglob(f".*{_PARTIAL}*"):
        path.unlink(missing_ok=True)


def storage_error(path: Path, error: OSError) -> StorageError | UserError:
    """The error to raise when a file could not be written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StorageError("disk-full", f"{path}: no space left on the device; free some")
    if error.errno == errno.EFBIG:
        return StorageError("disk-full", f"{path}: larger than the file system or this shell's `ulimit -f` allows")
    if error.errno in (errno.ENOENT, errno.ESTALE):
        return StorageError("read-only", f"{path}: cannot be written; its folder was removed in the meantime")
    if error.errno in (errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.ELOOP):
        return UserError("bad-value", f"{path}: no file can have this path ({error.strerror}); choose another --out")
    return StorageError("read-only", f"{path}: cannot be written ({error.strerror}); choose another folder with --out")
