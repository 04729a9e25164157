"""The rows of a source that a person may be asked about, by a run that has learned from it or from its like."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from deepglass.data.missing import set_null
from deepglass.data.table import Table
from deepglass.errors import SourceError
from deepglass.features.outputs.base import Output
from deepglass.prepare.label_corrections import (
    LabelCorrection,
    LabelFile,
    Origin,
    apply_corrections,
    check_corrections,
    load_corrections,
    read_corrections,
)
from deepglass.prepare.sources import fingerprint_of, read_like, read_source
from deepglass.run.folder import LABELS
from deepglass.run.run import Run


class Asked(NamedTuple):
    """What may be asked.

    Args:
        table: the whole source; labels that were hidden from the run are gone.
        corrected: the same with the labels that people have given.
        rows: places that may be asked about: those of the test may not, nor what cannot be read.
        done: (N,) bool, those of `rows` whose label somebody has given.
        origin: what the file of answers says of the source.
        earlier: answers that the file has already, or that the run has learned from.
    """

    table: Table
    corrected: Table
    rows: np.ndarray
    done: np.ndarray
    origin: Origin
    earlier: Mapping[tuple[int, str], LabelCorrection]


def asked(run: Run, source: Any, output: Output, out: Path) -> Asked:
    """The rows of a source, and what was answered before.

    Args:
        source: rows of the same columns; None for the run's own, whose test rows are left alone.
        out: the file of answers, which may be there already.

    Raises:
        SourceError: `mismatched-files` for a file of answers that belongs to another source.
    """
    spec = run.spec
    own = source is None or (isinstance(source, str | Path) and str(source) == str(spec.data.source))
    table = read_source(spec) if own else read_like(spec.data, source)
    fingerprint = fingerprint_of(table)
    origin = Origin(table.name, len(table), fingerprint)
    own = own or fingerprint == run.state.source["fingerprint"]
    earlier: dict[tuple[int, str], LabelCorrection] = {}
    for path in ([run.folder.path / LABELS] if own else []) + [out]:
        if path.exists():
            earlier |= {(m.row, m.column): m for m in _labels(run, path, table, origin, own).corrections}
    rows = np.arange(len(table))
    if own:
        split = run.folder.split()
        places, parts = split["row"].to_numpy(), split["split"].to_numpy()
        if "hidden" in split.columns and output.column in table.columns:
            hidden = np.isin(rows, places[split["hidden"].to_numpy()])
            table = table.with_columns({output.column: set_null(table[output.column], hidden)})
        rows = np.setdiff1d(rows, places[parts == "test"])
    unread = {row for f in run.predictor.inputs if f.column in table.columns for row in f.unreadable(table[f.column])}
    rows = np.setdiff1d(rows, np.array(sorted(unread), np.int64))
    answered = {row for row, column in earlier if column == output.column}
    corrected = apply_corrections(
        table, {row: row for row in answered}, [m for m in earlier.values() if m.column in table.columns]
    )
    return Asked(table, corrected, rows, np.isin(rows, sorted(answered)), origin, earlier)


def _labels(run: Run, path: Path, table: Table, origin: Origin, own: bool) -> LabelFile:
    """A file of labels, checked against the source; of one without answers only the rows can be checked."""
    if own:
        spec = run.spec
        found = load_corrections(replace(spec, data=replace(spec.data, label_corrections=str(path))), table)
        assert found is not None
        return found
    labels = read_corrections(path)
    if labels.origin is not None and labels.origin.fingerprint != origin.fingerprint:
        raise SourceError(
            "mismatched-files",
            f"{path}: holds labels of {labels.origin.name} with {labels.origin.rows} rows, not of {table.name} with "
            f"{len(table)}; choose another --out",
        )
    there = tuple(m for m in labels.corrections if m.column in table.columns)
    check_corrections(labels._replace(corrections=there), table)
    return labels
