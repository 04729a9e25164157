"""log.txt of a run folder: the data, the warnings, each evaluation, how training ended, and errors."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from deepglass.files import append_line
from deepglass.formatting import plain_duration, plain_number
from deepglass.prepare.prepared_data import PreparedData
from deepglass.training.callbacks import Callback, EvaluationRecord, total_loss
from deepglass.training.plan import Plan

END_REASONS = {
    "early": "stopped early: no improvement",
    "interrupted": "interrupted: the best weights so far are kept",
}


class LogFile(Callback):
    """Appends lines to a text file.

    Lines are buffered until `open`, since the run folder is made later.
    """

    def __init__(self) -> None:
        self.path: Path | None = None
        self._waiting: list[str] = []

    def open(self, path: Path) -> None:
        """Open a file and write the date and the buffered lines."""
        self.path = path
        waiting, self._waiting = self._waiting, []
        self.lines(f"-- {datetime.now().astimezone():%Y-%m-%d %H:%M:%S %z}", *waiting)

    def lines(self, *texts: str) -> None:
        """Append lines.

        Raises:
            StorageError: the file cannot be written.
        """
        if self.path is None:
            self._waiting += texts
        elif texts:
            append_line(self.path, "\n".join(texts))

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Write an exception that leaves the block, and raise it."""
        try:
            yield
        except Exception as error:
            if self.path is not None:
                self.lines(f"error: {error}")
            raise

    def on_data_ready(self, prepared: PreparedData) -> None:
        table = prepared.table
        self.lines(
            data_line(prepared),
            *(f"  {role:<8} {kind:<9} {', '.join(names)}" for role, kind, names in column_groups(prepared)),
            *(f"  {note.what}: {note.value} ({note.why})" for note in table.notes),
            *(f"  left out: {skipped.name} ({skipped.reason})" for skipped in table.skipped),
            *(f"  note: {sentence}" for sentence in prepared.notes),
        )

    def on_findings(self, findings: Sequence[Any]) -> None:
        self.lines(*(f"  {finding.kind}: {finding.text}" for finding in findings))

    def on_train_start(self, plan: Plan, step: int) -> None:
        self.start = self.plan = plan
        self.lines(*plan_lines(plan), *([f"  resumed at step {step}"] if step else []))

    def on_evaluation_end(self, record: EvaluationRecord) -> None:
        self.lines(evaluation_line(record))

    def on_diagnostic(self, text: str, step: int) -> None:
        self.lines(f"  step {step}, health: {text}")

    def on_replan(self, plan: Plan) -> None:
        self.plan = plan

    def on_train_end(self, reason: str) -> None:
        texts = end_lines(self.start, self.plan, reason) or [reason]
        self.lines(f"training ended ({'; '.join(texts)})")


def data_line(prepared: PreparedData) -> str:
    """`houses.csv: 200 rows (160 train, 20 valid, 20 test)`."""
    counts = ", ".join(f"{int((prepared.split == p).sum()):,} {p}" for p in ("train", "valid", "test"))
    return f"{prepared.table.name}: {len(prepared.table):,} rows ({counts})"


def column_groups(prepared: PreparedData) -> list[tuple[str, str, list[str]]]:
    """Columns grouped by role and kind, (role, kind, names); ignored ones with the reason."""
    groups: dict[tuple[str, str], list[str]] = {}
    for column in prepared.column_roles:
        ignored = column.role == "ignored"
        name = f"{column.name} ({column.why})" if ignored else column.name
        groups.setdefault((column.role, "" if ignored else column.kind), []).append(name)
    return [(role, kind, names) for (role, kind), names in groups.items()]


def plan_lines(plan: Plan) -> list[str]:
    """Length of training; optimizer, precision and device."""
    epochs = (plan.last_step - plan.first_step) / plan.batches_per_epoch
    length = count(epochs, "epoch") if plan.budget is None else plain_duration(plan.budget)
    threads = f" ({count(plan.threads, 'thread')})" if plan.device == "cpu" else ""
    sample = f"  evaluated on {plan.evaluation_rows or 0:,} of the validation rows, at the end on all of them"
    stage = f", a further stage from step {plan.first_step:,} on" if plan.stages else ""
    return [
        f"training for {length}: {count(plan.last_step, 'step')} of {count(plan.batch_size, 'row')}{stage}",
        f"  {plan.optimizer} at {plan.learning_rate:g}, {plan.precision}, {plan.device}{threads}",
        *([sample] if plan.evaluation_rows else []),
        *([f"  note: {plan.budget_warning}"] if plan.budget_warning else []),
    ]


def end_lines(start: Plan, end: Plan, reason: str) -> list[str]:
    """Why training ended, where it is not by its plan, and what `start` did not say about the time budget.

    Args:
        start, end: the plan when training began and when it ended.
    """
    warning = end.budget_warning if reason == "done" and end.budget_warning != start.budget_warning else None
    return [*([END_REASONS[reason]] if reason in END_REASONS else []), *([f"note: {warning}"] if warning else [])]


def evaluation_line(record: EvaluationRecord) -> str:
    """Step, time, loss, the first metric of each output, and the event if there was one."""
    metrics = [
        f"{name} {next(iter(m))} {plain_number(next(iter(m.values())))}" for name, m in record.valid.items() if m
    ]
    parts = [f"loss {total_loss(record.losses):.4f}", *metrics, *([record.event] if record.event else [])]
    return f"  step {record.step}, epoch {record.epoch:.3g}, {record.seconds:.1f} s: {', '.join(parts)}"


def count(n: float, noun: str) -> str:
    """`1 step`, `1,200 steps`, `2.5 epochs`."""
    return f"{n:,.3g} {noun}s" if n != int(n) else f"{int(n):,} {noun}{'' if n == 1 else 's'}"
