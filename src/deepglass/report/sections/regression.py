"""Outputs that are numbers: predicted against true values with their intervals, and the errors."""

import numpy as np
from markupsafe import Markup

from deepglass.formatting import finite, percent, plural
from deepglass.metrics.summaries import MAX_VALUE, histogram
from deepglass.report.charts.axes import BOTTOM, FLOOR, LEFT, RIGHT, TALL, TOP, WIDTH, Axis, axis
from deepglass.report.data import ReportData, View
from deepglass.report.output_facts import NumberFacts
from deepglass.report.sections.base import Section
from deepglass.report.templates import draw

ERROR_BINS = 36


class RegressionSection(Section):
    """Two charts and a table an output; None where no output is a number."""

    title, nav, position = "Predicted against true", "Errors", 80
    layer = "result"
    requires = ("test_predictions",)

    def view(self, facts: None, report: ReportData) -> View | None:
        outputs = [
            {
                "name": o.name,
                "charts": _charts(o.numbers, o.test_rows),
                "quantiles": sorted((q, v) for q, v in o.numbers.residuals.items() if finite(v)),
                "level": o.numbers.level,
                "coverage": o.numbers.coverage,
                "bands": o.numbers.bands,
                "has_scale": o.numbers.has_scale,
                "why_constant": o.numbers.why_constant,
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
    charts = _against_truth(numbers, note)
    both = np.stack([np.asarray(v, float) for v in (numbers.predicted, numbers.truth)])
    predicted, truth = both.clip(-MAX_VALUE, MAX_VALUE)
    spread = histogram(predicted - truth, bins=ERROR_BINS)
    if spread is not None:
        across = axis([spread.low, spread.high], LEFT, WIDTH - RIGHT, room=0)
        up = axis(spread.counts, TALL - BOTTOM, TOP + 6, zero=True)
        charts += draw("errors", spread=spread, across=across, up=up, height=TALL)
    return charts


def _against_truth(numbers: NumberFacts, note: str) -> Markup:
    """Predicted and true values on equal axes, with the band of the intervals."""
    columns = (numbers.predicted, numbers.truth, numbers.low, numbers.high)
    values = np.stack([np.asarray(numbers.truth if c is None else c, float) for c in columns])  # (4, N)
    values = values[:, np.isfinite(values[:2]).all(0)]
    x = axis(values[:2].ravel(), LEFT, WIDTH - RIGHT, room=0.03)
    y = Axis(x.low, x.high, FLOOR, TOP + 6)
    band = level = ""
    if numbers.low is not None and numbers.high is not None:
        band = _band(x, y, values[:, np.isfinite(values).all(0)])
        level = "interval" if numbers.level is None else f"{percent(numbers.level, 0)} interval"
    points = values[:2].T.tolist()
    return draw("against_truth", points=points, band=band, level=level, x=x, y=y, height=TALL, note=note)


def _band(x: Axis, y: Axis, values: np.ndarray) -> str:
    """The intervals' mean ends over groups of rows of like prediction, as the path of an area.

    Shapes:
        values: (4, N): predicted, true, low, high.
    """
    if values.shape[1] < 2:
        return ""
    values = values[:, np.argsort(values[0])]
    groups = np.array_split(values, min(24, values.shape[1]), axis=1)
    middle, _, low, high = np.clip([g.mean(1) for g in groups], y.low, y.high).T
    upper, lower = ([f"{x(m)} {y(v)}" for m, v in zip(middle, ends, strict=True)] for ends in (high, low))
    return "M" + "L".join(upper + lower[::-1])
