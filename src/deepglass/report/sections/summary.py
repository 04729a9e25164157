"""The run in one minute: what was learned, how well, and whether a network was worth it."""

from __future__ import annotations

import numpy as np
from markupsafe import Markup

from deepglass.formatting import baseline_name, count, duration, finite, percent, plural, short
from deepglass.metrics.summaries import Figure
from deepglass.metrics.table import metric_text, metric_title
from deepglass.report.charts.intervals import Entry, compared
from deepglass.report.charts.svg import titled
from deepglass.report.facts import Facts
from deepglass.report.markup import Panel, capital, columns, facts_list, label, text
from deepglass.report.output_facts import OutputFacts
from deepglass.report.sections.base import PanelSection
from deepglass.report.verdict import best_baseline, judge, main_figure

_SIGNS = {"yes": "✓", "no": "✕", "even": "≈", "unknown": "?"}
_MOST = 8  # outputs told here; the panels below have all
_ORDER = ("gradient_boosting", "linear", "constant")


def panel(facts: Facts) -> Panel | None:
    """The story; always there."""
    outputs = "".join(_output(facts, o) for o in facts.outputs[:_MOST])
    if len(facts.outputs) > _MOST:
        outputs += f"<p>{plural(len(facts.outputs) - _MOST, 'further output')} below.</p>"
    html = outputs if len(facts.outputs) == 1 else outputs + _ground(facts)
    return Panel(title=label(facts.name, 60), lead=text(facts.task), html=html, short="Story")


def _output(facts: Facts, output: OutputFacts) -> str:
    ours = main_figure(output)
    metric = output.metric.name
    named = capital(metric_title(metric))
    if len(facts.outputs) > 1:
        named = f"{label(output.name, 48)}: {text(metric_title(metric))}"
    interval = ""
    if finite(ours.low) and finite(ours.high):
        interval = f"{metric_text(metric, ours.low)} to {metric_text(metric, ours.high)} with 95&nbsp;% confidence"
    hero = (
        f'<div class="hero"><p class="heroname">{named}</p>'
        f'<p class="herofigure">{metric_text(metric, ours.value)}</p><p class="herointerval">{interval}</p>'
        f'<p class="herorows">on {plural(output.test_rows, output.unit)} never seen in training</p></div>'
    )
    verdict = judge(output, facts.data.splits.get("train"), facts.plan.seconds if facts.plan else None)
    judged = (
        f'<div class="verdict {verdict.worth}"><p class="headline"><i aria-hidden="true">{_SIGNS[verdict.worth]}</i>'
        f"{text(verdict.headline)}</p><p>{text(verdict.sentence)}</p></div>"
    )
    points = "".join(f"<li>{p}</li>" for p in _points(output))
    ground = _ground(facts) if len(facts.outputs) == 1 else ""
    points = f'<ul class="points">{points}</ul>' if points else ""
    return f'<div class="outcome">{columns(hero + points + ground, judged + str(_chart(output)))}</div>'


def _chart(output: OutputFacts) -> Markup:
    metric = output.metric.name
    entries = [Entry("this network", main_figure(output), "c1")]
    for name in sorted(output.baselines, key=lambda n: _ORDER.index(n) if n in _ORDER else -1):
        value = output.baselines[name].metrics.get(metric, float("nan"))
        entries.append(Entry(baseline_name(name), Figure(value), "c2", distant=name == "constant"))
    better = "more is better" if output.metric.higher_is_better else "less is better"
    return compared(titled("Against simpler models", better), metric, entries) if len(entries) > 1 else Markup("")


def _points(output: OutputFacts) -> list[str]:
    """What the figures mean, in sentences."""
    found = []
    accuracy = output.test.get("accuracy", Figure(float("nan"))).value
    if finite(accuracy) and output.test_rows:
        wrong = 1 - accuracy
        found.append(
            "It is wrong in none of the test rows."
            if wrong * output.test_rows < 0.5
            else f"It is wrong {_one_in(wrong)}."
        )
    if output.classes is not None:
        found += _class_points(output)
    if output.numbers is not None:
        found += _number_points(output)
    if best_baseline(output) is None and output.baselines:
        found.append("The simpler models have no figure of this name.")
    return found


def _one_in(share: float) -> str:
    return f"about once in {count(1 / share)} answers" if share < 0.2 else f"in {percent(share, 0)} of its answers"


def _class_points(output: OutputFacts) -> list[str]:
    classes, found = output.classes, []
    assert classes is not None
    if classes.confusion is not None and len(classes.names) > 2:
        wrong = np.nan_to_num(np.asarray(classes.confusion, dtype=float))
        np.fill_diagonal(wrong, 0)
        true, named = np.unravel_index(int(wrong.argmax()), wrong.shape)
        if wrong[true, named] > 0:
            found.append(
                f"Most often it takes <b>{label(classes.names[true], 30)}</b> for "
                f"<b>{label(classes.names[named], 30)}</b> ({plural(int(wrong[true, named]), 'time')})."
            )
    if classes.reliability is not None:
        sure = [b for b in classes.reliability.after if b.confidence >= 0.8 and finite(b.accuracy)]
        rows = sum(b.rows for b in sure)
        if rows:
            said = sum(b.confidence * b.rows for b in sure) / rows
            right = sum(b.accuracy * b.rows for b in sure) / rows
            found.append(
                f"Where it is at least 80&nbsp;% sure, it says {percent(said)} and is right in {percent(right)}."
            )
    return found


def _number_points(output: OutputFacts) -> list[str]:
    numbers, found = output.numbers, []
    assert numbers is not None
    low, high = numbers.residuals.get(0.25), numbers.residuals.get(0.75)
    if finite(low) and finite(high):
        found.append(f"Half of its answers are between {_beside(low)} and {_beside(high)}.")
    if finite(numbers.level) and finite(numbers.coverage):
        found.append(
            f"Its {percent(numbers.level, 0)} intervals held the truth in {percent(numbers.coverage)} of the test rows."
        )
    return found


def _beside(residual: float) -> str:
    return f"{short(abs(residual))} too {'low' if residual < 0 else 'high'}"


def _ground(facts: Facts) -> str:
    """What the run stands on, as a line of small facts."""
    pairs = [("rows", count(facts.data.rows))]
    inputs = sum(c.role == "input" for c in facts.columns)
    if inputs:
        pairs.append(("inputs", count(inputs)))
    if facts.plan is not None:
        plan = facts.plan
        wanted = [
            ("parameters", count(plan.parameters) if plan.parameters is not None else ""),
            ("training", duration(plan.seconds) if finite(plan.seconds) else ""),
            ("device", text(plan.device)),
        ]
        pairs += [(name, value) for name, value in wanted if value]
    return facts_list(pairs)


class SummarySection(PanelSection):
    """See `panel`."""

    title, nav, position = "Summary", "Summary", 0
    panel = staticmethod(panel)
