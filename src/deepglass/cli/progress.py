"""Progress of a training in the terminal."""

from collections.abc import Sequence

from rich.progress import BarColumn, Progress, ProgressColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn

from deepglass.cli.console import err, grid_of, hanging
from deepglass.doctor.base import Finding
from deepglass.formatting import first_names, plain_number
from deepglass.prepare.prepared_data import PreparedData
from deepglass.run.callbacks.log_file import column_groups, data_line, end_lines, plan_lines
from deepglass.training.callbacks import Callback, EvaluationRecord, total_loss
from deepglass.training.plan import Plan

PROGRESS_LINES = 10  # where stderr is no terminal
WIDE = 72  # columns of a terminal from which the bar is long and the time left stands beside it
FINDINGS_IN_NOTES = ("constant", "imbalance")  # the notes or the list of columns name them already
READING_NOTES = ("delimiter", "header", "quote")  # notes on a source that training does not repeat


class ProgressBar(Callback):
    """A progress bar on stderr: time left, loss and first metric; a few lines where stderr is no terminal."""

    displays = True

    def __init__(self) -> None:
        self.progress: Progress | None = None
        self.metric, self.title = "", "training"
        self.last_step, self.next_line, self.share = 1, 0.0, 0.0

    def on_fold_start(self, number: int, folds: int) -> None:
        self.title = f"fold {number + 1} of {folds}"
        err.print(self.title, style="bold")

    def on_phase_start(self, name: str) -> None:
        err.print(f"{name} ...", style="dim")

    def on_data_ready(self, prepared: PreparedData) -> None:
        err.print(data_line(prepared), style="bold")
        grid = grid_of()
        for role, kind, names in column_groups(prepared):
            grid.add_row(f"  {role}", kind, first_names(names, 8))
        err.print(grid)
        for note in prepared.table.notes:
            if note.what not in READING_NOTES:
                err.print(hanging(f"  {note.what}: {note.value} ({note.why})", 4), soft_wrap=True)
        for sentence in prepared.notes:
            err.print(hanging(f"  note: {sentence}", 4), soft_wrap=True)

    def on_findings(self, findings: Sequence[Finding]) -> None:
        for finding in findings:
            if finding.kind not in FINDINGS_IN_NOTES:
                fix = f" (--fix {finding.kind})" if finding.fix.startswith("data.fix") else ""
                err.print(hanging(f"  {finding.kind}: {finding.text}{fix}", 4), soft_wrap=True)

    def on_train_start(self, plan: Plan, step: int) -> None:
        self.start = self.plan = plan
        for text in plan_lines(plan):
            err.print(text)
        self.last_step, self.next_line, self.share = plan.last_step, 0.0, plan.progress(step)
        self.progress = Progress(*_columns(), console=err, transient=True)
        self.task = self.progress.add_task(self.title, total=1.0, metrics="")
        self.progress.update(self.task, completed=self.share)
        self.progress.start()

    def on_replan(self, plan: Plan) -> None:
        self.plan = plan

    def on_step_end(self, step: int, plan: Plan, loss: float) -> None:
        assert self.progress is not None
        self.last_step = plan.last_step
        self.share = max(self.share, plan.progress(step))  # after a non-finite loss the steps go back
        metrics = self._fitting(f"loss {loss:.4f}", self.metric)
        self.progress.update(self.task, completed=self.share, metrics=metrics)

    def _fitting(self, *texts: str) -> str:
        """The texts that have room beside the bar, whole."""
        room = err.width - len(self.title) - sum(width + 1 for width in (_bar_width(), 4, *([7] if _is_wide() else [])))
        chosen = ""
        for text in texts:
            if len(longer := f"{chosen} {text}".strip()) < room:
                chosen = longer
        return chosen

    def on_evaluation_end(self, record: EvaluationRecord) -> None:
        if record.event:
            err.print(hanging(f"  {record.event}", 4))
        values = ((name, metric, v) for name, metrics in record.valid.items() for metric, v in metrics.items())
        if first := next(values, None):  # there is none where no row can be evaluated, or none is finite
            name, metric, value = first
            self.metric = f"{name} {metric} {plain_number(value)}"
        due = record.step >= self.next_line or record.step >= self.last_step
        if not err.is_terminal and record.valid and due:
            loss = total_loss(record.losses)
            err.print(f"  step {record.step}, {record.seconds:.1f} s: loss {loss:.4f}, {self.metric}")
            self.next_line = record.step + self.last_step / PROGRESS_LINES

    def on_diagnostic(self, text: str, step: int) -> None:
        err.print(f"  step {step}, health: {text}", style="yellow", soft_wrap=True)

    def on_train_end(self, reason: str) -> None:
        assert self.progress is not None
        self.progress.stop()
        for text in end_lines(self.start, self.plan, reason):
            err.print(f"  {text}")

    def close(self) -> None:
        if self.progress is not None:
            self.progress.stop()


def _is_wide() -> bool:
    return err.width >= WIDE


def _bar_width() -> int:
    return 20 if _is_wide() else 8


def _columns() -> list[ProgressColumn]:
    """The columns of the bar, as many as a terminal of this width holds."""
    time_left = [TimeRemainingColumn()] if _is_wide() else []
    bar = BarColumn(bar_width=_bar_width())
    return [
        TextColumn("{task.description}"),
        bar,
        TaskProgressColumn(),
        *time_left,
        TextColumn("{task.fields[metrics]}"),
    ]
