"""Numbers: predicted against true with the intervals, and how far off the answers are."""

from __future__ import annotations

import numpy as np

from deepglass.formatting import finite, number, percent, plural
from deepglass.metrics.summaries import histogram
from deepglass.report.charts.bars import histogram as bars
from deepglass.report.charts.square import TALL, against_truth
from deepglass.report.facts import Facts
from deepglass.report.markup import Panel, each_output, table
from deepglass.report.output_facts import NumberFacts
from deepglass.report.sections.base import PanelSection


def panel(facts: Facts) -> Panel | None:
    """Two charts an output that is a number; None where there is none."""
    shown = [(o.name, o.numbers, o.test_rows) for o in facts.outputs if o.numbers is not None]
    if not shown:
        return None
    parts = [(name, _charts(numbers, rows) + _quantiles(numbers)) for name, numbers, rows in shown]
    html = each_output(parts, named=len(facts.outputs) > 1)
    return Panel("Predicted against true", _lead([numbers for _, numbers, _ in shown]), html, "Errors")


def _lead(shown: list[NumberFacts]) -> str:
    numbers = shown[0]
    if len(shown) == 1 and finite(numbers.level) and finite(numbers.coverage):
        return (
            f"The intervals promise to hold {percent(numbers.level, 0)} of the true values; "
            f"on the test rows they held {percent(numbers.coverage)}."
        )
    return "Each dot is a test row; the closer to the diagonal, the better."


def _charts(numbers: NumberFacts, rows: int) -> str:
    drawn = len(numbers.truth)
    if not drawn:  # a report without samples
        return ""
    note = f"{plural(drawn, 'row')} drawn of {plural(rows, 'test row')}." if drawn < rows else ""
    charts = against_truth("Predicted against true", numbers, note=note)
    off = np.asarray(numbers.predicted, dtype=float) - np.asarray(numbers.truth, dtype=float)
    spread = histogram(off, bins=36)
    if spread is not None:
        charts += bars("How far off", spread, x_name="predicted minus true", zero_line=True, height=TALL)
    return f'<div class="charts">{charts}</div>'


def _quantiles(numbers: NumberFacts) -> str:
    known = sorted((q, v) for q, v in numbers.residuals.items() if finite(v))
    if not known:
        return ""
    head = ["Share of rows", *(percent(q, 0) for q, _ in known)]
    row = ["off by at most", *(number(v) for _, v in known)]
    return table(head, [row], css="quantiles", caption="Quantiles of predicted minus true")


class RegressionSection(PanelSection):
    """See `panel`."""

    title, nav, position = "Predicted against true", "Regression", 130
    panel = staticmethod(panel)
