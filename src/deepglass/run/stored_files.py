"""The files of a run, compared with its manifest before anything of them is parsed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from deepglass.documents import read_json
from deepglass.errors import SourceError
from deepglass.files import file_sha256
from deepglass.run.lock import lock_holder
from deepglass.run.manifest import MANIFEST, damaged, read_manifest


class StoredFiles:
    """Opens the files of a run folder. While a run trains it has no manifest, and they are not compared.

    Args:
        path: the run folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._manifest: tuple[Any, dict[str, str] | None] | None = None  # state of the file, and its digests
        self._checked: dict[str, Any] = {}  # name -> state of the file and digest, when it was compared

    def folds(self) -> list[Path]:
        """The runs of a cross-validation, in order; empty for a single run."""
        return sorted(self.path.glob("fold-*"), key=lambda p: int(p.name.rpartition("-")[2]))

    def read_json(self, name: str) -> dict[str, Any]:
        """The content of a JSON file of the run.

        Raises:
            SourceError: `not-found`, `damaged-run`.
        """
        path = self.checked(name)
        try:
            content = read_json(path)
        except SourceError as error:
            raise damaged(path, str(error).partition("] ")[2]) from error
        if not isinstance(content, dict):
            raise damaged(path, f"expected a JSON object, got {type(content).__name__}")
        return content

    def read_frame(self, name: str, columns: set[str]) -> pl.DataFrame:
        """The content of a parquet file of the run, which has these columns.

        Raises:
            SourceError: `not-found`, `damaged-run`.
        """
        path = self.checked(name)
        try:
            frame = pl.read_parquet(path)
        except (pl.exceptions.PolarsError, OSError) as error:
            raise damaged(path, str(error)) from error
        if missing := columns - set(frame.columns):
            raise damaged(path, f"no column {min(missing)!r}")
        return frame

    def has(self, name: str) -> bool:
        """Whether the run has a file, by its manifest if there is one."""
        digests = self.digests()
        return (self.path / name).exists() if digests is None else name in digests

    def checked(self, name: str) -> Path:
        """The path of a file of the run, whose content is compared with the manifest at its first use.

        Raises:
            SourceError: `not-found`, `damaged-run`.
        """
        path, digests = self.path / name, self.digests()
        if digests is None:
            if not path.exists():
                raise self._absent(name)
            return path
        if name not in digests:
            raise damaged(path, f"{MANIFEST} does not list it")
        if not path.exists():
            raise damaged(path, "it is missing")
        state = _file_state(path)
        if self._checked.get(name) != (state, digests[name]):
            if file_sha256(path) != digests[name]:
                raise damaged(path, f"its sha256 is not that of {MANIFEST}")
            self._checked[name] = (state, digests[name])
        return path

    def digests(self) -> dict[str, str] | None:
        """The manifest, read again when it has changed."""
        path = self.path / MANIFEST
        state = _file_state(path) if path.exists() else None
        if self._manifest is None or self._manifest[0] != state:
            self._manifest = (state, read_manifest(self.path))
        return self._manifest[1]

    def _absent(self, name: str) -> SourceError:
        if folds := self.folds():
            hint = f"this is a run a fold, give one of them, such as {folds[0]}"
        elif (self.path / "plan.json").exists():
            hint = self.unfinished()
        else:
            hint = "the run stopped before its first step: start it again with `deepglass train`"
        return SourceError("not-found", f"{self.path / name}: no such file; {hint}")

    def unfinished(self) -> str:
        """What to tell about a run without a manifest."""
        if holder := lock_holder(self.path):
            return f"{self.path} is still training ({holder})"
        return f"{self.path} did not finish: `deepglass resume {self.path}` goes on"


def _file_state(path: Path) -> tuple[int, int, int]:
    """Inode, size and time of change, by which a changed file is noticed."""
    status = path.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns
