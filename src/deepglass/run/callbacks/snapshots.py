"""Snapshots of a run: a limited number of files of arrays, spread over the steps."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from deepglass.errors import SourceError
from deepglass.files import read_file, write_file
from deepglass.run.folder import Folder

T = TypeVar("T")

ENDING = ".safetensors"


class Snapshots:
    """Writes STEP.safetensors into a folder; beyond `max_files` every second file is deleted.

    Args:
        from_step: files of later steps are deleted, since a resumed run writes them again; 0 deletes all.
    """

    def __init__(self, folder: Path, max_files: int, from_step: int = 0) -> None:
        self.folder, self.max_files = folder, max_files
        self.steps: list[int] = []  # of the files, also of those that a killed run has deleted too early
        for path in snapshot_paths(folder):
            if int(path.stem) > from_step or not from_step:
                path.unlink()

    def write(self, step: int, content: Mapping[str, np.ndarray]) -> bool:
        """Write a snapshot; True if every second file was deleted."""
        self.folder.mkdir(exist_ok=True)
        write_file(self._path(step), save(dict(content)))
        return self.add(step)

    def add(self, step: int) -> bool:
        """Count a snapshot that is there; True if every second file was deleted."""
        self.steps.append(step)
        if len(self.steps) <= self.max_files:
            return False
        for deleted in self.steps[1:-1:2]:
            self._path(deleted).unlink(missing_ok=True)
        del self.steps[1:-1:2]
        return True

    def _path(self, step: int) -> Path:
        return self.folder / f"{step:08d}{ENDING}"


def read_snapshots(run: Folder, folder: str, snapshot: Callable[[int, dict[str, np.ndarray]], T]) -> list[T]:
    """The snapshots of a run in order.

    Args:
        folder: the name of theirs in the run folder.
        snapshot: makes one of its step and its arrays.

    Raises:
        SourceError: `damaged-run`, or `unreadable-file` where arrays are missing or have wrong shapes.
    """
    snapshots = []
    for step, path in snapshots_of(run, folder, ENDING):
        where = f"{run.path.name}/{folder}/{path.name}"
        content = read_file(path, where)
        try:
            snapshots.append(snapshot(step, load(content)))
        except (SafetensorError, KeyError, ValueError, IndexError, TypeError) as error:
            raise SourceError("unreadable-file", f"{where}: damaged ({error})") from error
    return snapshots


def snapshots_of(run: Folder, folder: str, ending: str) -> list[tuple[int, Path]]:
    """Step and path of the snapshots of a run, in order. Raises as `StoredFiles.recorded`."""
    paths = run.files.recorded(f"{folder}/[0-9]*{ending}")
    return [(int(path.stem), path) for path in paths if path.stem.isdecimal()]


def snapshot_paths(folder: Path) -> list[Path]:
    """The snapshots of a folder, which are named after their steps, in order."""
    return sorted(path for path in folder.glob(f"*{ENDING}") if path.stem.isdecimal())
