"""The head of the report: task, main metric with its interval, baselines, and whether a network is worth it."""

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from deepglass.formatting import baseline_name, count, duration, finite
from deepglass.metrics.table import metric_of
from deepglass.report.charts.axes import Axis, axis
from deepglass.report.data import ReportData, View
from deepglass.report.output_facts import ClassFacts, Figure, OutputFacts, Reliability, ordered_baselines
from deepglass.report.sections.base import Section
from deepglass.report.templates import draw, titled
from deepglass.report.verdict import best_baseline, judge, main_value

SYMBOLS = {"yes": "✓", "no": "✕", "even": "≈", "unknown": "?"}
MAX_OUTPUTS = 8  # with a box of their own
CONFIDENT = 0.8  # from this confidence on a prediction counts as confident


class SummarySection(Section):
    """A box an output; always there."""

    title, nav, position = "Summary", "Summary", 0

    def view(self, facts: None, report: ReportData) -> View:
        outputs = report.outputs
        return {
            "name": report.name,
            "task": report.task,
            "outcomes": [_outcome(output, report) for output in outputs[:MAX_OUTPUTS]],
            "num_hidden": max(len(outputs) - MAX_OUTPUTS, 0),
            "key_facts": _key_facts(report),
        }


def _outcome(output: OutputFacts, report: ReportData) -> View:
    """One output: its main metric, the verdict, the chart of baselines, and sentences about its predictions."""
    verdict = judge(output, report.data.splits.get("train"), report.plan.seconds if report.plan else None)
    return {
        "output": output,
        "metric": output.metric.name,
        "value": main_value(output),
        "verdict": verdict,
        "symbol": SYMBOLS[verdict.worth],
        "chart": _baseline_chart(output),
        "confused": _most_confused(output.classes) if output.classes else None,
        "confident": _confident(output.classes.reliability) if output.classes and output.classes.reliability else None,
        "missing_baselines": bool(output.baselines) and best_baseline(output) is None,
    }


def _baseline_chart(output: OutputFacts) -> Markup:
    if not output.baselines:
        return Markup()
    metric = output.metric.name
    entries = [("this network", main_value(output), "c1")]
    for name in ordered_baselines(output.baselines):
        entries.append((baseline_name(name), Figure(output.baselines[name].metrics.get(metric, float("nan"))), "c2"))
    entries = [entry for entry in entries if finite(entry[1].value)]
    if not entries:
        return Markup()
    direction = {True: "higher is better", False: "lower is better", None: ""}[output.metric.higher_is_better]
    title = titled("Against simpler models", direction)
    return draw("compared", title=title, metric=metric, entries=entries, x=_baseline_axis(metric, entries))


def _baseline_axis(metric: str, entries: Sequence[tuple[str, Figure, str]]) -> Axis:
    """An axis for all entries; a constant prediction that is far off does not stretch it and lies at its edge."""
    constant = baseline_name("constant")
    near = [v for name, figure, _ in entries if name != constant for v in figure if finite(v)]
    far = [figure.value for name, figure, _ in entries if name == constant]
    if near:
        spread = max(near) - min(near)
        near += [v for v in far if min(abs(v - n) for n in near) <= 4 * spread]
    return axis(near or far, 146, 326, share=metric_of(metric).is_share, room=0.12)


def _most_confused(classes: ClassFacts) -> tuple[str, str, int] | None:
    """True class, predicted class and rows of the most frequent mistake."""
    names, confusion = classes.names, classes.confusion
    if confusion is None or len(names) < 3:
        return None
    wrong = np.nan_to_num(np.asarray(confusion, dtype=float))
    np.fill_diagonal(wrong, 0)
    true, predicted = np.unravel_index(int(wrong.argmax()), wrong.shape)
    rows = int(wrong[true, predicted])
    return (names[true], names[predicted], rows) if rows else None


def _confident(reliability: Reliability) -> tuple[float, float] | None:
    """The mean confidence of the confident predictions, and the share of them that is right."""
    bins = [b for b in reliability.after if b.confidence >= CONFIDENT and finite(b.accuracy)]
    rows = sum(b.rows for b in bins)
    if not rows:
        return None
    return sum(b.confidence * b.rows for b in bins) / rows, sum(b.accuracy * b.rows for b in bins) / rows


def _key_facts(report: ReportData) -> list[tuple[str, str]]:
    """Size of data and network, time and device."""
    pairs = [("rows", count(report.data.rows))]
    inputs = sum(c.role == "input" for c in report.columns)
    if inputs:
        pairs.append(("inputs", count(inputs)))
    if (plan := report.plan) is not None:
        if plan.parameters is not None:
            pairs.append(("parameters", count(plan.parameters)))
        if finite(plan.seconds):
            pairs.append(("training", duration(plan.seconds)))
        if plan.device:
            pairs.append(("device", plan.device))
    return pairs
