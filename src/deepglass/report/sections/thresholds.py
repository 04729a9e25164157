"""Yes or no: what each threshold finds and what it costs."""

from __future__ import annotations

import numpy as np
from markupsafe import Markup

from deepglass.formatting import count, finite, number
from deepglass.metrics.summaries import Figure, Thresholds
from deepglass.metrics.table import metric_text
from deepglass.report.charts.curves import Line, Mark, curves
from deepglass.report.charts.square import TALL, rates, roc
from deepglass.report.facts import Facts
from deepglass.report.markup import Panel, each_output, label
from deepglass.report.output_facts import OutputFacts
from deepglass.report.sections.base import PanelSection


def panel(facts: Facts) -> Panel | None:
    """A slider, the curve of each threshold and the ROC curve; None where no output is yes or no."""
    shown = [(o, o.classes.thresholds) for o in facts.outputs if o.classes and o.classes.thresholds is not None]
    if not shown:
        return None
    parts = [(o.name, _output(o, t)) for o, t in shown]
    lead = "A row is answered yes when its probability reaches the threshold; move it to see what that finds and costs."
    return Panel("The threshold", lead, each_output(parts, named=len(facts.outputs) > 1), short="Threshold")


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
    title = Markup(f"Answering <b>{label(facts.positive, 30)}</b>")
    at = [float(t) for t in np.clip(facts.at, 0, 1)]
    mark = Mark(facts.chosen, "threshold")
    chart = curves(title, at, lines, x_name="threshold", share=True, height=TALL, mark=mark)
    area = output.test.get("roc_auc", Figure(float("nan"))).value
    note = f"The area below the curve is {metric_text('roc_auc', area)}." if finite(area) else ""
    return f'{_slider(facts)}<div class="charts">{chart}{roc("What each threshold finds", facts, note=note)}</div>'


def _slider(facts: Thresholds) -> str:
    """The four counts at the chosen threshold; the page's script moves them."""
    chosen = int(np.abs(facts.at - facts.chosen).argmin())
    kept = number(float(facts.at[chosen]), 3)
    positive = label(facts.positive, 30)
    series: dict[str, list[float]] = {
        "tp": facts.true_positive.tolist(),
        "fp": facts.false_positive.tolist(),
        "fn": facts.false_negative.tolist(),
        "tn": facts.true_negative.tolist(),
    }
    at = [number(float(t), 3) for t in facts.at]
    data = " ".join(f'data-{name}="{"|".join(str(v) for v in values)}"' for name, values in series.items())
    data += f' data-at="{"|".join(at)}"'
    boxes = [
        ("tp", "right", f"{positive}, found"),
        ("fn", "wrong", f"{positive}, missed"),
        ("fp", "wrong", "false alarms"),
        ("tn", "right", f"rightly not {positive}"),
    ]
    counts = "".join(
        f'<div class="{css}"><b data-show="{key}">{count(series[key][chosen])}</b><span>{name}</span></div>'
        for key, css, name in boxes
    )
    return (
        f'<div class="threshold" {data}><label>Threshold <output data-show="at">{kept}</output>'
        f'<input type="range" min="0" max="{len(facts.at) - 1}" value="{chosen}" aria-valuetext="{kept}">'
        f"<small>this run answers with {kept}</small></label>"
        f'<div class="counts">{counts}</div></div>'
    )


class ThresholdsSection(PanelSection):
    """See `panel`."""

    title, nav, position = "Decision threshold", "Threshold", 110
    panel = staticmethod(panel)
