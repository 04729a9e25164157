"""Media files by their endings, samples of rows, and reading of files that may be unreadable."""

import os
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import numpy as np

from deepglass.errors import SourceError

T = TypeVar("T")
X = TypeVar("X")

IMAGES = (
    *(".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".gif", ".bmp", ".webp", ".avif", ".jp2", ".tif", ".tiff"),
    *(".ppm", ".pgm", ".pbm", ".pnm"),
)
AUDIO = (".wav", ".flac", ".ogg", ".oga", ".mp3", ".aif", ".aiff", ".au", ".opus")
VIDEOS = (".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".ogv", ".wmv")
KINDS = {"image": IMAGES, "audio": AUDIO, "video": VIDEOS}


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
