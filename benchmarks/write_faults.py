"""Faults at the n-th write of a process: SIGKILL before or in the middle of it, or a full disk from it on.

Python reports to an audit hook each file that is opened for writing, renamed, removed, truncated, and each folder that
is made; `os.write` and `os.fsync` are wrapped. So every writer is covered, also one that does not exist yet.
"""

from __future__ import annotations

import errno
import os
import re
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

Fault = Literal["kill", "torn", "full", "too-large"]
EVENTS = {"os.rename": 1, "os.remove": 0, "os.mkdir": 0, "os.rmdir": 0, "os.truncate": 0}  # -> index of the path
TAKING_SPACE = ("open", "os.mkdir", "write", "fsync")
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_RANDOM = re.compile(r"^\.(.*)\.partial-[0-9a-f]+$")


def without_step(write: str) -> str:
    """A write whose file is named after a step, without the step: "open embeddings/STEP.safetensors"."""
    return re.sub(r"\d{8}", "STEP", write)


class WriteFaults:
    """Counts the writes of this process below a folder, and does something at one of them.

    Args:
        folder: files outside it are not counted.
        log: file that gets a line for each write: its kind and the file's name. None: no log.
        position: number of the write at which the fault occurs, from 0; None: never.
        counted: kind and file of the writes that are counted, as `without_step` gives them; "": all are.
        fault: "kill": SIGKILL before the write. "torn": SIGKILL when half of the content is in the file. "full": no
            space from this write on, after half of the content. "too-large": this write alone fails.
    """

    def __init__(
        self,
        folder: Path,
        log: Path | None = None,
        position: int | None = None,
        fault: Fault = "kill",
        counted: str = "",
    ) -> None:
        self.folder = os.path.abspath(folder)
        self.log = None if log is None else os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        self.position, self.fault, self.counted, self.count = position, fault, counted, 0
        self.write, self.fsync = os.write, os.fsync

    def install(self) -> None:
        """Watch this process until it ends."""
        os.write, os.fsync = self._write, self._fsync  # type: ignore[assignment]
        sys.addaudithook(self._audit)

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, _, flags = arguments
            if isinstance(flags, int) and flags & _WRITING:
                self._event(event, path)
        elif event == "os.mkdir" and os.path.isdir(arguments[0]):
            return
        elif event in EVENTS:
            self._event(event, arguments[EVENTS[event]])

    def _write(self, descriptor: int, content: bytes) -> int:
        half = content[: len(content) // 2]
        self._event("write", descriptor, lambda: self.write(descriptor, half))
        return self.write(descriptor, content)

    def _fsync(self, descriptor: int) -> None:
        self._event("fsync", descriptor, lambda: os.ftruncate(descriptor, os.fstat(descriptor).st_size // 2))
        self.fsync(descriptor)

    def _event(self, kind: str, file: Any, tear: Callable[[], object] = lambda: None) -> None:
        path = self._path(file)
        if path is None or self.counted not in ("", without_step(f"{kind} {path}")):
            return
        number, self.count = self.count, self.count + 1
        if self.log is not None:
            self.write(self.log, f"{kind} {path}\n".encode())
        if self.position is None or number < self.position:
            return
        if self.fault in ("kill", "torn"):
            if self.fault == "torn":
                self.position = None  # what `tear` does is no further write
                tear()
            os.kill(os.getpid(), signal.SIGKILL)
        if kind in TAKING_SPACE:
            position, self.position = self.position, None
            tear()
            self.position = position if self.fault == "full" else None
            code = errno.ENOSPC if self.fault == "full" else errno.EFBIG
            raise OSError(code, os.strerror(code), path)

    def _path(self, file: Any) -> str | None:
        """Path of a file relative to the folder, without the random part of a name; None outside it."""
        try:
            name = os.readlink(f"/proc/self/fd/{file}") if isinstance(file, int) else os.path.abspath(os.fsdecode(file))
        except (OSError, TypeError):
            return None
        if name != self.folder and not name.startswith(self.folder + os.sep):
            return None
        folder, base = os.path.split(os.path.relpath(name, self.folder))
        return os.path.join(folder, _RANDOM.sub(r"\1", base))
