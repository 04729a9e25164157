"""What a run folder consists of: the files that commands write. Other files in it are never deleted."""

import re
from collections.abc import Iterator
from pathlib import Path

from deepglass.errors import SpecError
from deepglass.files import is_partial
from deepglass.formatting import first_names
from deepglass.run.storage.lock import LOCK

STARTING = {  # files of a run that has no plan.json yet, before which it has not begun
    *(LOCK, "log.txt", "stages.json", "labels.csv", "findings.json", "spec.yaml", "features.json", "split.parquet"),
    *("code", "reference.json", "ancestors.parquet", "history.jsonl", "diagnostics.jsonl", "pseudo_labels.jsonl"),
}
FILES = STARTING | {
    "manifest.json",
    "plan.json",
    "model.safetensors",
    "metrics.json",
    "predictions.parquet",
    "report.html",
    "margins.safetensors",
}
FOLDERS = {  # folder -> pattern of its files
    "checkpoint": re.compile(r"[ab]\.(safetensors|sha256)"),
    "samples": re.compile(r"\d+\.json"),
    "embeddings": re.compile(r"\d+\.safetensors"),
    "boundaries": re.compile(r"\d+\.safetensors"),
    "code": re.compile(r"[A-Za-z_]\w*(\.\w+)*\.py"),
}
_FOLD = re.compile(r"fold-\d+")
_TRANSFORM = re.compile(r"transform-\d+\.parquet")  # rows that a table transform needs
_MAX_LISTED = 5  # files named in a message


def own_files(run: Path) -> Iterator[Path]:
    """The files in a run folder that deepglass writes, those of its folds included."""
    return (path for path, is_own in _walk(run) if is_own)


def foreign_files(run: Path) -> list[Path]:
    """Files in a run folder that deepglass has not written, and folders of them."""
    return sorted(path for path, is_own in _walk(run) if not is_own)


def _walk(run: Path) -> Iterator[tuple[Path, bool]]:
    """Each file of a run folder, and whether it belongs to a run."""
    for path in run.iterdir():
        is_folder = path.is_dir() and not path.is_symlink()
        if not is_folder:
            yield path, path.name in FILES or _TRANSFORM.fullmatch(path.name) is not None or is_partial(path)
        elif _FOLD.fullmatch(path.name):
            yield from _walk(path)
        elif (pattern := FOLDERS.get(path.name)) is not None:
            for file in path.iterdir():
                is_plain = file.is_symlink() or not file.is_dir()
                yield file, is_plain and (pattern.fullmatch(file.name) is not None or is_partial(file))
        else:
            yield path, False


def delete_contents(run: Path) -> None:
    """Delete the files of a run, and the folders that are empty then; its lock stays, as it is held.

    Files without which it is no run any more are deleted last, so that this can be repeated if it is interrupted.
    """
    files = [path for path in own_files(run) if path != run / LOCK]
    files.sort(key=lambda path: (path.name in STARTING, path.name == "spec.yaml", path.name == "log.txt"))
    for path in files:
        path.unlink(missing_ok=True)
    for folder in sorted({path.parent for path in files} - {run}, reverse=True):
        if not any(folder.iterdir()):
            folder.rmdir()


def has_not_begun(path: Path) -> bool:
    """Whether a folder is empty, or that of a run which stopped before it was planned."""
    if not path.is_dir():
        return False
    names = {p.name for p in path.iterdir() if not is_partial(p) and not _TRANSFORM.fullmatch(p.name)}
    return names <= STARTING and (not names or bool(names & {"log.txt", LOCK}))


def is_occupied(path: Path, force: bool = False) -> bool:
    """Whether an earlier run is there, which may be overwritten. One that stopped before it was planned is none.

    Raises:
        SpecError: `already-exists`, for a run unless forced, and for anything else.
    """
    if not path.exists() or has_not_begun(path):
        return False
    if not (path / "spec.yaml").exists():
        raise SpecError(
            "already-exists",
            f"--out: {path} exists and is not a run folder, so it is not overwritten; choose another folder",
        )
    if not force:
        raise SpecError(
            "already-exists", f"--out: {path} exists; choose another folder or add --force (in Python force=True)"
        )
    if foreign := [str(p.relative_to(path)) for p in foreign_files(path)]:
        raise SpecError(
            "already-exists",
            f"--out: {path} also holds {first_names(foreign, _MAX_LISTED)}, not written by deepglass; --force "
            "deletes only runs: move these files, or choose another folder",
        )
    return True
