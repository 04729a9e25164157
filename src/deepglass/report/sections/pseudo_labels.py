"""Pseudo-labels of a semi-supervised run: on how many unlabelled rows it was trained, and how many were right."""

import math
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from deepglass.features.base import Feature, take_raw
from deepglass.formatting import finite
from deepglass.metrics.table import metric_text, metric_title
from deepglass.prepare.prepared_data import PreparedData
from deepglass.report.charts.curves import Line, curves
from deepglass.report.data import ReportData, View
from deepglass.report.output_facts import OutputFacts
from deepglass.report.sections.base import Section
from deepglass.run.callbacks.pseudo_label_recorder import FILE, PseudoLabelRecord

BASELINE = "labelled_rows_alone"
MAX_CLASS_LINES = 4  # more classes are drawn as highest, mean and lowest
MAX_TABLE_STEPS = 6
MAX_TABLE_CLASSES = 30


@dataclass(frozen=True, kw_only=True)
class PseudoLabelFacts:
    """The pseudo-labels of one output, an entry an evaluation.

    Args:
        name: the output.
        classes: their names, K.
        labelled: training rows with a label.
        unlabelled: training rows without one.
        counted: of the unlabelled rows, so many were counted for this.
        steps: of the evaluations, E.
        used: share of the rows whose pseudo-label was trained on, E.
        used_right: share of right pseudo-labels among these, E; NaN where the true labels are unknown.
        all_right: share of right predictions among all counted rows, E.
        thresholds: confidence from which on a pseudo-label is used, (E, K).
    """

    name: str
    classes: tuple[str, ...]
    labelled: int
    unlabelled: int
    counted: int
    steps: tuple[int, ...]
    used: tuple[float, ...]
    used_right: tuple[float, ...]
    all_right: tuple[float, ...]
    thresholds: tuple[tuple[float, ...], ...]

    @property
    def fixed_threshold(self) -> bool:
        """Whether there is one threshold for all classes and steps."""
        return len({t for thresholds in self.thresholds for t in thresholds}) == 1


class PseudoLabelsSection(Section):
    """Curves an output."""

    title, nav, position = "Pseudo-labels", "Pseudo-labels", 30
    layer = "data"
    files = ("metrics.json", FILE)

    def collect(self, report: ReportData) -> tuple[PseudoLabelFacts, ...] | None:
        lines = report.context.folder.records(FILE, PseudoLabelRecord)
        prepared = report.context.data
        if not lines:
            return None
        return tuple(_of(f, lines, prepared) for f in prepared.outputs if f.name in lines[-1]["outputs"])

    def view(self, facts: tuple[PseudoLabelFacts, ...], report: ReportData) -> View:
        outputs = {output.name: output for output in report.outputs}
        return {
            "outputs": [
                {"facts": one, "gain": _gain(outputs.get(one.name)), "charts": _charts(one), "steps": _table_steps(one)}
                for one in facts
            ]
        }


def _of(feature: Feature, lines: list[dict[str, Any]], prepared: PreparedData) -> PseudoLabelFacts:
    own = [line["outputs"][feature.name] for line in lines]
    labelled = feature.encode(take_raw(prepared.table[feature.column], prepared.rows("train"))).mask
    share = lambda key: tuple(math.nan if o[key] is None else o[key] for o in own)  # noqa: E731
    return PseudoLabelFacts(
        name=feature.name,
        classes=feature.class_names,
        labelled=int(labelled.sum()),
        unlabelled=int((~labelled).sum()),
        counted=lines[-1]["rows"],
        steps=tuple(line["step"] for line in lines),
        used=share("coverage"),
        used_right=share("accuracy_above_threshold"),
        all_right=share("accuracy"),
        thresholds=tuple(tuple(o["thresholds"]) for o in own),
    )


def _gain(output: OutputFacts | None) -> list[tuple[str, str]]:
    """The test metric with all rows and with the labelled rows alone."""
    if output is None or BASELINE not in output.baselines:
        return []
    metric = output.metric.name
    ours, alone = output.test.get(metric), output.baselines[BASELINE].metrics.get(metric)
    if ours is None or not finite(ours.value) or not finite(alone):
        return []
    name = metric_title(metric)
    return [
        (f"{name}, all rows", metric_text(metric, ours.value)),
        (f"{name}, labelled rows alone", metric_text(metric, alone)),
        ("gain", metric_text(metric, ours.value - alone)),
    ]


def _charts(facts: PseudoLabelFacts) -> list[Markup]:
    steps = [float(s) for s in facts.steps]
    lines = [Line("used", facts.used, "c2")]
    if any(finite(v) for v in facts.used_right):
        lines += [Line("right among the used", facts.used_right, "c1"), Line("right among all", facts.all_right, "c3")]
    charts = [curves(f"Pseudo-labels of {facts.counted:,} unlabelled rows", steps, lines, x_name="step", share=True)]
    if not facts.fixed_threshold:
        title = "Confidence from which on a pseudo-label is used"
        charts.append(curves(title, steps, _threshold_lines(facts), x_name="step", share=True))
    return charts


def _threshold_lines(facts: PseudoLabelFacts) -> list[Line]:
    """The threshold of each class; of many classes the highest, the mean and the lowest."""
    by_class = list(zip(*facts.thresholds, strict=True))
    if len(by_class) <= MAX_CLASS_LINES:
        return [Line(name, values, f"c{i + 1}") for i, (name, values) in enumerate(zip(facts.classes, by_class))]
    return [
        Line("highest class", [max(t) for t in facts.thresholds], "c2"),
        Line("mean", [math.fsum(t) / len(t) for t in facts.thresholds], "c1"),
        Line("lowest class", [min(t) for t in facts.thresholds], "c4"),
    ]


def _table_steps(facts: PseudoLabelFacts) -> list[int]:
    """Indices of the steps in the table of thresholds; none where the chart shows them all, or they never change."""
    if not MAX_CLASS_LINES < len(facts.classes) <= MAX_TABLE_CLASSES or facts.fixed_threshold:
        return []
    last = len(facts.steps) - 1
    return sorted({round(i * last / (MAX_TABLE_STEPS - 1)) for i in range(MAX_TABLE_STEPS)})
