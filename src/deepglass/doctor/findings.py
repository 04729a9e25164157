"""The findings of a run: those from before training, which its folder keeps, and those of its predictions."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

import numpy as np

from deepglass.config import restore_record
from deepglass.data.batches import Dataset
from deepglass.doctor.base import DataContext, Finding, merge_findings
from deepglass.doctor.checks import READABLE_CHECKS, run_checks
from deepglass.doctor.label_findings import label_findings
from deepglass.doctor.labels import can_be_judged, checked_labels, find_label_issues
from deepglass.features.base import take_raw
from deepglass.files import write_file
from deepglass.objectives.base import embed_dataset
from deepglass.prepare.prepared_data import PreparedData
from deepglass.run.callbacks.margins import read_margins
from deepglass.run.context import RunContext
from deepglass.run.folder import Folder
from deepglass.spec.spec import Spec

FILE = "findings.json"
OF_PREDICTIONS = ("label_error", "weak_slice")  # kinds of findings that need a trained network
MAX_MEDIA = 5_000  # files of a column that are opened; `deepglass inspect` opens more
MAX_LABELS = 10_000  # labels that are checked; `deepglass inspect --run` checks all


class EmbeddedRows(NamedTuple):
    """Rows of the table, (N,), and their embedding, (N, D) float32."""

    rows: np.ndarray
    points: np.ndarray

    def find(self, rows: np.ndarray) -> np.ndarray:
        """Indices of `rows` among these, (n,); -1 for those that are missing."""
        order = np.argsort(self.rows)
        at = np.searchsorted(self.rows, rows, sorter=order).clip(max=len(order) - 1)
        return np.where(self.rows[order[at]] == rows, order[at], -1)


def used_rows(spec: Spec, data: PreparedData) -> DataContext:
    """The rows that a run uses."""
    return DataContext.of(spec, data, MAX_MEDIA).take(np.flatnonzero(data.split != ""))


def before_training(context: DataContext) -> tuple[Finding, ...]:
    """The findings of the rows that a run uses, one per kind."""
    return run_checks(context, READABLE_CHECKS)


def write_findings(folder: Folder, findings: Sequence[Finding]) -> None:
    """Write findings.json of a run folder."""
    content = json.dumps([asdict(f) for f in findings], ensure_ascii=False, indent=1)
    write_file(folder.path / FILE, content + "\n")


def read_findings(folder: Folder) -> tuple[Finding, ...] | None:
    """The findings of a run folder; None without the file.

    Raises:
        SourceError: `damaged-run`, `unreadable-file`.
    """
    for path in folder.files.recorded(FILE):
        records = folder.files.read_recorded(path, list[dict[str, Any]])
        return tuple(restore_record(Finding, r, f"{folder.path.name}/{FILE}[{i}]") for i, r in enumerate(records))
    return None


def findings_of(
    run: RunContext, weak: Sequence[Finding] = (), embedded: EmbeddedRows | None = None
) -> tuple[Finding, ...]:
    """All findings of a trained run, one per kind.

    Args:
        weak: findings of slices of the test rows where its predictions are worse.
        embedded: rows whose embedding is known already.
    """
    before = read_findings(run.folder)
    if before is None:
        before = before_training(used_rows(run.experiment.spec, run.data))
    before = tuple(f for f in before if f.kind not in OF_PREDICTIONS)
    return (*before, *merge_findings((_label_findings(run, embedded), weak)))


def _label_findings(run: RunContext, embedded: EmbeddedRows | None) -> list[Finding]:
    """The labels that look wrong, among at most `MAX_LABELS` rows."""
    data, objective = run.data, run.objective
    outputs = [f for f in data.outputs if f.has_classes]
    if not outputs or not (objective.builds_network or objective.network.features):
        return []
    rows, searched = np.flatnonzero(data.split != ""), ""
    if len(rows) > MAX_LABELS:
        searched = f" among {MAX_LABELS:,} checked"
        if embedded is not None and len(embedded.rows) >= MAX_LABELS:  # a random sample too
            rows = embedded.rows
        rows = np.sort(np.random.default_rng(0).choice(rows, MAX_LABELS, replace=False))
    context = DataContext.of(run.experiment.spec, data, MAX_MEDIA)
    margins = read_margins(run.folder, len(data.split), np.arange(len(data.split)))
    embedding = _embedding(rows, run, embedded)
    findings: list[Finding] = []
    for output in outputs:
        truth = output.encode(take_raw(data.table[output.column], rows))
        labelled = np.flatnonzero(truth.mask & (truth.values > 0))
        labels = truth.values[labelled].astype(np.int64) - 1
        if can_be_judged(labels):
            own = margins[output.name][rows[labelled]] if output.name in margins else None
            if (checked := len(checked_labels(labels, len(output.class_names)))) < len(labels):
                searched = f" among {checked:,} checked, of the most frequent classes"
            errors = find_label_issues(
                embedding[labelled],
                labels,
                output.class_names,
                rows[labelled],
                own,
                random_split=not context.split_source,
            )
            findings += label_findings(context, output.column, errors, searched)
    return findings


def _embedding(rows: np.ndarray, run: RunContext, embedded: EmbeddedRows | None) -> np.ndarray:
    """The embedding (n, D) of rows of the table; only those without a known one pass the network."""
    at = np.full(len(rows), -1) if embedded is None else embedded.find(rows)
    new = at < 0
    if not new.any() and embedded is not None:
        return embedded.points[at]
    device = next(run.objective.parameters()).device
    more = embed_dataset(run.objective, Dataset(run.data.dataset(rows[new]).columns, {}, device))
    points = np.empty((len(rows), more.shape[1]), np.float32)
    points[new] = more
    if embedded is not None:
        points[~new] = embedded.points[at[~new]]
    return points
