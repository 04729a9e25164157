"""What the command line shows: the progress bar, tables, answers, pictures drawn in the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from rich.box import SIMPLE
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table as Grid

from deepglass.run.plain import answer_text, short_figure, short_span
from deepglass.run.prepare import Prepared
from deepglass.run.run import Run
from deepglass.training.events import Listener, Record
from deepglass.training.plan import Plan
from deepglass.understand.inspect import Inspection

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)
SHADES = " .:-=+*#%@"


class Bar(Listener):
    """A progress bar on stderr: time left, loss and the main figure; a line an event where stderr is no terminal."""

    def __init__(self) -> None:
        self.progress: Progress | None = None
        self.figure = ""

    def prepared(self, prepared: Prepared) -> None:
        counts = {p: int((prepared.split == p).sum()) for p in ("train", "valid", "test")}
        err.print(
            f"[bold]{prepared.table.name}[/]: {len(prepared.table):,} rows "
            f"({counts['train']:,} train, {counts['valid']:,} valid, {counts['test']:,} test)"
        )
        kinds: dict[str, list[str]] = {}
        for taken in prepared.taken:
            kinds.setdefault(f"{taken.role} {taken.kind}" if taken.role != "ignored" else "ignored", []).append(
                taken.name
            )
        for kind, names in kinds.items():
            listed = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
            err.print(f"  {kind}: {listed}", markup=False)
        for note in prepared.notes:
            err.print(f"  note: {note}", markup=False)

    def started(self, plan: Plan, step: int) -> None:
        length = f"{plan.budget:g} s" if plan.budget else f"{plan.epochs:.3g} epochs"
        err.print(
            f"training for {length}: {plan.last_step:,} steps of {plan.batch_size} rows, {plan.optimizer} "
            f"{plan.learning_rate:g}, {plan.precision}, {plan.device}, {plan.threads} threads"
        )
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[figures]}"),
        )
        self.progress = Progress(*columns, console=err, transient=True)
        self.task = self.progress.add_task("training", total=plan.last_step, completed=step, figures="")
        self.progress.start()

    def stepped(self, step: int, plan: Plan, loss: float) -> None:
        assert self.progress is not None
        self.progress.update(self.task, total=plan.last_step, completed=step, figures=f"loss {loss:.4f} {self.figure}")

    def evaluated(self, record: Record) -> None:
        if record.event:
            err.print(f"  {record.event}")
        for name, figures in record.valid.items():
            metric, value = next(iter(figures.items()))
            self.figure = f"{name} {metric} {short_figure(value)}"
            break
        if not err.is_terminal and record.valid:
            loss = sum(record.losses.values())
            err.print(f"  step {record.step}, {record.seconds:.1f} s: loss {loss:.4f}, {self.figure}")

    def finished(self, reason: str) -> None:
        assert self.progress is not None
        self.progress.stop()
        words = {
            "early": "stopped early: no improvement",
            "interrupted": "interrupted: the best weights so far are kept",
        }
        if reason in words:
            err.print(f"  {words[reason]}")


def show_run(run: Run) -> None:
    """A finished run's figures, on stdout."""
    metrics = run.metrics
    for name, figures in (metrics.get("test") or metrics.get("valid") or {}).items():
        compared = metrics.get("baselines", {}).get(name, {})
        grid = Grid(
            title=f"{name} on {'test' if metrics.get('test') else 'validation'} rows", title_justify="left", box=SIMPLE
        )
        grid.add_column("")
        grid.add_column("this run", justify="right", style="bold")
        for baseline in compared:
            grid.add_column(baseline.replace("_", " "), justify="right")
        for metric, value in figures.items():
            others = (short_figure(b[metric]) if metric in b else "" for b in compared.values())
            grid.add_row(metric, short_figure(value), *others)
        out.print(grid)
    seconds = metrics["seconds"]
    out.print(
        f"{metrics['parameters']:,} weights, {short_span(seconds['train'])} of training, "
        f"{short_span(seconds['total'])} in all"
    )
    report = run.path / "report.html"
    out.print(f"run: {run.path}" + (f"   report: {report}" if report.exists() else ""), soft_wrap=True)


def show_inspection(found: Inspection) -> None:
    out.print(f"[bold]{found.name}[/]: {found.rows:,} rows")
    for note in found.notes:
        out.print(f"  {note.what}: {note.value} ({note.why})", markup=False)
    for skipped in found.skipped[:20]:
        out.print(f"  left out: {skipped.name} ({skipped.reason})", markup=False)
    grid = Grid(box=SIMPLE)
    for title in ("column", "kind", "role", "missing", "distinct", "example", "why"):
        grid.add_column(title, overflow="fold")
    for c in found.columns:
        grid.add_row(c.name, c.kind, c.role, str(c.missing or ""), str(c.distinct or ""), c.example, c.why)
    out.print(grid)
    for finding in found.findings:
        out.print(f"  {finding.kind}: {finding.text}", markup=False)


def show_comparison(compared: Mapping[str, Mapping[str, Any]]) -> None:
    grid = Grid(title="test figures", title_justify="left", box=SIMPLE)
    grid.add_column("")
    for path in compared:
        grid.add_column(path, justify="right", overflow="fold")
    figures = {f"{o}.{m}" for c in compared.values() for o, ms in c["test"].items() for m in ms}
    for key in sorted(figures):
        output, _, metric = key.rpartition(".")
        values = [c["test"].get(output, {}).get(metric) for c in compared.values()]
        grid.add_row(key, *("" if v is None else short_figure(v) for v in values))
    grid.add_row("seconds of training", *(f"{c['seconds']['train']:.1f}" for c in compared.values()))
    grid.add_row("weights", *(f"{c['parameters']:,}" for c in compared.values()))
    for key in next(iter(compared.values()))["settings"]:
        grid.add_row(
            key, *(str(c["settings"][key]) if c["settings"][key] is not None else "default" for c in compared.values())
        )
    out.print(grid)


def show_answers(answers: list[dict[str, dict[str, Any]]]) -> None:
    """One line a row: its answers and how sure they are."""
    for row in answers:
        print("  ".join(f"{name}: {answer(found)}" for name, found in row.items()))


def answer(found: Mapping[str, Any]) -> str:
    """`5 (87 %)`, or for a number its interval: `41,230 [35,000 .. 47,400]`."""
    if "low" in found and "high" in found:
        return f"{answer_text(found['value'])} [{short_figure(found['low'])} .. {short_figure(found['high'])}]"
    return answer_text(found["value"], found.get("confidence"))


def drawn(picture: np.ndarray, width: int = 16) -> list[str]:
    """A grey picture (Y, X) as lines of characters, two a pixel so that it keeps its shape."""
    step = max(1, -(-picture.shape[1] // width))
    small = picture[::step, ::step].astype(float)
    levels = (small / max(small.max(), 1) * (len(SHADES) - 1)).astype(int)
    return ["".join(SHADES[v] * 2 for v in row) for row in levels]
