"""The head of the report: task, main metric with its interval, baselines, and whether a network is worth it."""

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from deepglass.doctor.base import Finding
from deepglass.formatting import baseline_name, count, duration, finite
from deepglass.metrics.table import metric_of
from deepglass.report.charts.axes import Axis, axis
from deepglass.report.convergence import is_shortened
from deepglass.report.data import ReportData, View
from deepglass.report.headline import by_severity, headline, sentence, short_text
from deepglass.report.output_facts import Figure, OutputFacts, ordered_baselines
from deepglass.report.sections.base import Section
from deepglass.report.templates import draw, titled
from deepglass.report.verdict import best_baseline, judge, main_value

SYMBOLS = {"better": "✓", "no_worse": "≈", "worse": "✕", "unclear": "?", "unknown": "?"}
MAX_FINDINGS = 3
MAX_OUTPUTS = 8  # with a box of their own


class SummarySection(Section):
    """A box an output; always there."""

    title, nav, position = "Summary", "Summary", 0
    layer = "result"

    def view(self, facts: None, report: ReportData) -> View:
        outputs = report.outputs
        findings = _findings(report)
        tested = [f.name for f, _ in report.tested_outputs or ()]
        per_class = dict(zip(tested, report.per_class or ()))
        names = [c.name for c in report.columns]
        outcomes = [_outcome(o, report, findings or (), per_class.get(o.name)) for o in outputs[:MAX_OUTPUTS]]
        return {
            "name": report.name,
            "task": report.task,
            "training_warnings": [sentence(text, names) for text in report.data.training_warnings],
            "outcomes": outcomes,
            "findings": None if findings is None else len(findings),
            "further_findings": _further_findings(findings or (), outcomes),
            "split": split_text(report.split_source or ""),
            "num_hidden": max(len(outputs) - MAX_OUTPUTS, 0),
            "key_facts": _key_facts(report),
        }


def _outcome(
    output: OutputFacts,
    report: ReportData,
    findings: Sequence[Finding],
    per_class: Mapping[str, Mapping[str, float]] | None,
) -> View:
    """One output: its main metric, the verdict, the chart of baselines, and sentences about its predictions."""
    seconds = report.plan.seconds if report.plan else None
    shortened = is_shortened(report.metrics.get("stop_reason"), report.history)
    verdict = judge(output, report.data.splits.get("train"), seconds, shortened)
    return {
        "output": output,
        "metric": output.metric.name,
        "value": main_value(output),
        "verdict": verdict,
        "symbol": SYMBOLS[verdict.outcome],
        "chart": _baseline_chart(output),
        "headline": headline(output, findings, per_class),
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


def _findings(report: ReportData) -> Sequence[Finding] | None:
    """The findings; None where they cannot be read or computed: their own section says why."""
    if not report.has("test_predictions"):
        return ()
    try:
        return report.findings or ()
    except Exception:
        return None


def _further_findings(findings: Sequence[Finding], outcomes: Sequence[View]) -> list[tuple[str, str]]:
    """Kind and short text of the most serious findings that no warning of an output tells already."""
    warnings = {sentence for outcome in outcomes for sentence in outcome["headline"].warnings}
    further = [(f.kind, text) for f in by_severity(findings) if (text := short_text(f)) not in warnings]
    return further[:MAX_FINDINGS]


def split_text(source: str) -> str:
    """How the test rows were chosen."""
    kind, _, column = source.partition(":")
    return {
        "": "chosen at random",
        "order": "the last ones of the source",
        "predefined": "given as test rows",
        "time": f"the latest ones by {column}",
        "group": f"whole groups of {column} that no other row is of",
    }.get(kind, kind)


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
