"""What a trainer tells while it works; a callback hears what it wants to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from deepglass.training.checkpoint import storage_error, write_atomic
from deepglass.training.plan import Plan


@dataclass(frozen=True)
class EvaluationRecord:
    """One evaluation: a line of history.jsonl.

    Args:
        seconds: since training began.
        losses: group -> mean training loss since the last evaluation.
        monitor: the figure by which the best weights are chosen.
        valid: output -> metric -> value.
        best: whether these are the best weights so far.
        event: what happened out of the ordinary, such as a non-finite loss.
    """

    step: int
    epoch: float
    seconds: float
    learning_rate: float
    losses: Mapping[str, float]
    monitor: float | None = None
    valid: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    best: bool = False
    event: str = ""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


class Callback:
    """Hears everything and does nothing.

    Before training come `fold` (where there are several), `prepared` with the data and `examined` with what was found
    in them; the rest is told by the trainer.
    """

    def on_fold_start(self, number: int, folds: int) -> None: ...

    def on_data_ready(self, prepared: Any) -> None: ...

    def on_findings(self, findings: Any) -> None: ...

    def on_train_start(self, plan: Plan, step: int) -> None: ...

    def on_step_end(self, step: int, plan: Plan, loss: float) -> None: ...

    def on_evaluation_end(self, record: EvaluationRecord) -> None: ...

    def on_replan(self, plan: Plan) -> None: ...

    def on_diagnostic(self, text: str, step: int) -> None: ...

    def on_train_end(self, reason: str) -> None: ...


def total_loss(losses: Mapping[str, float]) -> float:
    """The groups' losses together, without the figures that are only logged, which are called "group/name"."""
    return sum(value for name, value in losses.items() if "/" not in name)


class HistoryFile(Callback):
    """Writes each record as a line of a jsonl file.

    Args:
        path: the file; lines of steps after `from_step` are cut off, since a resumed run writes them again.
    """

    def __init__(self, path: Path, from_step: int = 0) -> None:
        self.path = path
        kept = [r for r in read_history(path) if r["step"] <= from_step] if from_step else []
        write_atomic(path, "".join(json.dumps(r) + "\n" for r in kept))

    def on_evaluation_end(self, record: EvaluationRecord) -> None:
        try:
            with self.path.open("a") as file:
                file.write(json.dumps(record.to_json()) + "\n")
        except OSError as error:
            raise storage_error(self.path, error) from error


def read_history(path: Path) -> list[dict[str, Any]]:
    """The records of a history file; a last line that was cut off is left out."""
    if not path.exists():
        return []
    records = []
    for line in path.read_text().splitlines():
        try:
            records.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return records
