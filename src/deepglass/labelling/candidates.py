"""The rows of a source that a person may label, for a run that was trained on it or on a similar one."""

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
from deepglass.prepare.sources import file_columns, fingerprint_of, read_like
from deepglass.run.context import read_data
from deepglass.run.folder import LABELS
from deepglass.run.run import Run


class Candidates(NamedTuple):
    """Rows that a person may label.

    Args:
        table: the whole source, without the labels that were hidden from the run.
        corrected: the same with the corrections of earlier sessions.
        rows: (N,) int64 indices in the source: readable rows, without the run's test rows.
        answered: (N,) bool, whether a person has labelled the row before.
        origin: identifies the source in the labels file.
        earlier: corrections of the labels file, and those that the run was trained with.
        trained_with: of these, the ones that the run was trained with.
        history: indices of the rows that are answered in the labels file, the last answer last.
    """

    table: Table
    corrected: Table
    rows: np.ndarray
    answered: np.ndarray
    origin: Origin
    earlier: dict[tuple[int, str], LabelCorrection]
    trained_with: Mapping[tuple[int, str], LabelCorrection]
    history: tuple[int, ...]


def find_candidates(run: Run, source: Any, output: Output, path: Path) -> Candidates:
    """The rows of a source that may be labelled, with the labels of earlier sessions.

    Args:
        source: rows of the same columns; None for the run's own, without its test rows.
        path: of the labels file, which may exist.

    Raises:
        SourceError: `mismatched-files` for a labels file of another source.
    """
    spec = run.spec
    own = source is None or (isinstance(source, str | Path) and str(source) == str(spec.data.source))
    table = read_data(run.folder, spec) if own else read_like(spec.data, source, file_columns(run.predictor.inputs))
    origin = Origin(table.name, len(table), fingerprint_of(table))
    own = own or origin.fingerprint == run.state.source["fingerprint"]
    files = [run.folder.path / LABELS if own else None, path]
    trained_with, stored = (
        {(c.row, c.column): c for c in _labels(run, file, table, origin, own).corrections}
        if file is not None and file.exists()
        else {}
        for file in files
    )
    earlier = trained_with | stored
    orders = sorted((c.order, c.row) for c in stored.values() if c.order and c.column == output.column)
    rows = np.arange(len(table))
    if own:
        split = run.folder.split()
        index = split["row"].to_numpy()
        if "hidden" in split.columns and output.column in table.columns:
            hidden = np.isin(rows, index[split["hidden"].to_numpy()])
            table = table.with_columns({output.column: set_null(table[output.column], hidden)})
        rows = np.setdiff1d(rows, index[split["split"].to_numpy() == "test"])
    unread = {row for f in run.predictor.inputs if f.column in table.columns for row in f.unreadable(table[f.column])}
    rows = np.setdiff1d(rows, np.array(sorted(unread), np.int64))
    answered = sorted(row for row, column in earlier if column == output.column)
    history = tuple(row for _, row in orders)
    corrections = [m for m in earlier.values() if m.column in table.columns]
    corrected = apply_corrections(table, {row: row for row in answered}, corrections)
    return Candidates(table, corrected, rows, np.isin(rows, answered), origin, earlier, trained_with, history)


def _labels(run: Run, path: Path, table: Table, origin: Origin, own: bool) -> LabelFile:
    """A labels file, checked against the source; of a source without the output's column only the rows are checked."""
    if own:
        spec = run.spec
        labels = load_corrections(replace(spec, data=replace(spec.data, label_corrections=str(path))), table)
        assert labels is not None
        return labels
    labels = read_corrections(path)
    if labels.origin is not None and labels.origin.fingerprint != origin.fingerprint:
        raise SourceError(
            "mismatched-files",
            f"{path}: holds labels of {labels.origin.name} with {labels.origin.rows} rows, not of {table.name} with "
            f"{len(table)}; choose another --out",
        )
    present = tuple(m for m in labels.corrections if m.column in table.columns)
    check_corrections(labels._replace(corrections=present), table)
    return labels
