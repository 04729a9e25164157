"""What the command line shows: the progress bar, tables, answers, pictures drawn in the terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from rich.box import SIMPLE
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table as Grid

from deepglass.doctor.base import Finding
from deepglass.doctor.inspect import Inspection
from deepglass.features.outputs.identity import Verdict
from deepglass.formatting import plain_duration, plain_number, prediction_text
from deepglass.prepare.prepared_data import PreparedData
from deepglass.run.callbacks.log_file import END_REASONS, column_groups, data_line, plan_lines
from deepglass.run.run import Run
from deepglass.training.callbacks import Callback, EvaluationRecord, total_loss
from deepglass.training.plan import Plan

out = Console(highlight=False, markup=False)  # names of columns may look like markup
err = Console(stderr=True, highlight=False, markup=False)
SHADES = " .:-=+*#%@"
PARTS, FIRST = 8, 4  # of an explanation, and of one beside an answer
LINES = 10  # of progress, where stderr is no terminal
SAID = ("constant", "imbalance")  # findings of which the notes speak, or the list of columns
OBVIOUS = ("delimiter", "header", "quote")  # notes on a source that training does not repeat


class Bar(Callback):
    """A progress bar on stderr: time left, loss and the main figure; some lines where stderr is no terminal."""

    def __init__(self) -> None:
        self.progress: Progress | None = None
        self.figure = ""
        self.last_step, self.next_line = 1, 0.0

    def on_fold_start(self, number: int, folds: int) -> None:
        err.print(f"fold {number + 1} of {folds}", style="bold")

    def on_data_ready(self, prepared: PreparedData) -> None:
        err.print(data_line(prepared), style="bold")
        grid = _grid()
        for role, kind, names in column_groups(prepared):
            listed = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
            grid.add_row(f"  {role}", kind, listed)
        err.print(grid)
        for note in prepared.table.notes:
            if note.what not in OBVIOUS:
                err.print(f"  {note.what}: {note.value} ({note.why})")
        for sentence in prepared.notes:
            err.print(f"  note: {sentence}")

    def on_findings(self, findings: Sequence[Finding]) -> None:
        for finding in findings:
            if finding.kind not in SAID:
                mend = f" (--fix {finding.kind})" if finding.fix.startswith("data.fix") else ""
                err.print(f"  {finding.kind}: {finding.text}{mend}")

    def on_train_start(self, plan: Plan, step: int) -> None:
        for text in plan_lines(plan):
            err.print(text)
        columns = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            TaskProgressColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[figures]}"),
        )
        self.last_step, self.next_line = plan.last_step, 0.0
        self.progress = Progress(*columns, console=err, transient=True)
        self.task = self.progress.add_task("training", total=plan.last_step, completed=step, figures="")
        self.progress.start()

    def on_step_end(self, step: int, plan: Plan, loss: float) -> None:
        assert self.progress is not None
        self.last_step = plan.last_step
        self.progress.update(self.task, total=plan.last_step, completed=step, figures=f"loss {loss:.4f} {self.figure}")

    def on_evaluation_end(self, record: EvaluationRecord) -> None:
        if record.event:
            err.print(f"  {record.event}")
        for name, figures in record.valid.items():
            metric, value = next(iter(figures.items()))
            self.figure = f"{name} {metric} {plain_number(value)}"
            break
        due = record.step >= self.next_line or record.step >= self.last_step
        if not err.is_terminal and record.valid and due:
            loss = total_loss(record.losses)
            err.print(f"  step {record.step}, {record.seconds:.1f} s: loss {loss:.4f}, {self.figure}")
            self.next_line = record.step + self.last_step / LINES

    def on_diagnostic(self, text: str, step: int) -> None:
        err.print(f"  step {step}, health: {text}", style="yellow", soft_wrap=True)

    def on_train_end(self, reason: str) -> None:
        assert self.progress is not None
        self.progress.stop()
        if reason in END_REASONS:
            err.print(f"  {END_REASONS[reason]}")


def show_run(run: Run) -> None:
    """A finished run's figures, on stdout."""
    metrics = run.metrics
    part = "test" if metrics.get("test") else "valid"
    folds = metrics.get("folds", [])
    for name, figures in metrics.get(part, {}).items():
        compared = metrics.get("baselines", {}).get(name, {})
        where = f"{len(folds)} folds" if folds else "test" if part == "test" else "validation"
        ours = ["mean", "± sd"] if folds else ["this run"]
        grid = _grid(f"{name}, {where}", *ours, *(b.replace("_", " ") for b in compared))
        grid.columns[1].style = "bold"
        for metric, value in figures.items():
            deviation = metrics["spread"].get(name, {}).get(metric) if folds else None
            spread = ["" if deviation is None else plain_number(deviation)] if folds else []
            others = (plain_number(b[metric]) if metric in b else "" for b in compared.values())
            grid.add_row(metric, plain_number(value), *spread, *others)
        out.print()
        out.print(grid)
    for sentence in metrics.get("diagnostics", []):
        err.print(f"  health: {sentence}", style="yellow", soft_wrap=True)
    seconds = metrics["seconds"]
    out.print(
        f"\n{metrics['parameters']:,} weights, {plain_duration(seconds['train'])} of training, "
        f"{plain_duration(seconds['total'])} in all"
    )
    out.print(f"run: {run.path}", soft_wrap=True)
    report = run.path / "report.html"
    if report.exists():
        out.print(f"report: {report}", soft_wrap=True)


