"""What `deepglass inspect` shows of a source: kind and role of each column, and the findings."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl

from deepglass.data.missing import is_null
from deepglass.data.table import Note, Skipped, Table
from deepglass.doctor.base import DataContext, Finding, merge_findings, split_source
from deepglass.doctor.checks import READABLE_CHECKS, run_checks
from deepglass.doctor.label_findings import label_error, worth_labelling
from deepglass.doctor.media_items import unreadable
from deepglass.doctor.weak_slice import weak_slices_of_run
from deepglass.errors import SourceError
from deepglass.features.base import Feature, Raw
from deepglass.features.outputs.base import Output
from deepglass.prepare.columns import ColumnRole, infer_columns
from deepglass.prepare.derived_columns import join_columns
from deepglass.prepare.prepared_data import missing_targets
from deepglass.prepare.rows import assign_split, choose_split
from deepglass.run.callbacks.margins import margins_for_table
from deepglass.run.run import Run
from deepglass.spec.spec import Spec
from deepglass.web import NotebookBlock, notebook_html


@dataclass(frozen=True)
class ColumnSummary:
    """A column: kind and role with their reason, missing and distinct values, an example."""

    name: str
    kind: str
    why: str
    role: str
    missing: int
    distinct: int | None
    example: str


@dataclass(frozen=True)
class Inspection:
    """The result of `deepglass inspect`."""

    name: str
    rows: int
    notes: tuple[Note, ...]
    skipped: tuple[Skipped, ...]
    columns: tuple[ColumnSummary, ...]
    findings: tuple[Finding, ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "source": {"name": self.name, "rows": self.rows, "notes": [n._asdict() for n in self.notes]},
            "skipped": [s._asdict() for s in self.skipped],
            "columns": [asdict(c) for c in self.columns],
            "findings": [asdict(f) for f in self.findings],
        }

    def _repr_html_(self) -> str:
        """For notebooks: columns, then notes and findings."""
        columns = [[c.name, c.kind, c.role, c.missing or "", c.example, c.why] for c in self.columns]
        notes = [[n.what, n.value, n.why] for n in self.notes] + [["left out", s.name, s.reason] for s in self.skipped]
        return notebook_html(
            NotebookBlock(
                self.name, f"{self.rows:,} rows", ["column", "kind", "role", "missing", "example", "why"], columns
            ),
            *([NotebookBlock("How it was read", "", ["what", "value", "why"], notes)] if notes else ()),
            findings_block(self.findings),
        )


def findings_block(findings: Sequence[Finding]) -> NotebookBlock:
    """Findings as a table, for notebooks."""
    rows = [[f.kind, f.text, f.fix] for f in findings]
    return NotebookBlock("Findings", "" if rows else "none", ["kind", "what", "fix"], rows)


def inspect_table(table: Table, spec: Spec, run: Run | None = None) -> Inspection:
    """Inspect a table as training would take it.

    Args:
        run: that was trained on this table; adds label errors, rows worth a label, and weak slices.

    Raises:
        SourceError, SpecError: what would also stop a training.
    """
    roles, inputs, outputs = infer_columns(table, spec)
    features = [*outputs, *inputs]
    held_out = None if run is None else _held_out(table, run)
    table = join_columns(table, features)
    order = {name: i for i, name in enumerate(table.names)}
    columns = [column_summary(table, r) for r in sorted(roles, key=lambda r: order.get(r.name, 0))]
    findings = [*check_source(table, spec, roles, features)]
    if run is not None and held_out is not None:
        context = DataContext(table, tuple(roles), tuple(features), np.arange(len(table)))
        weak = weak_slices_of_run(context.take(held_out), run.predictor)
        margins = margins_for_table(run.folder, table, run.state)
        errors = label_error(context, run.predictor, margins, not split_source(run.state.experiment.split, table))
        findings += merge_findings((errors, worth_labelling(context, run.predictor), weak))
    return Inspection(table.name, len(table), table.notes, table.skipped, tuple(columns), tuple(findings))


def check_source(
    table: Table, spec: Spec, roles: Sequence[ColumnRole], features: Sequence[Feature]
) -> tuple[Finding, ...]:
    """The findings of a whole source, one per kind: unreadable rows, then those of the readable rows."""
    context = build_context(table, spec, roles, features)
    whole = DataContext(table, context.roles, context.features, np.arange(len(table)))
    return (*run_checks(whole, (unreadable,)), *run_checks(context, READABLE_CHECKS))


def build_context(table: Table, spec: Spec, roles: Sequence[ColumnRole], features: Sequence[Feature]) -> DataContext:
    """The readable rows of a source that are not dropped, with the split that training would make."""
    broken = {row for f in features for row in f.unreadable(table[f.column])}
    rows = np.delete(np.arange(len(table)), np.array(sorted(broken), np.int64))
    readable = table.take(rows) if len(rows) < len(table) else table
    outputs = [f for f in features if isinstance(f, Output)]
    split = _split(readable, spec, outputs)
    source = split_source(choose_split(spec, readable, outputs), readable)
    context = DataContext(readable, tuple(roles), tuple(features), rows, split, source)
    return context.take(np.flatnonzero(~np.isin(rows, spec.data.drop)))


def _split(table: Table, spec: Spec, outputs: Sequence[Output]) -> np.ndarray | None:
    """The split of each row, "" for those without a label; None where there are too few rows."""
    rows = np.flatnonzero(~missing_targets(table, outputs))
    split = np.full(len(table), "", "U5")
    try:
        labelled = table.take(rows)
        split[rows] = assign_split(choose_split(spec, labelled, outputs), labelled, outputs)
    except SourceError:
        return None  # training reports it
    return split


def _held_out(table: Table, run: Run) -> np.ndarray:
    """The rows of a run's own source that it was not trained on."""
    rows, split = np.arange(len(table)), run.folder.split()
    return rows[~np.isin(rows, split["row"].to_numpy()[np.isin(split["split"], ("train", "valid"))])]


def column_summary(table: Table, role: ColumnRole) -> ColumnSummary:
    """What is shown of a column."""
    raw = table[role.name]
    distinct = raw.n_unique() if isinstance(raw, pl.Series) and not raw.dtype.is_nested() else None
    example = next((str(v) for v in _first(raw) if v is not None), "")
    return ColumnSummary(role.name, role.kind, role.why, role.role, int(is_null(raw).sum()), distinct, example[:60])


def _first(raw: Raw) -> list[Any]:
    if isinstance(raw, pl.Series):
        return raw.head(100).to_list()
    if isinstance(raw, np.ndarray) and raw.ndim > 1:
        return [f"{' x '.join(map(str, raw.shape[1:]))} {raw.dtype}"]
    return [getattr(v, "name", v) for v in raw[:100]]
