"""Allocation of arrays for encoded values: in memory, or memory-mapped where they would fill it."""

import math
import tempfile

import numpy as np

from deepglass.limits import free_memory

MAX_MEMORY_SHARE = 0.5  # of the free memory; larger arrays are memory-mapped


def allocate(shape: tuple[int, ...], dtype: np.dtype | type, memory: int | None = None) -> np.ndarray:
    """An array of zeros. The file of a memory-mapped one is unlinked at once, so it is freed with the array.

    Args:
        memory: free memory in bytes; None asks the system.
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if not exceeds_memory(size, memory):
        return np.zeros(shape, dtype)
    with tempfile.TemporaryFile(prefix="deepglass-") as file:
        return np.memmap(file, dtype, "w+", shape=shape)


def exceeds_memory(size: int, memory: int | None = None) -> bool:
    """Whether an array of this size in bytes is memory-mapped."""
    return size > MAX_MEMORY_SHARE * (free_memory() if memory is None else memory)
