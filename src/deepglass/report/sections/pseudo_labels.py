"""Rows without an answer: how sure the network became of them, and how often it was right."""

from __future__ import annotations

import math

from deepglass.formatting import count, finite, percent, plural
from deepglass.metrics.table import metric_text, metric_title
from deepglass.report.charts.curves import Line, curves
from deepglass.report.facts import Facts
from deepglass.report.markup import Panel, each_output, facts_list, label, table, text
from deepglass.report.output_facts import OutputFacts
from deepglass.report.pseudo_label_facts import Guessed
from deepglass.report.sections.base import PanelSection

ALONE = "labelled_rows_alone"
FEW = 4  # classes, each of which has a line of its own
COLUMNS = 6  # moments in the table of thresholds
MOST = 30  # classes in it


def panel(facts: Facts) -> Panel | None:
    """Curves an output; None for other kinds of learning."""
    if not facts.guessed:
        return None
    outputs = {o.name: o for o in facts.outputs}
    parts = [(g.name, _numbers(g, outputs.get(g.name)) + _charts(g) + _table(g)) for g in facts.guessed]
    html = each_output(parts, named=len(facts.guessed) > 1)
    return Panel("Rows without an answer", _lead(facts.guessed[0]), html, short="Unlabelled")


def _lead(guessed: Guessed) -> str:
    rows = f"{plural(guessed.labels, 'row')} had an answer, {count(guessed.unlabelled)} had none"
    said = f"At the end the network learned from its own answer to {percent(guessed.sure[-1])} of these"
    right = f", and {percent(guessed.right[-1])} of those answers were true" if finite(guessed.right[-1]) else ""
    return f"{rows}. {said}{right}."


def _numbers(guessed: Guessed, output: OutputFacts | None) -> str:
    """Labels, and what the unlabelled rows brought."""
    pairs = [("labels", count(guessed.labels)), ("rows without", count(guessed.unlabelled))]
    if output is not None and ALONE in output.baselines:
        metric = output.metric.name
        ours, theirs = output.test.get(metric), output.baselines[ALONE].metrics.get(metric)
        if ours is not None and finite(ours.value) and finite(theirs):
            name = text(metric_title(metric))
            pairs += [
                (f"{name}, all rows", metric_text(metric, ours.value)),
                (f"{name}, labelled rows alone", metric_text(metric, theirs)),
                ("gain", metric_text(metric, ours.value - theirs)),
            ]
    if _fixed(guessed):
        pairs.append(("confidence asked", percent(guessed.thresholds[0][0])))
    return facts_list(pairs)


def _fixed(guessed: Guessed) -> bool:
    return len({t for thresholds in guessed.thresholds for t in thresholds}) == 1


def _charts(guessed: Guessed) -> str:
    steps = [float(s) for s in guessed.steps]
    lines = [Line("learned from", guessed.sure, "c2")]
    if any(finite(v) for v in guessed.right):
        lines += [Line("true among these", guessed.right, "c1"), Line("true among all", guessed.all_right, "c3")]
    title = f"Guesses on {count(guessed.asked)} unlabelled rows"
    made = curves(title, steps, lines, x_name="step", share=True)
    if _fixed(guessed):
        return f'<div class="charts">{made}</div>'
    asked = curves("Confidence from which on a guess counts", steps, _asked(guessed), x_name="step", share=True)
    return f'<div class="charts">{made}{asked}</div>'


def _asked(guessed: Guessed) -> list[Line]:
    """The thresholds: of each class, or of many classes the outermost."""
    by_class = list(zip(*guessed.thresholds, strict=True))
    if len(by_class) <= FEW:
        return [Line(name, values, f"c{i + 1}") for i, (name, values) in enumerate(zip(guessed.classes, by_class))]
    return [
        Line("highest class", [max(t) for t in guessed.thresholds], "c2"),
        Line("mean", [math.fsum(t) / len(t) for t in guessed.thresholds], "c1"),
        Line("lowest class", [min(t) for t in guessed.thresholds], "c4"),
    ]


def _table(guessed: Guessed) -> str:
    """The thresholds of each class at some steps; nothing where the chart shows them or they stay the same."""
    if not FEW < len(guessed.classes) <= MOST or _fixed(guessed):
        return ""
    last = len(guessed.steps) - 1
    places = sorted({round(i * last / (COLUMNS - 1)) for i in range(COLUMNS)})
    head = ["Confidence asked at step", *(count(guessed.steps[i]) for i in places)]
    rows = [
        [label(name, 24), *(percent(guessed.thresholds[i][k]) for i in places)]
        for k, name in enumerate(guessed.classes)
    ]
    return table(head, rows, caption="Thresholds of the classes")


class PseudoLabelsSection(PanelSection):
    """See `panel`."""

    title, nav, position = "Pseudo-labels", "Pseudo-labels", 60
    panel = staticmethod(panel)
