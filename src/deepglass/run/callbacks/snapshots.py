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
        for path in folder.glob(f"*{ENDING}"):
            if int(path.stem) > from_step or not from_step:
                path.unlink()

    def write(self, step: int, content: Mapping[str, np.ndarray]) -> bool:
        """Write a snapshot; True if every second file was deleted."""
        self.folder.mkdir(exist_ok=True)
        write_file(self.folder / f"{step:08d}{ENDING}", save(dict(content)))
        paths = sorted(self.folder.glob(f"*{ENDING}"))
        if len(paths) <= self.max_files:
            return False
        for path in paths[1:-1:2]:
            path.unlink()
        return True


def read_snapshots(folder: Path) -> Iterator[tuple[int, dict[str, np.ndarray]]]:
    """Step and arrays of each snapshot, in order."""
    for path in sorted(folder.glob(f"*{ENDING}")):
        yield int(path.stem), load(path.read_bytes())
