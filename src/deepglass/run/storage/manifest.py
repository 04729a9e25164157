"""manifest.json of a run folder: the sha256 of its files, written last, by which damage is found before they are used.

    {"format": 1, "files": {"model.safetensors": "9f86d0...", "checkpoint/a.safetensors": ...}}

A run without a manifest has not finished.
"""

import json
import shlex
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, TypeVar

from typing_extensions import TypedDict

from deepglass.config import restore
from deepglass.documents import read_json
from deepglass.errors import SourceError, SpecError
from deepglass.files import file_sha256, is_partial, write_file
from deepglass.run.storage.contents import own_files
from deepglass.run.storage.lock import LOCK

MANIFEST = "manifest.json"
FORMAT: Literal[1] = 1
T = TypeVar("T")
UNLISTED = {MANIFEST, LOCK, "log.txt", "report.html", "stages.json"}  # written after the manifest
REWRITTEN = {"model.safetensors", "metrics.json", "predictions.parquet"}  # that `resume` writes from a checkpoint


class _Manifest(TypedDict):
    """The content of the file."""

    format: Literal[1]
    files: dict[str, str]


def write_manifest(run: Path, digests: Mapping[str, str] | None = None, names: Iterable[str] = ()) -> None:
    """Write the manifest.

    Args:
        digests: of an earlier manifest, whose files have not changed, but for `names`; None: all files are read.
    """
    if digests is None:
        names = listed_files(run)
    digests = {**(digests or {}), **{name: _known_digest(run / name) for name in names}}
    write_file(run / MANIFEST, json.dumps({"format": FORMAT, "files": digests}, indent=1) + "\n")


def listed_files(run: Path) -> list[str]:
    """Names of a run's files that a manifest lists: not those of its folds, which have their own."""
    names = sorted(str(p.relative_to(run)) for p in own_files(run) if not is_partial(p))
    return [n for n in names if n not in UNLISTED and not n.startswith("fold-") and not n.endswith(".sha256")]


def _known_digest(path: Path) -> str:
    """A checkpoint's digest stands beside it."""
    beside = path.with_suffix(".sha256")
    return beside.read_text().split()[0] if path.parent.name == "checkpoint" and beside.exists() else file_sha256(path)


def read_manifest(run: Path) -> dict[str, str] | None:
    """Name -> sha256; None for a run that has not finished.

    Raises:
        SourceError: `damaged-run`.
    """
    path = run / MANIFEST
    return read_stored(path, _Manifest)["files"] if path.exists() else None


def read_stored(path: Path, kind: type[T], finite: bool = True) -> T:
    """The content of a JSON file of a run, checked; arguments as of `config.restore`.

    Raises:
        SourceError: `damaged-run`.
    """
    try:
        content = read_json(path)
    except SourceError as error:
        raise damaged(path, error.message) from error
    with damaged_values(path):
        return restore(kind, content, path.stem, finite)


@contextmanager
def damaged_values(path: Path) -> Iterator[None]:
    """Raise `damaged-run` inside a `with` block that makes objects from the content of a stored file.

    A name that is not allowed to be imported keeps its own error.
    """
    try:
        yield
    except SpecError as error:
        if error.code not in ("bad-value", "unknown-key"):
            raise
        raise damaged(path, error.message) from error
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise damaged(path, f"expected what a run writes, got something else ({error!r})") from error


def damaged(path: Path, reason: str) -> SourceError:
    """The error to raise for a file of a run that is not as it was written.

    Args:
        reason: what is wrong with it.
    """
    run = path.parent
    if path.name in REWRITTEN:
        fix = f"{resume_command(run)} writes it again from the newest checkpoint"
    else:
        fix = f"restore it from a copy, or train again: `deepglass train {shlex.quote(f'{run}/spec.yaml')} --out RUN`"
    return SourceError("damaged-run", f"{path}: damaged or replaced since it was written ({reason}); {fix}")


def damaged_record(run: Path, name: str, reason: str) -> SourceError:
    """The error to raise for a file that a run has recorded for its report, on which no prediction depends.

    Args:
        name: of the file, in the run folder.
        reason: what is wrong with it.
    """
    fix = "restore it from a copy; no prediction depends on it"
    place = f"{run.name}/{name}"  # not the whole path, since it stands in reports
    return SourceError("damaged-run", f"{place}: damaged or replaced since it was written ({reason}); {fix}")


def resume_command(run: Path) -> str:
    """The command that goes on with a run, for messages."""
    return f"`deepglass resume {shlex.quote(str(run))}`"
