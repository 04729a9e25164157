"""Room for encoded values: memory, or, where they would fill it, a file that is mapped into memory."""

from __future__ import annotations

import math
import os
import tempfile

import numpy as np

SHARE = 0.5  # of the free memory that values may take before they go to a file


def room(shape: tuple[int, ...], dtype: np.dtype | type, memory: int | None = None) -> np.ndarray:
    """Zeros of a shape. The file of a mapped array has no name any more: it goes when the array goes.

    Args:
        memory: bytes that are free; None asks the system.
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if not too_large(size, memory):
        return np.zeros(shape, dtype)
    with tempfile.TemporaryFile(prefix="deepglass-") as file:
        return np.memmap(file, dtype, "w+", shape=shape)


def too_large(size: int, memory: int | None = None) -> bool:
    """Whether so many bytes go to a file."""
    return size > SHARE * (free_memory() if memory is None else memory)


def free_memory() -> int:
    """Bytes that can be had without swapping; a terabyte where the system does not tell."""
    try:
        with open("/proc/meminfo") as file:
            found = next(line for line in file if line.startswith("MemAvailable"))
        return int(found.split()[1]) * 1024
    except (OSError, StopIteration, ValueError):
        pass
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return 2**40
