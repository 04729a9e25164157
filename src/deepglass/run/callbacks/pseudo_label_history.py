"""What a semi-supervised run answers itself as it learns, counted against the answers that were hidden from it.

The truth is read from the source again and stays here: neither networks nor objective ever see it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from deepglass.features.base import Column, take_raw
from deepglass.objectives._semi import SemiSupervised
from deepglass.objectives.base import inference
from deepglass.prepare.prepared_data import PreparedData
from deepglass.prepare.sources import read_source
from deepglass.run.context import RunContext
from deepglass.spec.spec import Spec
from deepglass.training.callbacks import Callback, EvaluationRecord, read_history
from deepglass.training.checkpoint import storage_error, write_atomic
from deepglass.training.plan import Plan

FILE = "guesses.jsonl"
ROWS = 500  # unlabelled ones that are asked, at most
LEARNED = 20  # rows that are learned from for each that is asked, so that counting costs little


class GuessCounts(Callback):
    """Writes guesses.jsonl, a line at most an evaluation: {"step", "rows", "outputs": {OUTPUT: {"sure": ..., ...}}}.

    `sure` is the share of rows whose guess is learned from, `right` the share of true ones among these and `all_right`
    among all guesses, null where no truth is known; `thresholds` are the classes'.

    Args:
        folder: of the run.
        rows: those that are asked.
        truths: output name -> their true answers, where they are known.
        from_step: of the checkpoint that the run goes on from; lines after it are written again.
    """

    def __init__(
        self,
        folder: Path,
        objective: SemiSupervised,
        prepared: PreparedData,
        rows: np.ndarray,
        truths: Mapping[str, Column],
        device: str,
        from_step: int = 0,
    ) -> None:
        self.path, self.objective, self.truths = folder / FILE, objective, truths
        self.data = prepared.dataset(rows, device)
        self.every, self.last = 1, 0
        kept = [r for r in read_history(self.path) if r["step"] <= from_step] if from_step else []
        self.next = kept[-1]["step"] if kept else 0
        write_atomic(self.path, "".join(json.dumps(r) + "\n" for r in kept))

    def on_train_start(self, plan: Plan, step: int) -> None:
        self.every = math.ceil(LEARNED * len(self.data) / (3 * plan.batch_size))  # learning costs thrice as much
        self.next, self.last = self.next + self.every, plan.last_step

    def on_replan(self, plan: Plan) -> None:
        self.last = plan.last_step

    def on_evaluation_end(self, record: EvaluationRecord) -> None:
        if record.step < min(self.next, self.last):
            return
        self.next = record.step + self.every
        outputs = self.counts()
        line = {"step": record.step, "rows": len(self.data), "outputs": outputs}
        try:
            with self.path.open("a") as file:
                file.write(json.dumps(line) + "\n")
        except OSError as error:
            raise storage_error(self.path, error) from error

    def counts(self) -> dict[str, dict[str, Any]]:
        """Of the network as it is, output -> what is written down."""
        found: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
        with inference(self.objective):
            for batch in self.data.batches(len(self.data)):
                for name, labels in self.objective.pseudo_labels(self.objective.predict(batch)).items():
                    found.setdefault(name, []).append((labels.values.cpu().numpy(), labels.confident.cpu().numpy()))
        thresholds = self.objective.thresholds()
        return {
            name: self._counted(name, parts, thresholds[name]) for name, parts in found.items() if name in thresholds
        }

    def _counted(
        self, name: str, parts: list[tuple[np.ndarray, np.ndarray]], thresholds: torch.Tensor
    ) -> dict[str, Any]:
        values, sure = (np.concatenate(column) for column in zip(*parts, strict=True))
        truth = self.truths.get(name)
        known = truth.mask if truth is not None else np.zeros(len(values), bool)
        right = truth.values == values if truth is not None else known
        return {
            "sure": round(float(sure.mean()), 5),
            "right": _share(right[sure & known]),
            "all_right": _share(right[known]),
            "thresholds": [round(float(t), 5) for t in thresholds],
        }


def guess_counts(context: RunContext, from_step: int = 0) -> list[Callback]:
    """The callback for kinds of learning that answer rows themselves; none for others."""
    objective, data = context.objective, context.data
    if not isinstance(objective, SemiSupervised):
        return []
    rows = asked_rows(data)
    truths = hidden_truths(context.experiment.spec, data, rows)
    return [GuessCounts(context.path, objective, data, rows, truths, context.device, from_step)] if len(rows) else []


def asked_rows(prepared: PreparedData) -> np.ndarray:
    """Some of the training rows that lack an answer."""
    rows = prepared.rows("train")
    known = [f.encode(take_raw(prepared.table[f.column], rows)).mask for f in prepared.outputs]
    lacking = rows[~np.all(known, axis=0)] if known else rows[:0]
    return np.sort(np.random.default_rng(0).permutation(lacking)[:ROWS])


def hidden_truths(spec: Spec, prepared: PreparedData, rows: np.ndarray) -> dict[str, Column]:
    """Output name -> the true answers of rows whose answers `data.num_labels` hides."""
    if not prepared.hidden.any():
        return {}
    table = read_source(spec)
    return {f.name: f.encode(take_raw(table[f.column], prepared.source_rows[rows])) for f in prepared.outputs}


def read_guesses(folder: Path) -> list[dict[str, Any]]:
    """What was counted, an entry an evaluation; empty for other kinds of learning."""
    return read_history(folder / FILE)


def _share(right: np.ndarray) -> float | None:
    return round(float(right.mean()), 5) if len(right) else None
