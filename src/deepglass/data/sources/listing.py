"""Listing of folders, in natural order and without hidden files."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from deepglass.files import read_error


def list_folder(folder: Path) -> list[Path]:
    """The content of a folder in natural order (2 before 10), without hidden and system files."""
    return sorted((folder / entry.name for entry in scan_folder(folder)), key=lambda p: natural_key(p.name))


def scan_folder(folder: Path, visible_prefixes: tuple[str, ...] = ()) -> list[os.DirEntry[str]]:
    """The content of a folder without hidden and system files as directory entries, in any order.

    Args:
        visible_prefixes: of names that are listed although they begin like hidden files.
    """
    try:
        with os.scandir(folder) as listing:
            entries = [entry for entry in listing if entry.name not in ("Thumbs.db", "desktop.ini")]
            return [e for e in entries if e.name.startswith(visible_prefixes) or e.name[0] not in "._"]
    except OSError as error:
        raise read_error(str(folder), error) from error


def walk(
    folder: Path, parent: str = "", visible_prefixes: tuple[str, ...] = (), above: tuple[tuple[int, int], ...] = ()
) -> Iterator[str]:
    """Relative paths of all files below a folder, and of empty folders, with a trailing slash.

    Links are followed, except to a folder that holds them.

    Args:
        above: device and inode of the folders above this one.
    """
    status = folder.stat()
    if (status.st_dev, status.st_ino) in above:
        return
    above = (*above, (status.st_dev, status.st_ino))
    for entry in scan_folder(folder, visible_prefixes):
        if entry.is_file():
            yield parent + entry.name
        elif entry.is_dir():
            inside = walk(folder / entry.name, f"{parent}{entry.name}/", visible_prefixes, above)
            first = next(inside, None)
            yield f"{parent}{entry.name}/" if first is None else first
            yield from inside


def natural_key(name: str) -> list[tuple[int, str]]:
    """Sort key that puts 2 before 10."""
    return [(int(piece), "") if i % 2 else (-1, piece) for i, piece in enumerate(re.split(r"([0-9]+)", name))]
