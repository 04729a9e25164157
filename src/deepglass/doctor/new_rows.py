"""New rows beside a run: what predicting would say of them, how they differ from its training rows, labels and slices.

Kinds and roles of the columns are those of the run; nothing is inferred anew.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import polars as pl

from deepglass.data.missing import is_null
from deepglass.data.table import Note, Table
from deepglass.data.trained_rows import split_of
from deepglass.doctor.base import DataContext, Finding, merge_findings
from deepglass.doctor.checks import CHECKS, run_checks
from deepglass.doctor.findings import used_rows
from deepglass.doctor.inspect import ColumnSummary, Inspection, column_summary
from deepglass.doctor.label_findings import label_error, label_note, worth_labelling
from deepglass.doctor.reference import (
    MIN_MISSING,
    MeasureComparison,
    ReferenceMeasure,
    all_measures,
    compare,
    missing_bound,
    read_reference,
    reference_of,
)
from deepglass.doctor.weak_slice import weak_slices_of_run
from deepglass.errors import SourceError
from deepglass.features.base import Column, Feature
from deepglass.formatting import plain_percent
from deepglass.prepare.columns import ColumnRole
from deepglass.prepare.new_rows import RowReader
from deepglass.run.run import Run

ROW_CHECKS = ("unreadable", "altered", "duplicate", "mixed_encoding", "mixed_language", "odd_size")
"""Checks of rows by themselves; the others are of a training."""
MAX_EXAMPLES, MAX_TRIED = 3, 500  # unseen values that are named; different values among which they are searched


class NewRows(NamedTuple):
    """New rows as a run reads them.

    Args:
        table: with the columns of the inputs, absent ones as missing values.
        columns: encoded inputs.
        absent: columns that training had and the rows lack.
        unreadable: what predicting would refuse, in words.
        notes: what predicting would note, with the number of rows.
    """

    table: Table
    columns: Mapping[str, Column]
    absent: tuple[str, ...]
    unreadable: tuple[str, ...]
    notes: Mapping[str, int]


def inspect_new_rows(table: Table, run: Run) -> Inspection:
    """Inspect rows that are not the run's source.

    Raises:
        SourceError: as `Run.predict` for rows without any column of the run.
    """
    reader = run.predictor.reader
    given = reader.table(table)
    rows = _read(reader, given)
    outputs = [f for f in run.predictor.outputs if {*f.source_columns} <= {*given.columns}]
    features = [*outputs, *run.predictor.inputs]
    context = DataContext(rows.table, run.state.column_roles, tuple(features), np.arange(len(given)))
    reference, origin = _reference(run)
    comparisons = compare(reference, all_measures(context)) if reference else []
    trained = np.isin(split_of(run.folder.lineage(run.state), given), ("train", "valid"))
    notes = [*given.notes, origin]
    if trained.any():
        text = f"{int(trained.sum()):,} of these {len(given):,} rows"
        notes.append(Note("learned from", text, "by the content of their inputs; they are not among the weak slices"))
    notes += [label_note(run.predictor, context.table, output.name) for output in outputs if output.has_classes]
    findings = [
        *_refusals(rows),
        *_unseen(context, run.predictor.inputs, rows),
        *_drift(context, comparisons, _missing(run, rows)),
        *run_checks(context, tuple(check for check in CHECKS if check.__name__ in ROW_CHECKS)),
        *merge_findings((label_error(context, run.predictor, {}), worth_labelling(context, run.predictor))),
        *weak_slices_of_run(context.take(np.flatnonzero(~trained)), run.predictor),
    ]
    columns = tuple(_summaries(given, run.state.column_roles, comparisons, rows))
    return Inspection(given.name, len(given), tuple(notes), given.skipped, columns, tuple(findings))


def _read(reader: RowReader, table: Table) -> NewRows:
    """The rows, with everything that predicting refuses collected instead of raised."""
    absent = reader.absent_columns(table)
    before, allowed = reader.notes.copy(), reader.allow_missing
    reader.allow_missing = allowed | frozenset(absent)
    try:
        rows = reader.read(table)
        columns = reader.encode(rows)
        unreadable = tuple(error.message for error in reader.unreadable_columns(rows, columns))
        notes = reader.notes - before
    finally:
        reader.notes, reader.allow_missing = before, allowed
    return NewRows(rows, columns, tuple(absent), unreadable, notes)


def _reference(run: Run) -> tuple[list[ReferenceMeasure], Note]:
    """What new rows are compared with, and where it comes from."""
    stored = read_reference(run.folder)
    if stored is None:
        try:
            stored = reference_of(used_rows(run.state.experiment.spec, run.context.data))
        except SourceError as error:
            reason = f"{run.folder.name} has no reference.json, and its data cannot be read: {error}"
            return [], Note("drift", "not tested", reason)
    count = max((measure.num_values for measure in stored), default=0)
    return stored, Note("compared with", f"{count:,} training rows of {run.folder.name}", "each column by itself")


def _refusals(rows: NewRows) -> Iterator[Finding]:
    """What predicting would refuse or leave out."""
    if rows.absent:
        names = ", ".join(rows.absent)
        text = f"predicting refuses these rows, which lack {names}; --allow-missing takes them as missing values"
        yield Finding("missing_column", (), rows.absent, 1.0, text, "")
    for text in rows.unreadable:
        yield Finding("unreadable_column", (), (), 1.0, f"predicting refuses these rows: {text}", "")
    unused = [note for note in rows.notes if note.endswith("is not used")]
    if unused:
        yield Finding("unused_column", (), (), 1.0, "; ".join(unused), "")


def _unseen(context: DataContext, inputs: Sequence[Feature], rows: NewRows) -> Iterator[Finding]:
    """Values that the run has not learned, counted."""
    texts, columns = [], []
    for feature in inputs:
        raw = context.table[feature.column]
        for what, count in feature.count_anomalies(raw).items():
            examples = ", ".join(_examples(feature, raw)) if isinstance(raw, pl.Series) else ""
            text = f"{feature.name}: {what} in {count:,} of {len(raw):,} rows"
            texts.append(f"{text}, such as {examples}" if examples else text)
            columns.append(feature.column)
    if texts:
        yield context.finding("unseen", [], columns, 1.0, "; ".join(texts))


def _examples(feature: Feature, raw: pl.Series) -> Iterator[str]:
    count = 0
    for value in raw.drop_nulls().unique(maintain_order=True).head(MAX_TRIED):
        if count < MAX_EXAMPLES and feature.count_anomalies(pl.Series(raw.name, [value], raw.dtype)):
            count += 1
            yield repr(value)


def _missing(run: Run, rows: NewRows) -> Iterator[tuple[str, str]]:
    """Inputs with another share of missing values than in training, and the two shares."""
    bound = missing_bound(len(rows.table), run.state.source["rows"], len(rows.columns))
    for feature in run.predictor.inputs:
        share, before = float(is_null(rows.table[feature.column]).mean()), run.state.missing.get(feature.name)
        if before is not None and feature.column not in rows.absent and abs(share - before) > max(MIN_MISSING, bound):
            yield (
                feature.column,
                f"{feature.name}: {plain_percent(before)} missing in training, {plain_percent(share)} here",
            )


def _drift(
    context: DataContext, comparisons: Sequence[MeasureComparison], missing: Iterator[tuple[str, str]]
) -> Iterator[Finding]:
    """One finding of all columns whose distribution differs."""
    drifting = sorted((c for c in comparisons if c.drifts), key=lambda c: -c.distance)
    texts = [(c.column, f"{c.title}: {c.difference} ({c.evidence})") for c in drifting] + list(missing)
    if texts:
        confidence = max((min(c.distance, 1.0) for c in drifting), default=0.5)
        columns = list(dict.fromkeys(column for column, _ in texts))
        yield context.finding("drift", [], columns, confidence, "; ".join(text for _, text in texts))


def _summaries(
    table: Table, roles: Sequence[ColumnRole], comparisons: Sequence[MeasureComparison], rows: NewRows
) -> Iterator[ColumnSummary]:
    """The columns of the run that the rows have, with the evidence of their comparison."""
    by_column: dict[str, list[MeasureComparison]] = {}
    for comparison in comparisons:
        by_column.setdefault(comparison.column, []).append(comparison)
    for role in roles:
        if role.name not in table.columns:
            continue
        why = "as in the run"
        if role.role in ("input", "output") and (own := by_column.get(role.name)):
            largest = max(own, key=lambda c: c.distance)
            why = f"{'drifts' if largest.drifts else 'no drift'}: {largest.evidence}"
        elif role.role == "input":
            num_values = int((~is_null(table[role.name])).sum())
            why = f"as in the run; not compared ({num_values:,} values)"
        yield column_summary(table, role._replace(why=why))
