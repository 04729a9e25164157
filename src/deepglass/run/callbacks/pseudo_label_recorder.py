"""Records the accuracy of the pseudo-labels of a semi-supervised run, on rows whose labels are hidden from it.

The true labels are read from the source again and stay here: neither network nor objective sees them.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from deepglass.features.base import Column, take_raw
from deepglass.objectives._semi import SemiSupervised
from deepglass.objectives.base import inference
from deepglass.prepare.derived_columns import join_columns
from deepglass.prepare.prepared_data import PreparedData
from deepglass.prepare.sources import read_source
from deepglass.run.context import RunContext
from deepglass.training.callbacks import Callback, EvaluationRecord, RecordFile
from deepglass.training.plan import Plan, steps_per_record

FILE = "pseudo_labels.jsonl"
MAX_ROWS = 500  # unlabelled rows that are predicted
ROWS_PER_QUERY = 20  # rows learned from for each prediction, so that recording costs little


class PseudoLabelCounts(NamedTuple):
    """The pseudo-labels of one output.

    Args:
        coverage: share of the rows whose pseudo-label is learned from.
        accuracy_above_threshold: accuracy on these; None where no true labels are available.
        accuracy: accuracy on all rows; None as above.
        thresholds: of the confidence, per class.
    """

    coverage: float
    accuracy_above_threshold: float | None
    accuracy: float | None
    thresholds: Sequence[float]


class PseudoLabelRecord(NamedTuple):
    """A line of pseudo_labels.jsonl: output name -> its pseudo-labels at a step, on so many rows."""

    step: int
    rows: int
    outputs: Mapping[str, PseudoLabelCounts]


class PseudoLabelRecorder(Callback):
    """Writes pseudo_labels.jsonl: a `PseudoLabelRecord` a line, at most one an evaluation.

    Args:
        context: of the run.
        rows: those that are predicted.
        from_step: of the checkpoint that the run resumes from; lines after it are written again.
    """

    is_recorder = True

    def __init__(self, context: RunContext, objective: SemiSupervised, rows: np.ndarray, from_step: int) -> None:
        self.file, self.objective = RecordFile(context.path / FILE, PseudoLabelRecord, from_step), objective
        self.data = context.data.dataset(rows, context.device)
        self.truths = _hidden_targets(context, rows)
        self.every, self.last = 1, 0
        self.next = self.file.earlier[-1]["step"] if self.file.earlier else 0

    def on_train_start(self, plan: Plan, step: int) -> None:
        self.every = steps_per_record(plan, len(self.data), ROWS_PER_QUERY)
        self.next, self.last = self.next + self.every, plan.last_step

    def on_replan(self, plan: Plan) -> None:
        self.last = plan.last_step

    def on_evaluation_end(self, record: EvaluationRecord) -> None:
        if record.step < min(self.next, self.last):
            return
        self.next = record.step + self.every
        self.file.append({"step": record.step, "rows": len(self.data), "outputs": self.counts()})

    def counts(self) -> dict[str, dict[str, Any]]:
        """The content of a line: output -> coverage, accuracies and thresholds."""
        batches: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
        with inference(self.objective):
            for batch in self.data.batches(len(self.data)):
                for name, labels in self.objective.pseudo_labels(self.objective.predict(batch)).items():
                    batches.setdefault(name, []).append((labels.values.cpu().numpy(), labels.confident.cpu().numpy()))
        thresholds = self.objective.thresholds()
        return {n: self._counted(n, parts, thresholds[n]) for n, parts in batches.items() if n in thresholds}

    def _counted(
        self, name: str, parts: list[tuple[np.ndarray, np.ndarray]], thresholds: torch.Tensor
    ) -> dict[str, Any]:
        values, sure = (np.concatenate(column) for column in zip(*parts, strict=True))
        truth = self.truths.get(name)
        labelled = truth.mask if truth is not None else np.zeros(len(values), bool)
        right = truth.values == values if truth is not None else labelled
        return {
            "coverage": round(float(sure.mean()), 5),
            "accuracy_above_threshold": _share(right[sure & labelled]),
            "accuracy": _share(right[labelled]),
            "thresholds": [round(float(t), 5) for t in thresholds],
        }


def pseudo_label_recorder(context: RunContext, from_step: int = 0) -> list[Callback]:
    """The recorder, for semi-supervised objectives; [] for others."""
    objective = context.objective
    if not context.experiment.spec.training.record or not isinstance(objective, SemiSupervised):
        return []
    rows = _unlabelled_rows(context.data)
    return [PseudoLabelRecorder(context, objective, rows, from_step)] if len(rows) else []


def _unlabelled_rows(prepared: PreparedData) -> np.ndarray:
    """Some of the training rows without a label."""
    rows = prepared.rows("train")
    masks = [f.encode(take_raw(prepared.table[f.column], rows)).mask for f in prepared.outputs]
    lacking = rows[~np.all(masks, axis=0)] if masks else rows[:0]
    return np.sort(np.random.default_rng(0).permutation(lacking)[:MAX_ROWS])


def _hidden_targets(context: RunContext, rows: np.ndarray) -> dict[str, Column]:
    """Output name -> the true labels of rows whose labels the label budget hides."""
    if not context.data.hidden.any():
        return {}
    outputs, source_rows = context.data.outputs, context.data.source_rows[rows]
    table = join_columns(read_source(context.experiment.spec), outputs)
    return {f.name: f.encode(take_raw(table[f.column], source_rows)) for f in outputs}


def _share(right: np.ndarray) -> float | None:
    return round(float(right.mean()), 5) if len(right) else None
