"""Precision-recall curves of outputs with boxes or several labels: one a class, and their mean."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from markupsafe import Markup

from deepglass.formatting import plural
from deepglass.metrics import detection
from deepglass.metrics.classes import ClassCurve
from deepglass.metrics.table import metric_text
from deepglass.report.charts.curves import Line, curves
from deepglass.report.data import ReportData, View
from deepglass.report.sections.base import Section
from deepglass.report.templates import shorten, titled

MAX_CLASSES = 3  # beside the mean; more lines cannot be told apart
COLOURS = ("c4 faint", "c3 faint", "c2 faint")
AREA = "average_precision"


class PrecisionRecallFacts(NamedTuple):
    """The curves of one output over common recalls.

    Args:
        recall: ascending, common to all curves.
        curves: one a class with at least one true row.
        mean: of these.
    """

    name: str
    recall: Sequence[float]
    curves: tuple[ClassCurve, ...]
    mean: ClassCurve


class PrecisionRecallSection(Section):
    """A chart an output; None where no output has such curves."""

    title, nav, position = "Precision-recall curve", "Precision", 50
    layer = "result"
    folded = True
    requires = ("test_predictions",)

    def collect(self, report: ReportData) -> tuple[PrecisionRecallFacts, ...]:
        outputs = []
        for feature, rows in report.tested_outputs:
            by_class = feature.precision_recall(rows.best, rows.truth) if rows.truth.mask.any() else []
            if by_class:
                outputs.append(precision_recall_facts(feature.name, by_class))
        return tuple(outputs)

    def view(self, facts: tuple[PrecisionRecallFacts, ...], report: ReportData) -> View | None:
        outputs = [
            {
                "name": output.name,
                "chart": _chart(output),
                "num_classes": len(output.curves),
                "num_shown": MAX_CLASSES,
            }
            for output in facts
        ]
        return {"outputs": outputs}


def precision_recall_facts(name: str, by_class: Sequence[ClassCurve]) -> PrecisionRecallFacts:
    """The curves of all classes at the same recalls, and their mean."""
    interpolated = tuple(_interpolated(curve) for curve in by_class)
    mean = ClassCurve(
        "mean",
        np.mean([curve.precision for curve in interpolated], 0),
        detection.RECALLS,
        float(np.mean([curve.area for curve in by_class])),
        sum(curve.positives for curve in by_class),
    )
    return PrecisionRecallFacts(name, detection.RECALLS.tolist(), interpolated, mean)


def _interpolated(curve: ClassCurve) -> ClassCurve:
    """Precision at the common recalls, made to fall; 0 beyond the highest recall that is reached."""
    falling = np.maximum.accumulate(curve.precision[::-1])[::-1]
    index = np.searchsorted(curve.recall, detection.RECALLS, side="left")
    return curve._replace(precision=np.append(falling, 0.0)[index], recall=detection.RECALLS)


def _chart(facts: PrecisionRecallFacts) -> Markup:
    mean = facts.mean
    lines = [_line(mean, "c1")] if len(facts.curves) > 1 else []
    worst = sorted(facts.curves, key=lambda c: c.area)[:MAX_CLASSES]
    lines += [_line(curve, css) for curve, css in zip(worst, COLOURS, strict=False)]
    title = titled("Precision over recall", plural(mean.positives, "true one"))
    return curves(title, list(facts.recall), lines, x_name="recall", share=True, full=True)


def _line(curve: ClassCurve, css: str) -> Line:
    return Line(f"{shorten(curve.name, 24)}, area {metric_text(AREA, curve.area)}", curve.precision.tolist(), css)
