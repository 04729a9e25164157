"""Callbacks of the trainer, the record of an evaluation, and the history file."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from deepglass.config import restore_record
from deepglass.documents import parse_json
from deepglass.errors import SourceError
from deepglass.files import append_line, read_file, write_file
from deepglass.training.control import TrainerControl
from deepglass.training.plan import Plan


@dataclass(frozen=True)
class EvaluationRecord:
    """One evaluation: a line of history.jsonl.

    Args:
        step: steps done.
        epoch: epochs done.
        seconds: since training began.
        learning_rate: of the first parameter group, at the last step.
        losses: parameter group -> mean training loss since the last evaluation, weighted by rows; and
            "group/name" -> mean of a value that the objective logs.
        gradient_norm: parameter group -> mean norm of its gradient before clipping, since the last evaluation.
        monitor: value of the metric by which the best weights are chosen.
        valid: output -> metric -> value on the validation rows.
        valid_loss: mean of the training loss on the validation rows; None where it has no such mean.
        best: whether these are the best weights so far.
        event: anything unusual, such as a non-finite loss.
    """

    step: int
    epoch: float
    seconds: float
    learning_rate: float
    losses: Mapping[str, float]
    gradient_norm: Mapping[str, float] = field(default_factory=dict)
    monitor: float | None = None
    valid: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    best: bool = False
    event: str = ""
    valid_loss: float | None = None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


class Callback:
    """Hooks into training; each does nothing by default.

    The order is: `on_fold_start` (cross-validation only), `on_data_ready`, `on_findings`, then the trainer's:
    `on_train_start`, `on_step_end` (at each check of the loss, not at each step), `on_evaluation_end`, `on_replan`,
    `on_diagnostic`, `on_train_end`; then `on_predictions`. `on_phase_start` comes before each phase but training:
    "reading", "checking", "planning" (with a time budget), "validating" (where the last evaluation has more rows than
    those during training), "calibrating", "testing", "baselines", "report".

    Attributes:
        control: commands to the trainer; set before `on_train_start`.
        displays: it only shows what happens, as a progress bar does. An exception switches it off with a
            `CallbackWarning`, and the training goes on; that of another callback ends the training.
        is_recorder: it only records for the report, in files on which no prediction depends. The same holds, but a
            `StorageError` ends the training, and the metrics and a resumed run keep the warning.
        failure: the warning, where such a callback has failed.
    """

    control: TrainerControl
    displays: ClassVar[bool] = False
    is_recorder: ClassVar[bool] = False
    failure: str = ""

    def on_fold_start(self, number: int, folds: int) -> None: ...

    def on_phase_start(self, name: str) -> None: ...

    def on_data_ready(self, prepared: Any) -> None: ...

    def on_findings(self, findings: Any) -> None: ...

    def on_train_start(self, plan: Plan, step: int) -> None: ...

    def on_step_end(self, step: int, plan: Plan, loss: float) -> None: ...

    def on_evaluation_end(self, record: EvaluationRecord) -> None: ...

    def on_replan(self, plan: Plan) -> None: ...

    def on_diagnostic(self, text: str, step: int) -> None: ...

    def on_train_end(self, stop_reason: str) -> None: ...

    def on_predictions(self, split: str, predictions: Mapping[str, Any], truth: Mapping[str, Any]) -> None:
        """Predictions of the trained network for "valid" and "test": output -> arrays, and -> its encoded targets."""

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run needs of this callback, as plain JSON; part of each checkpoint."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Load what `state_dict` gave; {} where it gave nothing. Called before `on_train_start`."""

    def close(self) -> None:
        """Give back the terminal or window of a display that was switched off."""


def total_loss(losses: Mapping[str, float]) -> float:
    """The sum of the groups' losses, without the logged values, which are called "group/name"."""
    return sum(value for name, value in losses.items() if "/" not in name)


class RecordFile:
    """A jsonl file of records with a step, one per line.

    Args:
        path: the file.
        kind: NamedTuple or dataclass with the fields of a record.
        from_step: the step that a resumed run continues from; records of later steps and damaged ones are removed.
        count: number of records at that step, where several can have the same step.
    """

    def __init__(self, path: Path, kind: type, from_step: int = 0, count: int | None = None) -> None:
        self.path = path
        earlier = read_records(path, kind, skip_damaged=True) if from_step else ()
        self.earlier = [r for r in earlier if r["step"] <= from_step][:count]
        self.count = len(self.earlier)
        write_file(path, "".join(json.dumps(r) + "\n" for r in self.earlier))

    def append(self, record: Mapping[str, Any]) -> None:
        """Write a record.

        Raises:
            StorageError: the file cannot be written.
        """
        append_line(self.path, json.dumps(record))
        self.count += 1


class HistoryFile(Callback):
    """Writes each evaluation into history.jsonl; arguments as for `RecordFile`."""

    def __init__(self, path: Path, from_step: int = 0, count: int | None = None) -> None:
        self.file = RecordFile(path, EvaluationRecord, from_step, count)

    def state_dict(self) -> dict[str, Any]:
        return {"count": self.file.count}

    def on_evaluation_end(self, record: EvaluationRecord) -> None:
        self.file.append(record.to_json())


def read_records(path: Path, kind: type, skip_damaged: bool = False) -> Iterator[dict[str, Any]]:
    """The lines of a jsonl file of records, without an incomplete last line; none without the file.

    Args:
        kind: NamedTuple or dataclass with the fields of a record.
        skip_damaged: leave out lines that are no such record.

    Raises:
        SourceError: `unreadable-file` with the line.
    """
    if not path.exists():
        return
    where = f"{path.parent.name}/{path.name}"
    for number, line in enumerate(read_file(path, where, "json_bytes").splitlines(keepends=True), 1):
        if not line.endswith(b"\n"):
            return
        try:
            record = parse_json(line, where, number)
            restore_record(kind, record, f"{where}, line {number}")
            yield record
        except SourceError:
            if not skip_damaged:
                raise
