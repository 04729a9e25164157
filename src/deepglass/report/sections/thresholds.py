"""The decision threshold of each yes-or-no output: what each value of it finds and costs, and the ROC curve."""

import numpy as np
from markupsafe import Markup

from deepglass.formatting import finite, number
from deepglass.metrics.table import metric_text
from deepglass.report.charts.axes import TALL, UNIT_SQUARE
from deepglass.report.charts.curves import Line, Mark, curves
from deepglass.report.data import ReportData, View
from deepglass.report.output_facts import OutputFacts, Thresholds
from deepglass.report.sections.base import Section
from deepglass.report.templates import draw, label


class ThresholdsSection(Section):
    """A slider, precision and recall over the threshold, and the ROC curve; None where no output is binary."""

    title, nav, position = "Decision threshold", "Threshold", 60
    layer = "result"
    folded = True
    assets = ("threshold",)
    requires = ("test_predictions",)

    def view(self, facts: None, report: ReportData) -> View | None:
        outputs = [_output(o, o.classes.thresholds) for o in report.outputs if o.classes and o.classes.thresholds]
        return {"outputs": outputs}


def _output(output: OutputFacts, facts: Thresholds) -> View:
    chosen = int(np.abs(facts.at - facts.chosen).argmin())
    x, y = UNIT_SQUARE
    recall = facts.true_positive / np.maximum(facts.true_positive + facts.false_negative, 1)
    alarms = facts.false_positive / np.maximum(facts.false_positive + facts.true_negative, 1)
    points = list(zip(facts.at, alarms, recall, strict=True))
    area = output.test.get("roc_auc")
    note = f"Area under the curve: {metric_text('roc_auc', area.value)}." if area and finite(area.value) else ""
    counts = {
        "tp": facts.true_positive,
        "fn": facts.false_negative,
        "fp": facts.false_positive,
        "tn": facts.true_negative,
    }
    return {
        "name": output.name,
        "positive": facts.positive,
        "thresholds": [number(float(t), 3) for t in facts.at],
        "chosen": chosen,
        "counts": {name: values.tolist() for name, values in counts.items()},
        "charts": _scores(facts, recall) + draw("roc", points=points, chosen=chosen, x=x, y=y, height=TALL, note=note),
    }


def _scores(facts: Thresholds, recall: np.ndarray) -> Markup:
    """Precision, recall and F1 over the threshold."""
    with np.errstate(divide="ignore", invalid="ignore"):
        precision = facts.true_positive / (facts.true_positive + facts.false_positive)
        f1 = 2 * precision * recall / (precision + recall)
    lines = [
        Line("precision", list(precision), "c1"),
        Line("recall", list(recall), "c4"),
        Line("F1", list(f1), "c2"),
    ]
    title = Markup("Predicting <b>{}</b>").format(label(facts.positive, 30))
    thresholds = [float(t) for t in np.clip(facts.at, 0, 1)]
    mark = Mark(facts.chosen, "threshold")
    return curves(title, thresholds, lines, x_name="threshold", share=True, height=TALL, mark=mark)
