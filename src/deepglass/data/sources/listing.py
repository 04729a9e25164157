"""Listing of folders, in natural order and without hidden files and those of the system."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from deepglass.files import read_error

_SYSTEM = frozenset(
    [
        *(
            "thumbs.db",
            "ehthumbs.db",
            "desktop.ini",
            "$recycle.bin",
            "recycler",
            "system volume information",
        ),  # Windows
        *("__macosx", "icon\r", "lost+found", "__pycache__"),
        *("@eadir", "#recycle", "#snapshot", "@recycle", "@recently-snapshot"),  # network storage
    ]
)
"""Names in small letters of files and folders that systems make."""


def is_hidden(name: str) -> bool:
    """Whether a file or folder is hidden, or made by the system: no data of the user."""
    return name.startswith(".") or name.lower() in _SYSTEM


def list_folder(folder: Path, hidden: list[str] | None = None) -> list[Path]:
    """The content of a folder in natural order (2 before 10), without hidden and system files.

    Args:
        hidden: gets the names that are not listed.
    """
    names = [entry.name for entry in scan_folder(folder, hidden)]
    return [folder / name for name in sorted(names, key=natural_key)]


def scan_folder(folder: Path, hidden: list[str] | None = None) -> list[os.DirEntry[str]]:
    """The content of a folder without hidden and system files as directory entries, in any order.

    Args:
        hidden: gets the names that are not listed.
    """
    try:
        with os.scandir(folder) as listing:
            entries = list(listing)
    except OSError as error:
        raise read_error(str(folder), error) from error
    if hidden is not None:
        hidden += [entry.name for entry in entries if is_hidden(entry.name)]
    return [entry for entry in entries if not is_hidden(entry.name)]


def walk(
    folder: Path, parent: str = "", hidden: list[str] | None = None, above: tuple[tuple[int, int], ...] = ()
) -> Iterator[str]:
    """Relative paths of all files below a folder, and of empty folders, with a trailing slash.

    Links are followed, except to a folder that holds them.

    Args:
        hidden: gets the relative paths that are left out as hidden or of the system.
        above: device and inode of the folders above this one.
    """
    status = folder.stat()
    if (status.st_dev, status.st_ino) in above:
        return
    above = (*above, (status.st_dev, status.st_ino))
    names: list[str] = []
    entries = scan_folder(folder, names)
    if hidden is not None:
        hidden += [parent + name for name in sorted(names)]
    for entry in entries:
        if entry.is_file():
            yield parent + entry.name
        elif entry.is_dir():
            inside = walk(folder / entry.name, f"{parent}{entry.name}/", hidden, above)
            first = next(inside, None)
            yield f"{parent}{entry.name}/" if first is None else first
            yield from inside


def natural_key(name: str) -> list[tuple[int, str]]:
    """Sort key that puts 2 before 10."""
    return [(int(piece), "") if i % 2 else (-1, piece) for i, piece in enumerate(re.split(r"([0-9]+)", name))]
