"""Outputs that are numbers: predicted against true values with their intervals, and the errors."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from markupsafe import Markup

from deepglass.formatting import finite, plural
from deepglass.metrics.summaries import histogram
from deepglass.report.charts.bars import histogram as bars
from deepglass.report.charts.square import TALL, against_truth
from deepglass.report.data import ReportData
from deepglass.report.output_facts import NumberFacts
from deepglass.report.sections.base import Section

ERROR_BINS = 36


class RegressionSection(Section):
    """Two charts and a table an output; None where no output is a number."""

    title, nav, position = "Predicted against true", "Errors", 130
    requires = ("test_predictions",)

    def view(self, facts: Any, report: ReportData) -> Mapping[str, Any] | None:
        outputs = [
            {
                "name": o.name,
                "charts": _charts(o.numbers, o.test_rows),
                "quantiles": sorted((q, v) for q, v in o.numbers.residuals.items() if finite(v)),
                "level": o.numbers.level,
                "coverage": o.numbers.coverage,
            }
            for o in report.outputs
            if o.numbers is not None
        ]
        return {"outputs": outputs}


def _charts(numbers: NumberFacts, rows: int) -> Markup:
    """Nothing without single rows."""
    num_drawn = len(numbers.truth)
    if not num_drawn:
        return Markup()
    note = f"{plural(num_drawn, 'row')} drawn of {plural(rows, 'test row')}." if num_drawn < rows else ""
    charts = against_truth("Predicted against true", numbers, note=note)
    errors = np.asarray(numbers.predicted, dtype=float) - np.asarray(numbers.truth, dtype=float)
    spread = histogram(errors, bins=ERROR_BINS)
    if spread is not None:
        charts += bars("Errors", spread, x_name="predicted minus true", zero_line=True, height=TALL)
    return charts
