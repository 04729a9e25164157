"""Whether "87 %" means 87 %."""

from __future__ import annotations

from deepglass.formatting import count, finite, number, percent
from deepglass.metrics.summaries import Reliability
from deepglass.report.charts.square import reliability
from deepglass.report.facts import Facts
from deepglass.report.markup import Panel, columns, each_output, meter, table
from deepglass.report.sections.base import PanelSection


def panel(facts: Facts) -> Panel | None:
    """The reliability diagram of each output that has confidences; None where none has."""
    shown = [(o.name, o.classes.reliability) for o in facts.outputs if o.classes and o.classes.reliability is not None]
    shown = [(name, r) for name, r in shown if r.after]
    if not shown:
        return None
    parts = [(name, columns(reliability("Sure and right", r), _words(r) + _bins(r))) for name, r in shown]
    html = each_output(parts, named=len(facts.outputs) > 1)
    return Panel("Can its confidence be trusted?", _lead([r for _, r in shown]), html, "Trust")


def _lead(shown: list[Reliability]) -> str:
    facts = shown[0]
    if len(shown) > 1 or not finite(facts.ece_after):
        return "How often it is right, against how sure it says it is."
    said = f"Confidence and truth are {percent(facts.ece_after)} apart on average"
    before = f" ({percent(facts.ece_before)} before the temperature)" if finite(facts.ece_before) else ""
    return f"{said}{before}."


def _words(facts: Reliability) -> str:
    rows = sum(b.rows for b in facts.after)
    gap = sum((b.confidence - b.accuracy) * b.rows for b in facts.after if finite(b.accuracy)) / max(rows, 1)
    if abs(gap) < 0.01:
        tends = "On the whole it is neither too sure nor too modest."
    else:
        tends = f"On the whole it is too {'sure' if gap > 0 else 'modest'}, by {percent(abs(gap))}."
    heat = (
        f" The temperature {number(facts.temperature)} was fitted on the validation rows."
        if finite(facts.temperature)
        else ""
    )
    return f"<p>{tends}{heat} Larger dots hold more rows.</p>"


def _bins(facts: Reliability) -> str:
    most = max(1, *(b.rows for b in facts.after))
    rows = [[percent(b.confidence), percent(b.accuracy), f"{meter(b.rows / most)}{count(b.rows)}"] for b in facts.after]
    return table(["Says", "Is right", "Rows"], rows, css="bins", caption="Reliability by confidence")


class CalibrationSection(PanelSection):
    """See `panel`."""

    title, nav, position = "Calibration", "Calibration", 120
    panel = staticmethod(panel)
