"""Snapshots of a run: a limited number of files of arrays, spread over the steps."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from safetensors.numpy import load, save

from deepglass.files import write_file

ENDING = ".safetensors"


class Snapshots:
    """Writes STEP.safetensors into a folder; beyond `max_files` every second file is deleted.

    Args:
        from_step: files of later steps are deleted, since a resumed run writes them again; 0 deletes all.
    """

    def __init__(self, folder: Path, max_files: int, from_step: int = 0) -> None:
        self.folder, self.max_files = folder, max_files
        self.steps: list[int] = []  # of the files, also of those that a killed run has deleted too early
        for path in folder.glob(f"*{ENDING}"):
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


def read_snapshots(folder: Path) -> Iterator[tuple[int, dict[str, np.ndarray]]]:
    """Step and arrays of each snapshot, in order."""
    for path in sorted(folder.glob(f"*{ENDING}")):
        yield int(path.stem), load(path.read_bytes())
