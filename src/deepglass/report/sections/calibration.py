"""Reliability diagram of each output with confidences: how often predictions are right, by confidence."""

from deepglass.formatting import finite
from deepglass.report.charts.axes import TALL, UNIT_SQUARE
from deepglass.report.data import ReportData, View
from deepglass.report.output_facts import Reliability
from deepglass.report.sections.base import Section
from deepglass.report.templates import draw

MIN_ROWS = 10  # rows in a bin; the share of fewer is mostly chance, so that the line leaves it out
MIN_BIAS = 0.01  # mean confidence minus accuracy, from which on it is called over- or underconfident


class CalibrationSection(Section):
    """A diagram and a table of its bins an output; None where no output has confidences."""

    title, nav, position = "Calibration", "Calibration", 120
    requires = ("test_predictions",)

    def view(self, facts: None, report: ReportData) -> View | None:
        outputs = [(o.name, o.classes.reliability) for o in report.outputs if o.classes and o.classes.reliability]
        diagrams = [_diagram(name, one) for name, one in outputs if one.after]
        return {"outputs": diagrams}


def _diagram(name: str, facts: Reliability) -> View:
    x, y = UNIT_SQUARE
    bias = _bias(facts)
    return {
        "name": name,
        "chart": draw("reliability", facts=facts, x=x, y=y, height=TALL, min_rows=MIN_ROWS),
        "facts": facts,
        "bias": bias if abs(bias) >= MIN_BIAS else 0.0,
    }


def _bias(facts: Reliability) -> float:
    """Mean confidence minus accuracy: positive where the network is overconfident."""
    rows = sum(b.rows for b in facts.after)
    return sum((b.confidence - b.accuracy) * b.rows for b in facts.after if finite(b.accuracy)) / max(rows, 1)
