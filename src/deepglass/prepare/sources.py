"""Read and combine the sources of a spec, and compute their fingerprint."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from deepglass.data.missing import null_like
from deepglass.data.sources import read
from deepglass.data.sources.frames import concat_columns
from deepglass.data.table import Table
from deepglass.errors import SourceError
from deepglass.features.base import FEATURES, Feature, Media
from deepglass.features.outputs.base import OUTPUTS
from deepglass.limits import limits_changed
from deepglass.prepare.class_names import named_columns, with_class_names
from deepglass.prepare.derived_columns import derive, leaking_columns
from deepglass.spec.data_spec import DataSpec, Source
from deepglass.spec.spec import Spec


def read_source(spec: Spec) -> Table:
    """The source as one table; with a test source, the two together and a split between them.

    Rows of an unlabelled source come last, without answers. `data.split.file` gives the split of the rows before them.
    Derived columns are added in the end.
    """
    files = _named_files(spec)
    table = _read(spec.data, spec.data.source, files)
    if spec.data.test is not None:
        test = _read(spec.data.with_values(table.values), spec.data.test, files)
        table = _together(table, test, np.repeat(["train", "test"], [len(table), len(test)]))
    if spec.data.split.file is not None:
        table = replace(table, split=_split_of_file(spec.data.split.file, table))
    if spec.data.unlabelled is not None:
        named = [c for s in spec.outputs for c in s.source_columns] or [table.target or ""]
        named = [c for c in (*named, *leaking_columns(spec.data.derive, named)) if c not in spec.data.derive]
        more = _read(spec.data.with_values(table.values), spec.data.unlabelled, files)
        more = more.with_columns({n: null_like(table[n], len(more)) for n in named if n})
        split = None if table.split is None else np.concatenate([table.split, np.full(len(more), "train")])
        table = _together(table, more, split)
    return with_class_names(derive(table, spec.data.derive), named_columns(spec))


def _named_files(spec: Spec) -> list[str]:
    """The columns that a spec reads as files by their kind."""
    kinds = {c: spec.kind_of(c) for c in spec.kinds}
    kinds |= {c: f.kind for f in (*spec.inputs, *spec.outputs) if f.kind for c in f.source_columns}
    if not kinds:
        return []
    file_kinds = {name for registry in (FEATURES, OUTPUTS) for name, kind in registry if kind.file_based}
    return [column for column, kind in kinds.items() if kind in file_kinds]


def file_columns(features: Iterable[Feature]) -> list[str]:
    """The columns that features read as files."""
    return [column for feature in features if feature.file_based for column in feature.source_columns]


def read_like(data: DataSpec, source: Source, files: Sequence[str] = ()) -> Table:
    """A source read with the options of a spec, with those of its derived columns that it has the columns for.

    Args:
        files: columns whose texts are paths.
    """
    return derive(_read(data, source, files), data.derive, partly=True)


def _read(data: DataSpec, source: Source, files: Sequence[str]) -> Table:
    columns = data.columns if isinstance(source, str | Path) else ()
    with limits_changed(data.limits):
        return read(
            source,
            columns=columns or None,
            filename_pattern=data.filename_pattern,
            data_root=tuple(map(Path, data.data_root)),
            options=data,
            files=files,
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


def _split_of_file(file: str, table: Table) -> np.ndarray:
    """The split of each row of a table, (N,), as a file states it.

    Raises:
        SourceError: `unknown-column`, `mismatched-files`, `bad-value`, and what reading the file raises.
    """
    content = read(file)
    raw = content["split"] if content.split is None else content.split  # raises for a file without this column
    values = pl.Series(values=raw).cast(pl.String).fill_null("")
    if len(unknown := values.filter(~values.is_in(["train", "valid", "test", ""]))):
        raise SourceError(
            "bad-value", f"data.split.file: {file}: expected train, valid, test or nothing as split, got {unknown[0]!r}"
        )
    if "row" not in content.columns:
        if len(values) != len(table):
            text = f"data.split.file: {file} has {len(values):,} rows, {table.name} has {len(table):,}"
            raise SourceError("mismatched-files", f"{text}; give a column `row` if it names only some of them")
        return values.to_numpy().astype("U5")
    rows = pl.Series(content["row"]).cast(pl.Int64, strict=False)
    if rows.null_count() or rows.n_unique() != len(rows) or not rows.is_between(0, len(table) - 1).all():
        text = f"expected each row of {table.name} once at most, from 0 to {len(table) - 1:,}"
        raise SourceError("bad-value", f"data.split.file: {file}: column row: {text}")
    split = np.full(len(table), "", "U5")
    split[rows.to_numpy()] = values.to_numpy()
    return split


def _together(table: Table, more: Table, split: np.ndarray | None) -> Table:
    absent = [n for n in table.names if n not in more.columns]
    if absent:
        raise SourceError("mismatched-files", f"{more.name}: lacks the columns {', '.join(absent)} of {table.name}")
    columns = {n: concat_columns([table[n], more[n]], n, more.name) for n in table.names}
    return replace(table, columns=columns, split=split, skipped=(*table.skipped, *more.skipped))
