"""Precision over recall: what finding more costs in false alarms."""

from __future__ import annotations

from deepglass.formatting import plural
from deepglass.metrics.table import metric_text
from deepglass.report.charts.curves import Line, curves
from deepglass.report.charts.svg import titled
from deepglass.report.facts import Facts
from deepglass.report.image_facts import Curves
from deepglass.report.markup import Panel, each_output, shorten
from deepglass.report.sections.base import PanelSection

_SHOWN = 3  # classes beside the mean; more lines cannot be told apart


def panel(facts: Facts) -> Panel | None:
    """A chart an output; None where no output has such curves."""
    shown = [(o.name, o.curves) for o in facts.outputs if o.curves is not None and o.curves.lines]
    if not shown:
        return None
    parts = [(name, _chart(found)) for name, found in shown]
    lead = (
        "Each point is a demand for confidence: to the right more true ones are found, upward fewer are false alarms."
    )
    html = each_output(parts, named=len(facts.outputs) > 1)
    return Panel("Found against false alarms", lead, html, short="Precision")


def _chart(found: Curves) -> str:
    mean, *classes = found.lines
    classes = [c for c in classes if c.positives]
    part = len(classes) > _SHOWN
    lines = (
        [Line(f"mean, area {metric_text('map50', mean.area)}", list(mean.precision), "c1")] if len(classes) != 1 else []
    )
    worst = sorted(classes, key=lambda c: c.area)[:_SHOWN]
    lines += [
        Line(f"{shorten(c.name, 24)}, area {metric_text('map50', c.area)}", list(c.precision), css)
        for c, css in zip(worst, ("c4 faint", "c3 faint", "c2 faint"), strict=False)
    ]
    title = titled("Precision over recall", plural(mean.positives, "true one"))
    chart = curves(title, list(found.recall), lines, x_name="recall", share=True, full=True)
    note = f'<p class="note">The {_SHOWN} classes with the smallest areas of {len(classes)}.</p>' if part else ""
    return chart.replace("</figure>", f"{note}</figure>")


class PrecisionRecallSection(PanelSection):
    """See `panel`."""

    title, nav, position = "Precision-recall curve", "Precision", 100
    panel = staticmethod(panel)