def show_figures(figures: Mapping[str, Mapping[str, float]]) -> None:
    """Figures by output and metric."""
    for name, values in figures.items():
        grid = _grid(name, "")
        for metric, value in values.items():
            grid.add_row(metric, plain_number(value))
        out.print(grid)


def show_inspection(found: Inspection) -> None:
    """Columns, how they are taken and why, and what is wrong."""
    out.print(f"{found.name}: {found.rows:,} rows", style="bold")
    for note in found.notes:
        out.print(f"  {note.what}: {note.value} ({note.why})")
    for skipped in found.skipped[:20]:
        out.print(f"  left out: {skipped.name} ({skipped.reason})")
    missing = any(c.missing for c in found.columns)
    grid = _grid("column", "kind", "role", *(["missing"] if missing else []), "example", "why", right=False)
    for column in grid.columns:
        column.no_wrap = column.header in ("kind", "role", "missing", "example")
    grid.columns[0].max_width, grid.columns[-2].max_width = 26, 14
    for c in found.columns:
        share = [str(c.missing or "")] if missing else []
        grid.add_row(c.name, c.kind, c.role, *share, " ".join(c.example.split()), c.why)
    out.print()
    out.print(grid)
    if found.findings:
        out.print()
    for finding in found.findings:
        text = f"{finding.text}; fix: {finding.fix}" if finding.fix else finding.text
        print(_hanging(f"  {finding.kind}: {text}", 4))


def show_comparison(compared: Mapping[str, Mapping[str, Any]]) -> None:
    """Runs side by side, a column each; of two figures the difference too."""
    two = len(compared) == 2
    grid = _grid("", *compared, *(["difference"] if two else []))
    grid.columns[0].no_wrap = True
    figures = dict.fromkeys(f"{o}.{m}" for c in compared.values() for o, ms in c["test"].items() for m in ms)
    for key in figures:
        output, _, metric = key.rpartition(".")
        values = [c["test"].get(output, {}).get(metric) for c in compared.values()]
        known = [v for v in values if v is not None]
        apart = [f"{known[1] - known[0]:+.3g}"] if two and len(known) == 2 else []
        grid.add_row(key, *("" if v is None else plain_number(v) for v in values), *apart)
    grid.add_row("training", *(plain_duration(c["seconds"]["train"]) for c in compared.values()))
    grid.add_row("weights", *(f"{c['parameters']:,}" for c in compared.values()))
    for key in next(iter(compared.values()))["settings"]:
        grid.add_row(key, *(_setting(c["settings"][key]) for c in compared.values()))
    out.print(grid)


def show_listing(found: Mapping[str, Mapping[str, str]]) -> None:
    """Groups of names with a sentence each; names that need none in one line."""
    for i, (group, entries) in enumerate(found.items()):
        out.print(("\n" if i else "") + group, style="bold")
        if not any(entries.values()):
            print(_hanging("  " + ", ".join(entries), 2))
            continue
        width = max(map(len, entries)) + 2
        for name, about in entries.items():
            print(_hanging(f"  {name:<{width}}{about}", width + 2))


def show_answers(answers: Sequence[Mapping[str, Mapping[str, Any]]]) -> None:
    """One line a row: its answers and how sure they are; below, where it was asked for, what adds most to each."""
    for row in answers:
        print("  ".join(f"{name}: {answer(found)}" for name, found in row.items()))
        for name, found in row.items():
            if "attributions" in found:
                parts = (f"{part['weight']:+.3g} {_part(part)}" for part in found["attributions"][:FIRST])
                print(_hanging(f"  {name if len(row) > 1 else 'why'}: {', '.join(parts)} ({found['unit']})", 4))


def show_reasons(reasons: Sequence[Mapping[str, Any]]) -> None:
    """Each row's predictions with their largest attributions."""
    for row in reasons:
        for name, why in row.items():
            if name != "row":
                _show_reason(int(row["row"]), name, why)


