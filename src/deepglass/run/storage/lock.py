"""The lock of a run folder: one process writes into it at a time."""

import fcntl
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from deepglass.errors import UserError
from deepglass.files import storage_error

LOCK = "lock"
_TRIES, _PAUSE = 4, 0.02  # seconds; a reader that asks for the holder has the lock for a moment


@contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder; the system releases it when the process ends, however it ends.

    Raises:
        UserError: `run-in-use`, naming process and host that hold it.
        StorageError: the folder is read-only.
    """
    path = folder / LOCK
    descriptor = _acquire(path)
    try:
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()} {socket.gethostname()}\n".encode())
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(descriptor)


def lock_holder(folder: Path) -> str | None:
    """`process 123 on HOST` that writes into a folder; None where no process does."""
    try:
        descriptor = os.open(folder / LOCK, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _holder(descriptor)
    except OSError:  # a file system without locks
        return None
    finally:
        os.close(descriptor)
    return None


def _acquire(path: Path) -> int:
    """The descriptor of the lock file, locked."""
    for last in [False] * (_TRIES - 1) + [True]:
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
        except OSError as error:
            raise storage_error(path, error) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _holder(descriptor)
            os.close(descriptor)
            if last:
                raise UserError(
                    "run-in-use", f"{path.parent}: {holder} writes into it; wait until it ends, or end that process"
                ) from None
            time.sleep(_PAUSE)
            continue
        except OSError:  # a file system without locks
            return descriptor
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), os.stat(path)):
                return descriptor
        os.close(descriptor)  # its holder ended and deleted it in the meantime
    return _acquire(path)


def _holder(descriptor: int) -> str:
    pid, _, host = os.pread(descriptor, 300, 0).decode("utf-8", "replace").strip().partition(" ")
    return f"process {pid} on {host}" if pid and host else "another process"
