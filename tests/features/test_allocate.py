"""Allocation of encoded values: in memory, or memory-mapped."""

import numpy as np

from deepglass.features._reading import allocate
from deepglass.limits import free_memory


def test_large_arrays_are_memory_mapped():
    small, large = allocate((10, 4), np.uint8), allocate((10, 4), np.uint8, memory=50)
    assert not isinstance(small, np.memmap)
    assert isinstance(large, np.memmap)
    large[3] = 7
    assert large.sum() == 28
    assert large[3].flags.writeable


def test_free_memory_is_plausible():
    assert 2**20 < free_memory() <= 2**40
