"""Lists of files with their labels: a path, a blank, comma or tab, and the label, in each line, without a header."""

import re
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from deepglass.data.sources.base import ReadLog, SourceOptions
from deepglass.data.sources.frames import column_names, table_from_texts
from deepglass.data.sources.text_bytes import load_bytes
from deepglass.data.table import Table
from deepglass.features._reading import KINDS, media_kind
from deepglass.files import open_file

ENDINGS = (".txt", ".lst", ".list")
_HEAD = 2**16  # bytes that are checked for the format
_MIN_LINES, _MIN_SHARE = 2, 0.9  # lines of this form, and their share
_LINE = re.compile(
    rf"(?P<path>[^\s,;][^,;\t]*?(?:{'|'.join(re.escape(e) for endings in KINDS.values() for e in endings)}))"
    r"(?:[\s,;]+(?P<labels>\S.*))?",
    re.IGNORECASE,
)


def is_path_list(path: Path) -> bool:
    """Whether a text file is a list of paths of media files with labels."""
    if not path.name.lower().endswith(ENDINGS):
        return False
    with open_file(path) as file:
        head = file.read(_HEAD)
    lines = head.decode("utf-8-sig", errors="replace").splitlines()
    lines = [line.strip() for line in (lines[:-1] if len(head) == _HEAD else lines) if line.strip()]
    matches = [match for line in lines if (match := _LINE.fullmatch(line))]
    labelled = sum(match["labels"] is not None for match in matches)
    if not matches or matches[0].string != lines[0]:  # a header: a table
        return False
    return len(matches) >= _MIN_SHARE * len(lines) and labelled >= max(_MIN_LINES, len(lines) / 2)


def read_path_list(path: Path, source: str, columns: Sequence[str] | None, options: SourceOptions) -> Table:
    """A table of the paths and their labels; several labels of a line stand in columns, or in one cell if they vary.

    Raises:
        SourceError: `empty-source`, `no-rows`, `duplicate-column`.
    """
    log = ReadLog()
    paths: list[str] = []
    labels: list[list[str]] = []
    text = load_bytes(path, source).tobytes().decode("utf-8-sig", errors="replace")
    for i, line in enumerate(text.splitlines(), 1):
        if match := _LINE.fullmatch(line.strip()):
            paths.append(match["path"])
            labels.append(re.split(r"[\s,;]+", match["labels"].strip()) if match["labels"] else [])
        elif line.strip():
            log.skip(f"{source}, line {i}", "expected a path of a file and its label")
    kind = media_kind(paths[0]) or "file"
    count = max(map(len, labels))
    words = {} if {len(own) for own in labels} - {0, count} else _in_columns(labels, count)
    values = words or {"label": [";".join(own) or None for own in labels]}
    log.note("list", f"{len(paths):,} lines", "a path and its label each, without a header")
    frame = pl.DataFrame({kind: paths, **{name: pl.Series(name, cells, pl.String) for name, cells in values.items()}})
    frame.columns = column_names(frame.columns, columns, source)
    return table_from_texts(frame, source, log, options)


def _in_columns(labels: Sequence[Sequence[str]], count: int) -> dict[str, list[str | None]]:
    names = ["label"] if count == 1 else [f"label_{i}" for i in range(1, count + 1)]
    return {name: [own[i] if own else None for own in labels] for i, name in enumerate(names)}
