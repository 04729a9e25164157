"""Check a run folder: every file against the manifest, and what does not belong to a run."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from deepglass.errors import SourceError
from deepglass.files import file_sha256
from deepglass.run.folder import Folder
from deepglass.run.storage.contents import foreign_files
from deepglass.run.storage.manifest import MANIFEST, listed_files, read_manifest


class RunProblem(NamedTuple):
    """A file of a run folder that is not as the run has written it.

    Args:
        file: its path in the run folder.
        problem: "damaged" (changed or replaced), "missing", or "foreign" (not written by deepglass).
        text: the problem in words.
    """

    file: str
    problem: str
    text: str


def check(run: str | Path) -> list[RunProblem]:
    """Compare every file of a run with its manifest; [] if nothing is damaged, missing or foreign.

    A run that still trains has no manifest; only the checksums of its checkpoints are compared then.

    Args:
        run: the run folder.

    Raises:
        SourceError: `not-found` without such a run.

    Example:
        >>> deepglass.check("runs/iris-1")  # doctest: +SKIP
        []
    """
    folder = Folder.open(Path(run))
    problems = [
        RunProblem(str(path.relative_to(folder.path)), "foreign", "not written by deepglass")
        for path in foreign_files(folder.path)
    ]
    for path in (folder.path, *folder.folds()):
        prefix = "" if path == folder.path else f"{path.name}/"
        problems += [p._replace(file=prefix + p.file) for p in _check_one(path)]
    return sorted(problems)


def _check_one(run: Path) -> Iterator[RunProblem]:
    for path in Folder(run).checkpoints.damaged():
        yield RunProblem(f"checkpoint/{path.name}", "damaged", "its sha256 is not that beside it")
    try:
        digests = read_manifest(run)
    except SourceError as error:
        yield RunProblem(MANIFEST, "damaged", str(error))
        return
    if digests is None:
        if not Folder(run).stages.missing():
            yield RunProblem(MANIFEST, "missing", "the run is finished; `deepglass resume` writes it again")
        return
    for name, digest in digests.items():
        path, is_checkpoint = run / name, name.startswith("checkpoint/")
        if not path.is_file():
            if not is_checkpoint:  # it may be deleted to save space
                yield RunProblem(name, "missing", f"{MANIFEST} lists it")
        elif file_sha256(path) != digest:
            yield RunProblem(name, "damaged", f"its sha256 is not that of {MANIFEST}")
    for name in listed_files(run):
        if name not in digests:
            yield RunProblem(name, "foreign", f"{MANIFEST} does not list it")
