"""The figures of each class, as a table that can be sorted."""

from __future__ import annotations

from collections.abc import Mapping

from deepglass.formatting import count, finite
from deepglass.metrics.table import metric_text, metric_title
from deepglass.report.facts import Facts
from deepglass.report.markup import Panel, capital, each_output, label, meter, text
from deepglass.report.output_facts import OutputFacts
from deepglass.report.sections.base import PanelSection
from deepglass.web.palette import css

_MOST = 400
_FIRST = 20


def panel(facts: Facts) -> Panel | None:
    """A table an output; None where no output has figures a class."""
    shown = [(i, o) for i, o in enumerate(facts.outputs) if o.per_class]
    if not shown:
        return None
    parts = [(o.name, _table(i, o)) for i, o in shown]
    lead = "Worst first. Choose a heading to sort by it."
    return Panel("Each class", lead, each_output(parts, named=len(facts.outputs) > 1), short="Classes")


def _table(place: int, output: OutputFacts) -> str:
    found = dict.fromkeys(m for figures in output.per_class.values() for m in figures)
    metrics = [m for m in found if m != "rows"]
    columns = [*(["rows"] if "rows" in found else []), *metrics]
    colours = {k.name: css(k.colour) for k in output.legend}
    first = metrics[0] if metrics else "rows"
    order = sorted(output.per_class, key=lambda n: _key(output.per_class[n].get(first)))
    rows = "".join(_row(name, output.per_class[name], columns, colours.get(name)) for name in order[:_MOST])
    head = "".join(
        f'<th scope="col"{_sorted(n == first)}><button type="button" class="sort">{_heading(n)}</button></th>'
        for n in ("class", *columns)
    )
    more = len(order) - _MOST
    note = f'<p class="note">{count(more)} further classes are not shown.</p>' if more > 0 else ""
    return (
        '<div class="scroll" tabindex="0" role="group" aria-label="Figures of each class">'
        f'<table class="eachclass sortable" id="each-class-{place}" data-first="{_FIRST}">'
        f'<caption class="hidden">Figures of each class of {text(output.name)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>{note}"
    )


def _sorted(here: bool) -> str:
    return ' aria-sort="ascending"' if here else ""


def _heading(metric: str) -> str:
    return text(capital({"class": "class", "rows": "true ones"}.get(metric, metric_title(metric))))


def _row(name: str, figures: Mapping[str, float], columns: list[str], colour: str | None) -> str:
    chip = f'<i class="chip" style="--c:{colour}"></i>' if colour else ""
    cells = "".join(_cell(c, figures.get(c)) for c in columns)
    return f'<tr><th scope="row" data-value="{text(name)}">{chip}{label(name, 40)}</th>{cells}</tr>'


def _cell(column: str, value: float | None) -> str:
    if column == "rows":
        return f'<td data-value="{_value(value)}">{count(value)}</td>'
    bar = meter(value) if finite(value) and 0 <= value <= 1 else ""
    return f'<td data-value="{_value(value)}">{bar}{metric_text(column, value)}</td>'


def _value(value: float | None) -> str:
    return f"{value:.6g}" if finite(value) else ""


def _key(value: float | None) -> float:
    """Not measured comes last."""
    return value if finite(value) else float("inf")


class PerClassSection(PanelSection):
    """See `panel`."""

    title, nav, position = "Metrics of each class", "Classes", 90
    panel = staticmethod(panel)
