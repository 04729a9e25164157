"""Zip files of runs, as `pack` writes them: opened through a temporary folder, compared with their manifest."""

from pathlib import Path

from deepglass.data.sources.archives import unpack
from deepglass.errors import SourceError
from deepglass.files import file_sha256, outside
from deepglass.run.storage.manifest import MANIFEST, read_manifest

SUFFIX = ".zip"
_runs: dict[Path, Path] = {}  # folder of an archive -> the run in it, which was compared with its manifest


def open_packed(path: Path) -> Path:
    """The folder with the run of a zip file, each file compared with the manifest.

    Raises:
        SourceError: `not-found` if it holds no run, `damaged-run`, and as `unpack` for an unsafe archive.
    """
    content = unpack(path, f"RUN: {path}")
    if content not in _runs:
        _runs[content] = _checked_run(path, content)
    return _runs[content]


def _checked_run(path: Path, content: Path) -> Path:
    specs = [f for f in (content / "spec.yaml", *sorted(content.glob("*/spec.yaml"))) if f.is_file()]
    if not specs:
        raise SourceError("not-found", f"RUN: {path} holds no run; `deepglass pack RUN` writes the zip file of one")
    run = specs[0].parent
    if (digests := read_manifest(run)) is None:
        raise SourceError("damaged-run", f"RUN: {path}: has no {MANIFEST}; `deepglass pack RUN` writes such files")
    for name, digest in digests.items():
        file = run / name
        if name.startswith("checkpoint/") and not file.exists():
            continue
        if outside([file], [run]) or not file.is_file() or file_sha256(file) != digest:
            text = f"{name} in it is missing, damaged or replaced; get another copy"
            raise SourceError("damaged-run", f"RUN: {path}: {text}")
    return run
