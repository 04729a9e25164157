"""Which files a source may name: those below its own folder, and below the folders that the user allows."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from deepglass.errors import SourceError
from deepglass.files import outside

_NUM_NAMED = 3  # of the names that lead out, in a message


class Access(NamedTuple):
    """The folders that a source may read besides its own.

    Args:
        roots: the folders that the user allows, with --data-root.
        closed: no other folder is read, even where all names lead there: in archives and uploads.
    """

    roots: tuple[Path, ...] = ()
    closed: bool = False


OWN_FOLDER = Access()  # a source may read its own folder alone


def check_inside(paths: Sequence[Path], names: Sequence[str], folder: Path, access: Access, where: str) -> Path | None:
    """Check that files named by data lie below a folder, with their links resolved.

    Args:
        paths: the files.
        names: as the data have them, for messages.
        where: the column or folder that names them, for messages.

    Returns:
        None if all are inside; the folder that holds them where all lie elsewhere: they are meant to be there.

    Raises:
        SourceError: `unsafe-path` where a few lead out, or all do and the source is closed.
    """
    leaving = outside(paths, (folder, *access.roots))
    if not leaving:
        return None
    possible = not any("\0" in name for name in names)  # a name that no file can have leads nowhere
    if len(leaving) == len(paths) and possible and not access.closed:
        common = Path(os.path.commonpath([os.path.dirname(os.path.realpath(path)) for path in paths]))
        absolute = all(os.path.isabs(name) for name in names)
        if absolute or not Path.home().resolve().is_relative_to(common):
            return common
    first = ", ".join(repr(names[i]) for i in leaving[:_NUM_NAMED]) + (", ..." if len(leaving) > _NUM_NAMED else "")
    advice = "an archive or upload may name only its own files"
    if not access.closed:
        target = os.path.dirname(os.path.realpath(paths[leaving[0]])) if possible else "FOLDER"
        advice = f"if you trust them, allow their folder with --data-root {target}"
    raise SourceError(
        "unsafe-path",
        f"{where}: {len(leaving):,} of {len(paths):,} names lead out of {folder.name or folder}/, such as {first}; "
        f"{advice}",
    )
