"""The findings of a run: those from before its training, which its folder keeps, and what its answers add."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import NamedTuple

import numpy as np

from deepglass.data.batches import Dataset
from deepglass.doctor.base import Finding
from deepglass.doctor.base import DataContext, merge_findings
from deepglass.doctor.checks import CHECKS
from deepglass.doctor.checks import run_checks
from deepglass.doctor.label_error import label_findings
from deepglass.doctor.labels import FEWEST
from deepglass.doctor.labels import find_label_issues
from deepglass.doctor.unreadable import unreadable
from deepglass.features.base import take_raw
from deepglass.objectives.base import Objective, embed_dataset
from deepglass.prepare.prepared_data import PreparedData
from deepglass.run.callbacks.margins import margins_of
from deepglass.run.context import RunContext
from deepglass.run.folder import Folder
from deepglass.spec.spec import Spec
from deepglass.training.checkpoint import write_atomic

FILE = "findings.json"
MEDIA = 5_000  # pictures that are opened before a training; `deepglass inspect` opens more
LABELS = 10_000  # labels that are looked at after a training; `deepglass inspect --run` looks at all
READABLE = tuple(check for check in CHECKS if check is not unreadable)  # what cannot be read is left out by then


class EmbeddedRows(NamedTuple):
    """Rows of the table, (N,), and their embedding, (N, D) float32."""

    rows: np.ndarray
    points: np.ndarray

    def find(self, rows: np.ndarray) -> np.ndarray:
        """Indices of `rows` among these, (n,); -1 for those that are missing."""
        order = np.argsort(self.rows)
        at = np.searchsorted(self.rows, rows, sorter=order).clip(max=len(order) - 1)
        return np.where(self.rows[order[at]] == rows, order[at], -1)


def before_training(spec: Spec, prepared: PreparedData) -> tuple[Finding, ...]:
    """What is wrong with the rows that a training is about to use, one finding a kind; it takes seconds."""
    case = DataContext.of(spec, prepared, MEDIA)
    return run_checks(case.taking(np.flatnonzero(prepared.split != "")), READABLE)


def store(folder: Folder, findings: Sequence[Finding]) -> None:
    """Keep findings in a run's folder."""
    content = json.dumps([asdict(f) for f in findings], ensure_ascii=False, indent=1)
    write_atomic(folder.path / FILE, content + "\n")


def stored(folder: Folder) -> tuple[Finding, ...] | None:
    """What `store` kept; None for a run without."""
    path = folder.path / FILE
    if not path.exists():
        return None
    kept = json.loads(path.read_text())
    return tuple(Finding(**{**f, "rows": tuple(f["rows"]), "columns": tuple(f["columns"])}) for f in kept)


def findings_of(
    context: RunContext, weak: Sequence[Finding] = (), embedded: EmbeddedRows | None = None
) -> tuple[Finding, ...]:
    """All findings of a trained run, one a kind.

    Args:
        weak: the slices of the test rows where its predictions are worse.
        embedded: rows whose embedding is at hand.
    """
    spec, data = context.experiment.spec, context.data
    before = stored(context.folder)
    if before is None:
        before = before_training(spec, data)
    case = DataContext.of(spec, data, MEDIA)
    margins = margins_of(context.folder, len(data.split), np.arange(len(data.split)))
    after = [_labels(case, data, context.objective, embedded, margins), weak]
    return (*before, *(merge_findings(findings) for findings in after if findings))


def _labels(
    case: DataContext,
    prepared: PreparedData,
    objective: Objective,
    embedded: EmbeddedRows | None,
    margins: Mapping[str, np.ndarray],
) -> list[Finding]:
    """The labels that look wrong, among some rows where there are many."""
    found: list[Finding] = []
    answers = [f for f in prepared.outputs if f.has_classes]
    if not answers or not (objective.builds_network or objective.network.features):
        return found
    rows = np.flatnonzero(prepared.split != "")
    looked_at = ""
    if len(rows) > LABELS:
        looked_at = f", of {LABELS:,} looked at"
        if embedded is not None and len(embedded.rows) >= LABELS:  # test rows and training rows, both by chance
            rows = embedded.rows
        rows = np.sort(np.random.default_rng(0).choice(rows, LABELS, replace=False))
    embedding = _embedding(rows, prepared, objective, embedded)
    for feature in answers:
        truth = feature.encode(take_raw(prepared.table[feature.column], rows))
        known = np.flatnonzero(truth.mask & (truth.values > 0))
        labels = truth.values[known].astype(np.int64) - 1
        if len(known) >= FEWEST and len(np.unique(labels)) > 1:
            learned = margins[feature.name][rows[known]] if feature.name in margins else None
            errors = find_label_issues(embedding[known], labels, feature.class_names, rows[known], learned)
            found += label_findings(case, feature.column, errors, looked_at)
    return found


def _embedding(
    rows: np.ndarray, prepared: PreparedData, objective: Objective, embedded: EmbeddedRows | None
) -> np.ndarray:
    """The embedding (n, D) of rows of the table; only those without a known one pass the network."""
    at = np.full(len(rows), -1) if embedded is None else embedded.find(rows)
    new = at < 0
    if not new.any() and embedded is not None:
        return embedded.points[at]
    device = next(objective.parameters()).device
    more = embed_dataset(objective, Dataset(prepared.dataset(rows[new]).columns, {}, device))
    points = np.empty((len(rows), more.shape[1]), np.float32)
    points[new] = more
    if embedded is not None:
        points[~new] = embedded.points[at[~new]]
    return points
