"""code/ of a run folder: copies of the user's modules that the run names, to read and to hand on.

A copy is imported only where the user allows its module by name, and has no module of that name.
"""

import warnings
from collections.abc import Iterable
from pathlib import Path

from deepglass.errors import CodeWarning
from deepglass.files import read_file, write_file
from deepglass.own_modules import copied_module, copy_name, offer_copies, other_version, own_files
from deepglass.registry import is_allowed
from deepglass.run.storage.stored_files import StoredFiles

FOLDER = "code"


def write_code(run: Path, modules: Iterable[str]) -> None:
    """Copy the files of imported modules of the user, and of the modules beside them that they import."""
    for module, file in own_files(modules).items():
        write_file(run / FOLDER / copy_name(module, file), read_file(file))


def offer_code(files: StoredFiles, run: str) -> None:
    """Offer the copies of a run for imports, but for damaged ones.

    Args:
        run: its name, for messages.

    Warns:
        CodeWarning: where a module that the user allows has another content than its copy, or its copy is damaged.
    """
    copies = {}
    for name in sorted(f"{FOLDER}/{p.name}" for p in (files.path / FOLDER).glob("*.py")):
        copy = files.path / name
        module = copied_module(copy)
        if reason := files.damage(name):
            text = f"{run}: {name} is damaged or replaced since it was written ({reason}), and not used"
        elif file := other_version(module, copy):
            text = f"{file} differs from {name} of {run}, with which it was trained; its predictions may differ"
        else:
            text = ""
        if text and is_allowed(module):
            warnings.warn(text, CodeWarning, stacklevel=4)
        if not reason:
            copies[module] = copy
    offer_copies(copies)
