"""Learning curves: losses, metrics and the learning rate over the steps, and what training took."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from markupsafe import Markup

from deepglass.formatting import count, duration, finite, number, plural
from deepglass.metrics.table import higher_is_better, metric_of, metric_title
from deepglass.objectives.gan import Gan
from deepglass.report.charts.curves import Line, Mark, curves
from deepglass.report.convergence import training_end
from deepglass.report.data import ReportData, View
from deepglass.report.facts import HistoryPoint, PlanFacts
from deepglass.report.sections.base import Section
from deepglass.report.templates import capital, label, titled

MAX_CHARTS = 2  # of metrics; the others are a table
SAME_COURSE = 0.95  # of the correlation of two curves, above which one of them is enough
COUNTS = ("episodes", "environment_steps")  # in the history, but no metrics
LOG_RATIO = 30  # losses that differ by this factor are drawn on a logarithmic axis


class MetricRow(NamedTuple):
    """A metric at three evaluations; of which output, where there are several."""

    output: str
    metric: str
    first: float
    best: float
    last: float


class LearningSection(Section):
    """The curves and what training took."""

    title, nav, position = "Learning curves", "Learning", 0
    layer = "inside"
    files = ("metrics.json", "history.jsonl")

    def view(self, facts: None, report: ReportData) -> View | None:
        history, plan = report.history, report.plan
        if not history and plan is None:
            return None
        losses = {e.step: e.valid["loss"] for e in history if finite(e.valid.get("loss"))}
        best = min(losses, key=lambda step: losses[step]) if len(losses) > 1 else None
        own_loss = not report.is_objective(Gan)  # a GAN's loss is no measure of it; its section has its curves
        return {
            "evaluations": len(history),
            "losses": losses,
            "best": best,
            "best_step": report.best_step,
            "ending": training_end(history) if own_loss else "unknown",
            "same_loss": own_loss and bool(losses),
            "plan": _plan(plan) if plan is not None else [],
            "charts": _charts(report, own_loss) if len(history) > 1 else [],
            "metrics": _metric_table(history, report.best_step) if own_loss and len(history) > 1 else [],
        }


def _charts(report: ReportData, own_loss: bool) -> list[Markup]:
    history = report.history
    steps = [float(e.step) for e in history]
    best = report.best_step
    best_mark = Mark(best, "best weights") if best is not None else None
    charts = []
    if own_loss and (losses := _lines(history, "loss")):
        charts.append(curves("Loss", steps, losses, x_name="step", log=_log_scale(losses), mark=best_mark))
    for name in _different_metrics(history) if own_loss else ():
        output, _, metric = name.rpartition(".")  # with several outputs: OUTPUT.METRIC
        words = metric_title(metric)
        named = Markup("{}: {}").format(label(output, 30), words) if output else capital(words)
        better = {True: "higher is better", False: "lower is better", None: ""}[higher_is_better(metric)]
        title = titled(named, better)
        charts.append(
            curves(title, steps, _lines(history, name), x_name="step", share=metric_of(metric).is_share, mark=best_mark)
        )
    rates = Line("learning rate", [e.learning_rate for e in history], "c2")
    if sum(finite(v) for v in rates.values) > 1 and len(set(rates.values)) > 1:
        charts.append(curves("Learning rate", steps, [rates], x_name="step"))
    return charts


def _metrics(history: Sequence[HistoryPoint]) -> list[str]:
    names = {name: None for e in history for values in (e.valid, e.train) for name in values}
    return [
        n for n in names if n not in ("loss", *COUNTS) and any(finite(e.valid.get(n, e.train.get(n))) for e in history)
    ]


def _different_metrics(history: Sequence[HistoryPoint]) -> list[str]:
    """The first metrics whose curves are not that of the loss or of another one over again, as of MSE and R²."""
    courses = [_course(history, "loss")]
    chosen: list[str] = []
    for name in _metrics(history):
        course = _course(history, name)
        if len(chosen) < MAX_CHARTS and not any(_is_same(course, other) for other in courses):
            chosen.append(name)
            courses.append(course)
    return chosen


def _course(history: Sequence[HistoryPoint], name: str) -> np.ndarray:
    """A value over the evaluations, of validation rows where there are any."""
    return np.array([e.valid.get(name, e.train.get(name, math.nan)) for e in history], float)


def _is_same(a: np.ndarray, b: np.ndarray) -> bool:
    there = np.isfinite(a) & np.isfinite(b)
    a, b = (v[there] / (np.abs(v[there]).max(initial=0) or 1.0) for v in (a, b))  # squares of large values overflow
    if there.sum() < 2 or min(a.std(), b.std()) == 0:
        return False
    return bool(abs(np.corrcoef(a, b)[0, 1]) > SAME_COURSE)


def _metric_table(history: Sequence[HistoryPoint], best_step: int | None) -> list[MetricRow]:
    """Each metric at the first evaluation, at that of the weights that were kept, and at the last one."""
    best = next((e for e in history if e.step == best_step), history[-1])
    rows = []
    for name in _metrics(history):
        output, _, metric = name.rpartition(".")
        values = [_course([e], name)[0] for e in (history[0], best, history[-1])]
        rows.append(MetricRow(output, metric, *(float(v) for v in values)))
    return rows


def _lines(history: Sequence[HistoryPoint], name: str) -> list[Line]:
    """A line for training and one for validation rows, where they have this value."""
    train = Line("training rows", [e.train.get(name, math.nan) for e in history], "c2")
    valid = Line("validation rows", [e.valid.get(name, math.nan) for e in history], "c1")
    return [line for line in (train, valid) if any(finite(v) for v in line.values)]


def _log_scale(lines: Sequence[Line]) -> bool:
    values = [v for line in lines for v in line.values if finite(v)]
    return bool(values) and min(values) > 0 and max(values) / min(values) > LOG_RATIO


def _plan(plan: PlanFacts) -> list[tuple[str, str]]:
    threads = f", {plural(plan.threads, 'thread')}" if plan.threads and "thread" not in plan.device else ""
    pairs = [
        ("steps", count(plan.steps)),
        ("epochs", number(plan.epochs) if plan.epochs is not None else ""),
        ("batch size", count(plan.batch_size)),
        ("validation rows until the end", count(plan.evaluation_rows) if plan.evaluation_rows else ""),
        ("examples a second", number(plan.examples_per_second) if finite(plan.examples_per_second) else ""),
        ("training", duration(plan.seconds) if finite(plan.seconds) else ""),
        ("in all", duration(plan.seconds_total) if finite(plan.seconds_total) else ""),
        ("precision", plan.precision),
        ("device", f"{plan.device}{threads}"),
    ]
    return [(name, value) for name, value in pairs if value]
