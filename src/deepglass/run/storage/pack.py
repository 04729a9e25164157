"""A run as one zip file, to hand on: without checkpoints, lock and log, with relative paths only.

The same run gives the same bytes: members are sorted, and have no times. Paths in spec.yaml and report.html become the
names of their files, so the manifest of the zip has another sha256 of spec.yaml than that of the run folder.
"""

import html
import io
import json
import shutil
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from deepglass.errors import SourceError, SpecError
from deepglass.files import atomic_path, check_not_exists, is_partial, open_file, read_file
from deepglass.run.folder import Folder
from deepglass.run.storage.contents import own_files
from deepglass.run.storage.lock import LOCK
from deepglass.run.storage.manifest import FORMAT, MANIFEST
from deepglass.run.storage.packed import SUFFIX

_LEFT_OUT = ("checkpoint", LOCK, "log.txt")
_REPORT = "report.html"
_COMPRESSED = {".parquet", ".safetensors"}  # not worth compressing


class Packed(NamedTuple):
    """The zip file of a run.

    Args:
        size: of the zip file, in bytes.
        files: number of files in it.
        left_out: bytes of the run folder that are not in it.
    """

    path: Path
    size: int
    files: int
    left_out: int


def pack(folder: Folder, out: Path | None = None, force: bool = False) -> Packed:
    """Write the zip file of a finished run.

    Args:
        out: by default NAME.zip in the current folder.

    Raises:
        SourceError: `not-found` for a run that is not finished, `damaged-run`.
        SpecError: `already-exists`; `bad-value` for a cross-validation, and for a file that is no .zip.
    """
    if folds := folder.folds():
        raise SpecError("bad-value", f"{folder.name}: is a run a fold; pack one of them, such as {folds[0]}")
    if (digests := folder.files.digests()) is None:
        raise SourceError("not-found", folder.files.unfinished())
    out = out or Path(folder.packed.name if folder.packed else f"{folder.path.resolve().name}{SUFFIX}")
    if out.suffix != SUFFIX:
        raise SpecError("bad-value", f"--out: expected a {SUFFIX} file, got {out}")
    check_not_exists(out, force)
    files = sorted(str(p.relative_to(folder.path)) for p in own_files(folder.path) if not is_partial(p))
    names = [name for name in files if Path(name).parts[0] not in _LEFT_OUT]
    listed = {name: digests[name] for name in names if name in digests}
    for name in listed:
        folder.files.checked(name)
    contents = _rewritten(folder, listed, _REPORT in names)
    with atomic_path(out) as partial, ZipFile(partial, "w") as archive:
        for name in names:
            content = io.BytesIO(contents[name]) if name in contents else open_file(folder.path / name)
            with content, archive.open(_member(name), "w", force_zip64=True) as member:
                shutil.copyfileobj(content, member)
    left_out = sum((folder.path / name).stat().st_size for name in files if name not in names)
    return Packed(out, out.stat().st_size, len(names), left_out)


def _rewritten(folder: Folder, digests: dict[str, str], has_report: bool) -> dict[str, bytes]:
    """The files that differ from those of the run folder: they name no path, and the manifest has their sha256."""
    spec, names = folder.spec().with_names()
    text = folder.spec_text(spec, anchored=False).encode()
    digests = dict(sorted({**digests, "spec.yaml": sha256(text).hexdigest()}.items()))
    manifest = json.dumps({"format": FORMAT, "files": digests}, indent=1) + "\n"
    contents = {"spec.yaml": text, MANIFEST: manifest.encode()}
    if has_report:
        page = read_file(folder.path / _REPORT).decode()
        names[str(folder.path.resolve())] = folder.path.name
        for path, name in sorted(names.items(), reverse=True):  # a folder after the files in it
            page = page.replace(html.escape(path), html.escape(name))
        contents[_REPORT] = page.encode()
    return contents


def _member(name: str) -> ZipInfo:
    """A file in the zip, with the first time that zip files can have."""
    info = ZipInfo(name)
    info.compress_type = ZIP_STORED if Path(name).suffix in _COMPRESSED else ZIP_DEFLATED
    info.external_attr = 0o644 << 16
    info.create_system = 3  # the same on all systems
    return info
