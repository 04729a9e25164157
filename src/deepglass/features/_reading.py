"""Media files by their endings, samples of rows, reading of files that may be unreadable, memory for their values."""

import math
import os
import tempfile
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import numpy as np

from deepglass.errors import SourceError
from deepglass.limits import free_memory

T = TypeVar("T")
X = TypeVar("X")

IMAGES = (
    *(".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".gif", ".bmp", ".webp", ".avif", ".jp2", ".tif", ".tiff"),
    *(".ppm", ".pgm", ".pbm", ".pnm"),
)
AUDIO = (".wav", ".flac", ".ogg", ".oga", ".mp3", ".aif", ".aiff", ".au", ".opus")
VIDEOS = (".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".ogv", ".wmv")
KINDS = {"image": IMAGES, "audio": AUDIO, "video": VIDEOS}

MAX_MEMORY_SHARE = 0.5  # of the free memory; larger arrays are memory-mapped


def media_kind(name: str) -> str | None:
    """ "image", "audio" or "video" by the ending of a file's name, else None."""
    suffix = os.path.splitext(name)[1].lower()
    return next((kind for kind, endings in KINDS.items() if suffix in endings), None)


def sample_rows(rows: int, limit: int) -> list[int]:
    """Evenly spaced row indices, at most `limit`."""
    return np.unique(np.linspace(0, max(rows - 1, 0), min(limit, rows)).astype(int)).tolist()


def try_read(read: Callable[[X], T], item: X) -> T | None:
    """`read(item)`, or None where its file is unreadable; `Feature.unreadable` reports such rows."""
    try:
        return read(item)
    except SourceError:
        return None


def read_errors(
    read: Callable[[Any], object], items: Iterable[Any], apply: Callable[..., Iterable[str | None]] = map
) -> dict[int, str]:
    """Row -> error of each item that cannot be read.

    Args:
        apply: maps a function over the items, such as `map_images` on several threads.
    """

    def error_of(item: Any) -> str | None:
        try:
            read(item)
        except SourceError as error:
            return str(error)
        return None

    return {row: error for row, error in enumerate(apply(error_of, items)) if error is not None}


# -- memory of encoded values --------------------------------------------------------------------------------------


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
