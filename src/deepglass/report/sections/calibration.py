"""Reliability diagram of each output with confidences: how often predictions are right, by confidence."""

from deepglass.formatting import finite
from deepglass.report.charts.axes import TALL, UNIT_SQUARE
from deepglass.report.data import ReportData, View
from deepglass.report.output_facts import Reliability
from deepglass.report.sections.base import Section
from deepglass.report.templates import draw

MIN_ROWS = 10  # rows in a bin; the share of fewer is mostly chance, so that the line leaves it out
MIN_JUDGED = 20  # rows, below which nothing is said of the mean confidence
CERTAIN = 1.96  # standard errors of the accuracy, beyond which the mean confidence is called too high or too low


class CalibrationSection(Section):
    """A diagram and a table of its bins an output; None where no output has confidences."""

    title, nav, position = "Calibration", "Calibration", 70
    layer = "result"
    folded = True
    requires = ("test_predictions",)

    def view(self, facts: None, report: ReportData) -> View | None:
        outputs = [(o.name, o.classes.unit, o.classes.reliability) for o in report.outputs if o.classes]
        diagrams = [{**_diagram(name, r), "unit": unit} for name, unit, r in outputs if r is not None and r.after]
        return {"outputs": diagrams}


def _diagram(name: str, facts: Reliability) -> View:
    x, y = UNIT_SQUARE
    rows, bias, error = _bias(facts)
    return {
        "name": name,
        "chart": draw("reliability", facts=facts, x=x, y=y, height=TALL, min_rows=MIN_ROWS),
        "facts": facts,
        "bias": bias,
        "error": error,
        "verdict": "few" if rows < MIN_JUDGED else "off" if abs(bias) > CERTAIN * error else "right",
    }


def _bias(facts: Reliability) -> tuple[int, float, float]:
    """Number of rows, mean confidence minus accuracy, and the standard error of this if the confidences are right."""
    bins = [b for b in facts.after if finite(b.accuracy)]
    rows = max(sum(b.rows for b in bins), 1)
    bias = sum((b.confidence - b.accuracy) * b.rows for b in bins) / rows
    return rows, bias, sum(b.confidence * (1 - b.confidence) * b.rows for b in bins) ** 0.5 / rows
