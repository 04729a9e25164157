"""Temporary folders: removed when the program ends, however; those of a killed one when the next one makes its own.

A process holds a lock (`flock`) on each of its folders, which the system releases when the process ends.
"""

import atexit
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from deepglass.errors import StorageError

PREFIX = "deepglass-folder-"
MIN_AGE = 60.0  # seconds of a folder that is removed; a younger one may not be locked yet by the process that made it

_folders: dict[Path, tuple[int, int]] = {}  # folder -> process that made it, descriptor that holds its lock


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A folder that is removed at the end of the block. Raises as `make_folder`."""
    folder = make_folder("a temporary folder")
    try:
        yield folder
    finally:
        remove_folder(folder)


def make_folder(where: str) -> Path:
    """A folder that is removed by `remove_folder`, or when the process ends.

    Args:
        where: what it is for, for the message.

    Raises:
        StorageError: `read-only`, if there is no usable folder for temporary files.
    """
    try:
        parent = Path(tempfile.gettempdir())
        _remove_abandoned(parent)
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError as error:
        text = f"{where}: there is no temporary folder to unpack it to ({error.strerror}); set TMPDIR to one"
        raise StorageError("read-only", text) from error
    with suppress(OSError):  # a file system without locks: nothing is removed there
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    _folders[folder] = (os.getpid(), descriptor)
    return folder


def remove_folder(folder: Path) -> None:
    """Remove a folder of this process, before its end."""
    shutil.rmtree(folder, ignore_errors=True)
    if folder in _folders:
        os.close(_folders.pop(folder)[1])


@atexit.register
def remove_folders() -> None:
    """Remove all temporary folders of this process."""
    for folder, (process, _) in list(_folders.items()):
        if process == os.getpid():  # a forked process knows the folders too
            remove_folder(folder)


def _remove_abandoned(parent: Path) -> None:
    """Remove the folders of this user whose process was killed."""
    for folder in parent.glob(f"{PREFIX}*"):
        with suppress(OSError):  # another process removes it, or it cannot be locked
            status = os.lstat(folder)
            if status.st_uid != os.getuid() or time.time() - status.st_mtime < MIN_AGE:
                continue
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(descriptor)
