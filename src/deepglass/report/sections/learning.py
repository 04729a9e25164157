"""How it learned: losses, metrics and the learning rate over the steps."""

from __future__ import annotations

import math

from deepglass.formatting import count, duration, finite, number, plural
from deepglass.metrics.table import higher_is_better, metric_of, metric_title
from deepglass.report.charts.curves import Line, Mark, curves
from deepglass.report.facts import Evaluation, Facts, PlanFacts
from deepglass.report.markup import Panel, capital, facts_list, label, text
from deepglass.report.sections.base import PanelSection

_MOST_METRICS = 4
_COUNTS = ("episodes", "environment_steps")  # figures that say how much was looked at, not how well it went


def panel(facts: Facts) -> Panel | None:
    """The curves and what training took; None where nothing was recorded."""
    if not facts.history and facts.plan is None:
        return None
    charts = _charts(facts) if len(facts.history) > 1 else ""
    plan = _plan(facts.plan) if facts.plan is not None else ""
    return Panel("How it learned", _lead(facts), plan + f'<div class="charts">{charts}</div>', short="Learning")


def _lead(facts: Facts) -> str:
    history, plan = facts.history, facts.plan
    losses = {e.step: e.valid["loss"] for e in history if finite(e.valid.get("loss"))}
    if len(losses) < 2:
        return "One evaluation was recorded." if len(history) == 1 else "What training did."
    first, best = next(iter(losses.values())), min(losses, key=lambda step: losses[step])
    kept = plan.best_step if plan is not None and plan.best_step is not None else best
    said = f"The validation loss went from {number(first)} to {number(losses.get(kept, losses[best]))}"
    tail = " The weights of that step were kept." if plan is not None and plan.best_step is not None else ""
    by_heart = _overfitting(history, best) if facts.contest is None else ""  # where the loss is no measure of it
    return f"{said} at step {count(kept)}.{tail}{by_heart}"


def _overfitting(history: tuple[Evaluation, ...], best: int) -> str:
    """A sentence where the validation loss rose again by a tenth while the training loss fell."""
    at, last = next(e for e in history if e.step == best), history[-1]
    valid, valid_last = at.valid.get("loss"), last.valid.get("loss")
    train, train_last = at.train.get("loss"), last.train.get("loss")
    if not (finite(valid) and finite(valid_last) and finite(train) and finite(train_last)):
        return ""
    if valid_last > valid + 0.1 * abs(valid) and train_last < train:
        return " After it, the network only learned the training rows by heart."
    return ""


def _charts(facts: Facts) -> str:
    history = facts.history
    steps = [float(e.step) for e in history]
    best = facts.plan.best_step if facts.plan is not None else None
    kept = Mark(best, "kept") if best is not None else None
    losses = [line for line in (_line(history, "train", "loss"), _line(history, "valid", "loss")) if line]
    made = []
    if losses:
        made.append(curves("Loss", steps, losses, x_name="step", log=_wide(losses), mark=kept))
    for name in _metrics(history)[:_MOST_METRICS] if facts.contest is None else ():  # a contest has a panel of its own
        lines = [line for line in (_line(history, "train", name), _line(history, "valid", name)) if line]
        output, _, metric = name.rpartition(".")  # of several outputs each figure begins with its own
        better = "more is better" if higher_is_better(metric) else "less is better"
        named = f"{label(output, 30)}: {text(metric_title(metric))}" if output else text(capital(metric_title(metric)))
        title = f"{named} <small>{better}</small>"
        made.append(curves(title, steps, lines, x_name="step", share=metric_of(metric).is_share, mark=kept))
    rates = Line("learning rate", [e.learning_rate for e in history], "c2")
    if sum(finite(v) for v in rates.values) > 1 and len(set(rates.values)) > 1:
        made.append(curves("Learning rate", steps, [rates], x_name="step"))
    return "".join(made)


def _metrics(history: tuple[Evaluation, ...]) -> list[str]:
    seen = {name: None for e in history for part in (e.valid, e.train) for name in part}
    return [
        n for n in seen if n not in ("loss", *_COUNTS) and any(finite(e.valid.get(n, e.train.get(n))) for e in history)
    ]


def _line(history: tuple[Evaluation, ...], part: str, name: str) -> Line | None:
    values = [getattr(e, part).get(name, math.nan) for e in history]
    shown = {"train": ("training rows", "c2"), "valid": ("validation rows", "c1")}[part]
    return Line(shown[0], values, shown[1]) if any(finite(v) for v in values) else None


def _wide(lines: list[Line]) -> bool:
    """Whether the losses span so many sizes that equal factors read better."""
    known = [v for line in lines for v in line.values if finite(v)]
    return bool(known) and min(known) > 0 and max(known) / min(known) > 30


def _plan(plan: PlanFacts) -> str:
    threads = f", {plural(plan.threads, 'thread')}" if plan.threads and "thread" not in plan.device else ""
    wanted = [
        ("steps", count(plan.steps)),
        ("passes over the data", number(plan.epochs) if plan.epochs is not None else ""),
        ("rows a step", count(plan.batch_size)),
        ("examples a second", number(plan.examples_per_second) if finite(plan.examples_per_second) else ""),
        ("training", duration(plan.seconds) if finite(plan.seconds) else ""),
        ("in all", duration(plan.seconds_total) if finite(plan.seconds_total) else ""),
        ("precision", text(plan.precision)),
        ("device", text(plan.device) + threads),
    ]
    return facts_list([(name, value) for name, value in wanted if value])


class LearningSection(PanelSection):
    """See `panel`."""

    title, nav, position = "Learning curves", "Learning", 50
    panel = staticmethod(panel)