def _show_reason(row: int, name: str, why: Mapping[str, Any]) -> None:
    out.print(f"row {row}, {name}: {answer(why)}", style="bold", soft_wrap=True)
    parts = why["attributions"][:PARTS]
    most = max((abs(p["weight"]) for p in parts), default=0) or 1
    grid = _grid()
    for part in parts:
        bar = ("+" if part["weight"] > 0 else "-") * round(12 * abs(part["weight"]) / most)
        grid.add_row("", f"{part['weight']:+.4g}", bar, _part(part))
    out.print(grid)
    baseline = "" if why["baseline"] is None else f" (baseline {plain_number(why['baseline'])})"
    print(_hanging(f"  {why['unit']} {plain_number(why['score'])}{baseline}; {why['method']}", 2))
    if "counterfactual" in why:
        change = why["counterfactual"]
        changes = (f"{k} from {v} to {change['to'][k]}" for k, v in change["from"].items())
        flipped = answer(change | {"value": change["answer"]})
        print(_hanging(f"  counterfactual: {flipped} with {' and '.join(changes)}", 2))
    if why["nearest"]:
        near = (f"{n['row']} ({n['label']})" if n["label"] is not None else str(n["row"]) for n in why["nearest"])
        print(_hanging(f"  nearest training rows: {', '.join(near)}", 2))
    if "checks" in why:
        print(_hanging("  " + "; ".join(check_texts(why["checks"])), 2))


def check_texts(checks: Mapping[str, float]) -> list[str]:
    """The faithfulness checks of an explanation in words, each with what is good."""
    texts = []
    if "completeness_gap" in checks:
        texts.append(f"completeness gap {checks['completeness_gap']:.1%} (0 % is right)")
    if "weight_randomization" in checks:
        texts.append(f"weight randomization {checks['weight_randomization']:.2f} (near 0 is right)")
    for name, better in (("deletion", "lower"), ("insertion", "higher")):
        if name in checks:
            texts.append(f"{name} {checks[name]:.2f}, random order {checks[f'{name}_random']:.2f} ({better} is better)")
    return texts


def _part(part: Mapping[str, Any]) -> str:
    """A part of an input with what stands there, or where it is."""
    value = part.get("value")
    value = plain_number(value) if isinstance(value, float) else value
    said = f"{part['part']} = {value}" if "value" in part else str(part["part"])
    return said + (" at {:.0f}, {:.0f} to {:.0f}, {:.0f}".format(*part["box"]) if "box" in part else "")


def show_verdict(verdict: Verdict) -> None:
    """Whether two are the same one, and by how much."""
    out.print(prediction_text("same" if verdict.same else "different", verdict.confidence), style="bold")
    out.print(f"similarity {verdict.similarity:.3f}; the same from {verdict.threshold:.3f} on")


def answer(found: Mapping[str, Any]) -> str:
    """`5 (87 %)`, or for a number its interval: `41,230 [35,000 .. 47,400]`; of a mask its largest shares."""
    if "shares" in found:
        largest = [f"{name} {share:.0%}".replace("%", " %") for name, share in list(found["shares"].items())[:3]]
        return ", ".join(largest)
    if isinstance(found["value"], list) and found["value"] and isinstance(found["value"][0], Mapping):
        return "\n  " + "\n  ".join(map(_box, found["value"]))
    if isinstance(found["value"], Mapping) and "png" in found["value"]:
        rows, columns = found["value"]["size"]
        return f"a picture of {rows} x {columns}"
    if "low" in found and "high" in found:
        return f"{prediction_text(found['value'])} [{plain_number(found['low'])} .. {plain_number(found['high'])}]"
    return prediction_text(found["value"], found.get("confidence"))


def _box(box: Mapping[str, Any]) -> str:
    """`WBC (87 %) from 202, 87 to 413, 313`: left and top, right and bottom, in pixels."""
    left, top, right, bottom = (round(box[side]) for side in ("left", "top", "right", "bottom"))
    return f"{prediction_text(box['label'], box['confidence'])} from {left}, {top} to {right}, {bottom}"


def drawn(picture: np.ndarray, width: int = 16) -> list[str]:
    """A grey picture (Y, X) as lines of characters, two a pixel so that it keeps its shape."""
    step = max(1, -(-picture.shape[1] // width))
    small = picture[::step, ::step].astype(float)
    levels = (small / max(small.max(), 1) * (len(SHADES) - 1)).astype(int)
    return ["".join(SHADES[v] * 2 for v in row) for row in levels]


def _grid(*headers: str, right: bool = True) -> Grid:
    """A table without a frame; with headers, a line below them and figures to the right."""
    if not headers:
        return Grid.grid(padding=(0, 2))
    grid = Grid(box=SIMPLE, show_edge=False, pad_edge=False)
    for i, header in enumerate(headers):
        grid.add_column(header, justify="right" if right and i else "left", overflow="fold" if right else "ellipsis")
    return grid


def _hanging(text: str, indent: int) -> str:
    return textwrap.fill(text, out.width, subsequent_indent=" " * indent, break_on_hyphens=False)


def _setting(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_setting, value))
    return "default" if value is None else str(value)
