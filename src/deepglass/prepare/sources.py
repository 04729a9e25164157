"""Read and combine the sources of a spec, and compute their fingerprint."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np

from deepglass.data.missing import null_like
from deepglass.data.sources import read
from deepglass.data.sources.frames import concat_columns
from deepglass.data.table import Table
from deepglass.errors import SourceError
from deepglass.features.base import Media
from deepglass.limits import limits_changed
from deepglass.spec.spec import DataSpec, Source, Spec


def read_source(spec: Spec) -> Table:
    """The source as one table; with a test source, the two together and a split between them.

    Rows of an unlabelled source come last, without answers.
    """
    table = read_like(spec.data, spec.data.source)
    if spec.data.test is not None:
        test = read_like(spec.data.with_values(table.values), spec.data.test)
        table = _together(table, test, np.repeat(["train", "test"], [len(table), len(test)]))
    if spec.data.unlabelled is not None:
        named = [c for s in spec.outputs for c in s.source_columns] or [table.target or ""]
        more = read_like(spec.data.with_values(table.values), spec.data.unlabelled)
        more = more.with_columns({n: null_like(table[n], len(more)) for n in named if n})
        split = None if table.split is None else np.concatenate([table.split, np.full(len(more), "train")])
        table = _together(table, more, split)
    return table


def read_like(data: DataSpec, source: Source) -> Table:
    """A source read with the options of a spec."""
    columns = data.columns if isinstance(source, str | Path) else ()
    with limits_changed(data.limits):
        return read(
            source,
            columns=columns or None,
            filename_pattern=data.filename_pattern,
            data_root=tuple(map(Path, data.data_root)),
            options=data,
        )


def fingerprint_of(table: Table) -> str:
    """A hash of a table's shape and of rows spread over it; enough to know a changed source."""
    digest = hashlib.sha256(repr((table.names, len(table))).encode())
    for i in np.unique(np.linspace(0, max(len(table) - 1, 0), 200).astype(int)) if len(table) else []:
        for raw in table.columns.values():
            value = raw[int(i)]
            plain = value.name if isinstance(value, Media) else value
            digest.update(value.tobytes() if isinstance(value, np.ndarray) else repr(plain).encode())
    return digest.hexdigest()


def _together(table: Table, more: Table, split: np.ndarray | None) -> Table:
    absent = [n for n in table.names if n not in more.columns]
    if absent:
        raise SourceError("mismatched-files", f"{more.name}: lacks the columns {', '.join(absent)} of {table.name}")
    columns = {n: concat_columns([table[n], more[n]], n, more.name) for n in table.names}
    return replace(table, columns=columns, split=split, skipped=(*table.skipped, *more.skipped))
