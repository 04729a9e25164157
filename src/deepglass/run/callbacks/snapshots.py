"""A run's moments: a file of arrays a step in a folder of its own, few of them, spread over the run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from safetensors.numpy import load, save

from deepglass.training.checkpoint import write_atomic

ENDING = ".safetensors"


class Snapshots:
    """STEP.safetensors in a folder; beyond `most` of them every second one goes.

    Args:
        most: files that are kept.
        from_step: files of steps after it are removed, since a resumed run writes them again; all of them for 0.
    """

    def __init__(self, folder: Path, most: int, from_step: int = 0) -> None:
        self.folder, self.most = folder, most
        for path in folder.glob(f"*{ENDING}"):
            if int(path.stem) > from_step or not from_step:
                path.unlink()

    def keep(self, step: int, content: Mapping[str, np.ndarray]) -> bool:
        """Write a moment; True where every second one went for it."""
        self.folder.mkdir(exist_ok=True)
        write_atomic(self.folder / f"{step:08d}{ENDING}", save(dict(content)))
        paths = sorted(self.folder.glob(f"*{ENDING}"))
        if len(paths) <= self.most:
            return False
        for path in paths[1:-1:2]:
            path.unlink()
        return True


def read_snapshots(folder: Path) -> Iterator[tuple[int, dict[str, np.ndarray]]]:
    """Step and arrays of each moment, in order; none for a run that kept none."""
    for path in sorted(folder.glob(f"*{ENDING}")):
        yield int(path.stem), load(path.read_bytes())
