"""Data sources: files, folders, archives, bundled and synthetic sets, environments and Python objects as a `Table`.

    read("housing.csv")            a text table; tsv, json, jsonl, parquet, arrow, Excel alike, also .gz
    read("photos/")                a folder of class folders; idx files, npz, tables; a zip or tar of these
    read("roads/")                 images beside masks, or with boxes: Pascal VOC, YOLO, COCO, a table of boxes
    read("novel.txt")              plain text, a folder of such texts; CoNLL-U; train.en beside train.fr, line by line
    read("sklearn:digits")         a data set that scikit-learn bundles
    read("synthetic:moving_digits")     a data set that is generated
    read("gym:CartPole-v1")        observations of a gymnasium environment, and how to create it
    read("data:mnist")             a named set below --data-root or $DEEPGLASS_DATA
    read("sqlite:shop.db:orders")       a table of a database, or the rows of a SELECT
    read("seasons/*.csv")          several tables with the same columns; also a list of them, or their folder
    read(frame)                    a polars or pandas frame, a dict of columns, (X, y), a list of dicts

Each file here is one kind of source; `paths.py` chooses the reader of a file or folder.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Union

import numpy as np
import polars as pl

from deepglass.data.environments import PREFIX as GYM
from deepglass.data.sources import named
from deepglass.data.sources.access import Access
from deepglass.data.sources.addresses import check_no_address
from deepglass.data.sources.base import SQLITE, SourceOptions
from deepglass.data.sources.objects import read_object
from deepglass.data.table import Table
from deepglass.errors import SourceError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Source", "SourceOptions", "read"]

_BUNDLED = "sklearn:"
_SYNTHETIC = "synthetic:"

Source = Union[str, Path, Table, pl.DataFrame, pl.LazyFrame, "pd.DataFrame", np.ndarray, Mapping, tuple, list]
"""What `read` takes."""


def read(
    source: Source,
    *,
    columns: Sequence[str] | None = None,
    filename_pattern: str | None = None,
    data_root: Path | Sequence[Path] = (),
    options: SourceOptions | None = None,
    files: Sequence[str] = (),
) -> Table:
    """Read a data source as a table.

    Args:
        source: a path, `sklearn:NAME`, `gym:NAME`, `data:NAME`, "-" for a text table on standard input, or a Python
            object.
        columns: names for all columns, for sources without or with other names.
        filename_pattern: reads columns from file names, such as "{digit}_{speaker}_{take}".
        data_root: the folders of the named sets, by default $DEEPGLASS_DATA; files in them may be named by data in
            other folders, too.
        options: delimiter, encoding and others, in place of the detected ones.
        files: columns of a file's table whose texts are paths of files, whatever they look like.

    Raises:
        SourceError: with a stable code; the text names file and line, what was expected, and the near miss.

    Example:
        table = read("housing.csv")
        table.names, len(table), table.notes
    """
    options = options or SourceOptions()
    if isinstance(source, list) and _are_tables(source):
        from deepglass.data.sources import paths

        return paths.read_files([Path(path).expanduser() for path in source], f"{len(source)} files", columns, options)
    data_root = (data_root,) if isinstance(data_root, Path) else tuple(data_root)
    if not isinstance(source, str | Path):
        return read_object(source, columns)
    text = str(source)
    if text.startswith(_BUNDLED):
        from deepglass.data.sources.bundled import read_bundled  # scikit-learn takes a second to import

        return read_object(read_bundled(text.removeprefix(_BUNDLED)), columns)
    if text.startswith(_SYNTHETIC):
        from deepglass.data.sources.synthetic import read_synthetic  # it needs scikit-learn as well

        return read_object(read_synthetic(text.removeprefix(_SYNTHETIC), data_root), columns)
    if text.startswith(GYM):
        from deepglass.data.sources.gym import read_gym

        return read_object(read_gym(text.removeprefix(GYM)), columns)
    check_no_address(text)
    from deepglass.data.sources import media_cells, paths  # all readers of files, which rows in memory do not need

    if text == "-":
        table = paths.read_bytes(sys.stdin.buffer.read(), "standard input", columns, options)
        return media_cells.with_named_files(replace(table, folder=Path.cwd(), roots=data_root), files)
    if text.startswith(SQLITE):
        from deepglass.data.sources import database

        path, query = database.locate(text.removeprefix(SQLITE))
        paths.check_exists(path, str(path))
        return database.read_database(path, query, text)
    if text.startswith(named.PREFIX):
        path, name = named.locate(text.removeprefix(named.PREFIX), data_root), text
    else:
        path = Path(text).expanduser()
        name = path.name or text
        if matches := paths.matching(path):
            return paths.read_files(matches, text, columns, options)
        paths.check_exists(path, text)
    try:
        request = paths.PathRequest(text, name, columns, filename_pattern, options, Access(data_root))
        table = paths.read_path(path, request)
        return media_cells.with_named_files(table, files)
    except PermissionError as error:
        raise SourceError("unreadable-file", f"{text}: may not be read ({error.filename})") from error


def _are_tables(source: list[object]) -> bool:
    """Whether a list names files of tables, and not images or audio."""
    if not source or not all(isinstance(path, str | Path) for path in source):
        return False
    from deepglass.features._reading import media_kind

    return media_kind(str(source[0])) is None
