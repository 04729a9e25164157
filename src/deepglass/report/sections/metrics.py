"""All test figures with their intervals, beside those of the simpler models."""

from __future__ import annotations

from deepglass.formatting import baseline_name, duration, finite, plural
from deepglass.metrics.summaries import Figure
from deepglass.metrics.table import higher_is_better, metric_text, metric_title
from deepglass.report.facts import Facts
from deepglass.report.markup import Panel, capital, each_output, remarks, table, text
from deepglass.report.output_facts import Baseline, OutputFacts
from deepglass.report.sections.base import PanelSection

_NO_CONTEST = ("coverage", "ece")  # a coverage is best at its level, and an answer that knows nothing is calibrated
_ORDER = ("gradient_boosting", "linear", "constant")


def panel(facts: Facts) -> Panel | None:
    """A table an output; None where nothing was measured."""
    shown = [o for o in facts.outputs if o.test]
    if not shown:
        return None
    parts = [(o.name, _table(o) + _footnote(o) + remarks(text(r) for r in o.remarks)) for o in shown]
    html = each_output(parts, named=len(facts.outputs) > 1)
    measured = any(finite(f.low) for o in shown for f in o.test.values())
    lead = "Measured on rows that neither training nor the choice of settings has seen"
    lead += ", with 95&nbsp;% intervals." if measured else "."
    beside = ", beside simpler models" if any(o.baselines for o in shown) else ""
    return Panel(f"Test figures{beside}", lead, html, short="Test")


def _table(output: OutputFacts) -> str:
    names = sorted(output.baselines, key=lambda n: _ORDER.index(n) if n in _ORDER else -1)
    rows = [_row(output, metric, names) for metric in _metrics(output)]
    head = ["Figure", "This network", *(text(capital(baseline_name(n))) for n in names)]
    return table(head, rows, css="figures", caption=f"Test figures of {text(output.name)}")


def _metrics(output: OutputFacts) -> list[str]:
    """The figure to watch first, then as they come."""
    main = output.metric.name
    return sorted(output.test, key=lambda m: m != main)


def _row(output: OutputFacts, metric: str, names: list[str]) -> list[str]:
    ours = output.test[metric]
    theirs = {n: output.baselines[n].metrics.get(metric, float("nan")) for n in names}
    main = metric == output.metric.name
    higher = output.metric.higher_is_better if main else higher_is_better(metric)
    known = [v for v in (ours.value, *theirs.values()) if finite(v)]
    best = (max if higher else min)(known) if len(known) > 1 and metric not in _NO_CONTEST else None
    arrow = f'<small class="way" title="{"more" if higher else "less"} is better">{"↑" if higher else "↓"}</small>'
    heading = f"{text(capital(metric_title(metric)))} {arrow if metric != 'coverage' else ''}"
    cells = [_cell(metric, ours, best), *(_cell(metric, Figure(theirs[n]), best) for n in names)]
    return [f"<b>{heading}</b>" if main else heading, *cells]


def _cell(metric: str, shown: Figure, best: float | None) -> str:
    value = metric_text(metric, shown.value)
    value = f'<b class="best">{value}</b>' if finite(shown.value) and shown.value == best else value
    if not (finite(shown.low) and finite(shown.high)):
        return value
    return f"{value} <small>{metric_text(metric, shown.low)} – {metric_text(metric, shown.high)}</small>"


def _footnote(output: OutputFacts) -> str:
    said = [_said(name, b) for name, b in output.baselines.items() if name != "constant"]
    sentences = [f"{plural(output.test_rows, f'test {output.unit}')}.", *(s for s in said if s)]
    if "constant" in output.baselines:
        sentences.append("The constant answer ignores the inputs.")
    if output.baselines:
        sentences.append("Bold: best of the row.")
    return f'<p class="note">{" ".join(sentences)}</p>'


def _said(name: str, baseline: Baseline) -> str:
    took = f" in {duration(baseline.seconds)}" if finite(baseline.seconds) else ""
    fitted = f"fitted on {plural(baseline.rows, 'row')}" if baseline.rows else "fitted" if took else ""
    return f"{text(capital(baseline_name(name)))}: {fitted}{took}." if fitted else ""


class MetricsSection(PanelSection):
    """See `panel`."""

    title, nav, position = "Test metrics", "Metrics", 20
    panel = staticmethod(panel)
