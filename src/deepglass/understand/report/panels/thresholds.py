"""Yes or no: what each threshold finds and what it costs."""

from __future__ import annotations

import numpy as np

from deepglass.understand.report.charts.curves import Line, curves
from deepglass.understand.report.charts.square import TALL, rates, roc
from deepglass.understand.report.facts import Facts, Figure, OutputFacts, Thresholds
from deepglass.understand.report.markup import Panel, each_output, label, text
from deepglass.understand.report.numerals import count, figure, finite, number


def panel(facts: Facts) -> Panel | None:
    """A slider, the curve of each threshold and the ROC curve; None where no output is yes or no."""
    shown = [(o, o.classes.thresholds) for o in facts.outputs if o.classes and o.classes.thresholds is not None]
    if not shown:
        return None
    parts = [_output(o, t) for o, t in shown]
    lead = "A row is answered yes when its probability reaches the threshold; move it to see what that finds and costs."
    return Panel("The threshold", lead, each_output([o.name for o, _ in shown], parts), short="Threshold")


def _output(output: OutputFacts, facts: Thresholds) -> str:
    with np.errstate(divide="ignore", invalid="ignore"):
        precision = facts.true_positive / (facts.true_positive + facts.false_positive)
        recall, _ = rates(facts)
        f1 = 2 * precision * recall / (precision + recall)
    lines = [
        Line("right when it says yes (precision)", list(precision), "c1"),
        Line("yes rows found (recall)", list(recall), "c4"),
        Line("F1", list(f1), "c2"),
    ]
    title = f"Answering <b>{label(facts.positive, 30)}</b>"
    at = [float(t) for t in np.clip(facts.at, 0, 1)]
    kept = {"marked": facts.chosen, "marked_name": "threshold"}
    chart = curves(title, at, lines, x_name="threshold", share=True, height=TALL, **kept)
    area = output.test.get("roc_auc", Figure(float("nan"))).value
    note = f"The area below the curve is {figure('roc_auc', area)}." if finite(area) else ""
    return f'{_slider(facts)}<div class="charts">{chart}{roc("What each threshold finds", facts, note=note)}</div>'


def _slider(facts: Thresholds) -> str:
    """The four counts at the chosen threshold; the page's script moves them."""
    chosen = int(np.abs(facts.at - facts.chosen).argmin())
    positive = label(facts.positive, 30)
    series = {
        "at": [number(float(t), 3) for t in facts.at],
        "tp": facts.true_positive,
        "fp": facts.false_positive,
        "fn": facts.false_negative,
        "tn": facts.true_negative,
    }
    data = " ".join(f'data-{name}="{"|".join(str(v) for v in values)}"' for name, values in series.items())
    boxes = [
        ("tp", "right", f"{positive}, found"),
        ("fn", "wrong", f"{positive}, missed"),
        ("fp", "wrong", "false alarms"),
        ("tn", "right", f"rightly not {positive}"),
    ]
    counts = "".join(
        f'<div class="{css}"><b data-show="{key}">{count(int(series[key][chosen]))}</b><span>{name}</span></div>'
        for key, css, name in boxes
    )
    return (
        f'<div class="threshold" {data}><label>Threshold <output data-show="at">{text(series["at"][chosen])}</output>'
        f'<input type="range" min="0" max="{len(facts.at) - 1}" value="{chosen}" aria-valuetext="{text(series["at"][chosen])}"><small>this run answers with {text(series["at"][chosen])}</small></label>'
        f'<div class="counts">{counts}</div></div>'
    )
