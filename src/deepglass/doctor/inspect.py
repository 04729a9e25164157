"""What is in a source: how each column is taken and why, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from deepglass.data.missing import is_null
from deepglass.data.table import Note, Skipped, Table
from deepglass.doctor.base import Finding
from deepglass.doctor.base import DataContext, split_source, merge_findings
from deepglass.doctor.checks import CHECKS
from deepglass.doctor.checks import run_checks
from deepglass.doctor.label_error import label_error
from deepglass.doctor.unreadable import unreadable
from deepglass.doctor.weak_slice import weak_slices_of_run
from deepglass.doctor.worth_labelling import worth_labelling
from deepglass.errors import SourceError
from deepglass.features.base import Feature, Raw
from deepglass.features.outputs.base import Output
from deepglass.prepare.columns import ColumnRole, infer_columns
from deepglass.prepare.rows import assign_split, choose_split, missing_targets
from deepglass.prepare.sources import fingerprint_of
from deepglass.run.callbacks.margins import margins_over
from deepglass.run.run import Run
from deepglass.spec.spec import Spec


@dataclass(frozen=True)
class ColumnView:
    """A column, its kind, why, its part in the task, and how many values are missing."""

    name: str
    kind: str
    why: str
    role: str
    missing: int
    distinct: int | None
    example: str


@dataclass(frozen=True)
class Inspection:
    """All that `deepglass inspect` says."""

    name: str
    rows: int
    notes: tuple[Note, ...]
    skipped: tuple[Skipped, ...]
    columns: tuple[ColumnView, ...]
    findings: tuple[Finding, ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "source": {"name": self.name, "rows": self.rows, "notes": [n._asdict() for n in self.notes]},
            "skipped": [s._asdict() for s in self.skipped],
            "columns": [asdict(c) for c in self.columns],
            "findings": [asdict(f) for f in self.findings],
        }


def inspect_table(table: Table, spec: Spec, run: Run | None = None) -> Inspection:
    """Look at a table as training would take it.

    Args:
        run: also says whose labels look wrong, which rows are worth one, and where its answers are worse.

    Raises:
        SourceError, SpecError: what would also stop a training.
    """
    taken, inputs, outputs = infer_columns(table, spec)
    features = [*outputs, *inputs]
    order = {name: i for i, name in enumerate(table.names)}
    columns = [_view(table, t) for t in sorted(taken, key=lambda t: order.get(t.name, 0))]
    findings = [*look(table, spec, taken, features)]
    if run is not None:
        case = DataContext(table, tuple(taken), tuple(features), np.arange(len(table)))
        weak = weak_slices_of_run(case.taking(_unseen(table, spec, run)), run.predictor)
        wrong = label_error(case, run.predictor, margins_over(run.folder, table))
        for found in (wrong, worth_labelling(case, run.predictor), weak):
            findings += [merge_findings(found)] if found else []
    return Inspection(table.name, len(table), table.notes, table.skipped, tuple(columns), tuple(findings))


def look(table: Table, spec: Spec, taken: Sequence[ColumnRole], features: Sequence[Feature]) -> tuple[Finding, ...]:
    """What is wrong with a whole source, one finding a kind: rows that cannot be read, then all else of the others."""
    case = case_of(table, spec, taken, features)
    whole = DataContext(table, case.taken, case.features, np.arange(len(table)))
    return (*run_checks(whole, (unreadable,)), *run_checks(case, tuple(c for c in CHECKS if c is not unreadable)))


def case_of(table: Table, spec: Spec, taken: Sequence[ColumnRole], features: Sequence[Feature]) -> DataContext:
    """The readable rows of a source, divided as training would divide them; those to be dropped are left out."""
    broken = {row for f in features for row in f.unreadable(table[f.column])}
    places = np.setdiff1d(np.arange(len(table)), np.array(sorted(broken), np.int64))
    read = table.take(places) if len(places) < len(table) else table
    targets = [f for f in features if isinstance(f, Output)]
    split = _split(read, spec, targets)
    case = DataContext(read, tuple(taken), tuple(features), places, split, split_source(spec, read))
    return case.taking(np.flatnonzero(~np.isin(places, spec.data.drop)))


def _split(table: Table, spec: Spec, targets: Sequence[Output]) -> np.ndarray | None:
    """The part of each row, "" for those without an answer; None where there are too few rows to divide."""
    rows = np.flatnonzero(~missing_targets(table, targets))
    split = np.full(len(table), "", "U5")
    try:
        labelled = table.take(rows)
        split[rows] = assign_split(choose_split(spec, labelled, targets), labelled, targets)
    except SourceError:
        return None  # training says so
    return split


def _unseen(table: Table, spec: Spec, run: Run) -> np.ndarray:
    """The rows that a run has not learned from: of its own source those of the test, of any other all."""
    rows, source = np.arange(len(table)), spec.anchored().data.source
    own = isinstance(source, str | Path) and str(source) == str(run.spec.data.source)
    if own or fingerprint_of(table) == run.state.source["fingerprint"]:
        split = run.folder.split()
        return np.setdiff1d(rows, split["row"].to_numpy()[np.isin(split["split"], ("train", "valid"))])
    return rows


def _view(table: Table, taken: ColumnRole) -> ColumnView:
    raw = table[taken.name]
    distinct = raw.n_unique() if isinstance(raw, pl.Series) and not raw.dtype.is_nested() else None
    example = next((str(v) for v in _first(raw) if v is not None), "")
    return ColumnView(taken.name, taken.kind, taken.why, taken.role, int(is_null(raw).sum()), distinct, example[:60])


def _first(raw: Raw) -> list[Any]:
    if isinstance(raw, pl.Series):
        return raw.head(100).to_list()
    if isinstance(raw, np.ndarray) and raw.ndim > 1:
        return [f"{' x '.join(map(str, raw.shape[1:]))} {raw.dtype}"]
    return [getattr(v, "name", v) for v in raw[:100]]
