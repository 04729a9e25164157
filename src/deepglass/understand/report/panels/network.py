"""The network, layer by layer: what goes through it and where its parameters are."""

from __future__ import annotations

from deepglass.understand.report.facts import Facts, Layer
from deepglass.understand.report.markup import Panel, details, label, meter, text
from deepglass.understand.report.numerals import count, percent, plural

_MOST = 200
_FIRST = 12  # shown unfolded, where there are many


def panel(facts: Facts) -> Panel | None:
    """The layers from the input to the answer; None where they are not known."""
    if not facts.layers:
        return None
    total = sum(layer.parameters for layer in facts.layers)
    largest = max(1, *(layer.parameters for layer in facts.layers))
    rows = [_layer(layer, total, largest) for layer in facts.layers[:_MOST]]
    first = rows if len(rows) <= 2 * _FIRST else rows[:_FIRST]
    html = _table(first)
    if rest := rows[len(first) :]:
        html += details(plural(len(rest), "more layer"), _table(rest))
    more = len(facts.layers) - _MOST
    html += f'<p class="note">{plural(more, "further layer")} not shown.</p>' if more > 0 else ""
    lead = f"{plural(len(facts.layers), 'layer')} with {plural(total, 'parameter')}, in the order of the forward pass."
    return Panel("The network", lead, html, short="Network")


def _table(rows: list[str]) -> str:
    head = "".join(f'<th scope="col">{name}</th>' for name in ("Layer", "Shape", "Parameters"))
    return (
        f'<table class="layers"><caption class="hidden">Layers</caption><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table>"
    )


def _layer(layer: Layer, total: int, largest: int) -> str:
    shape = "\N{NO-BREAK SPACE}× ".join(text(s) for s in layer.shape) if layer.shape else "–"
    share = layer.parameters / max(total, 1)
    weight = meter(layer.parameters / largest) if layer.parameters else ""
    parameters = f"{count(layer.parameters)} <small>{percent(share, 0)}</small>" if layer.parameters else "–"
    return (
        f'<tr><th scope="row"><b>{label(layer.kind, 30)}</b> <small>{label(layer.name, 48)}</small></th>'
        f'<td class="shape">{shape}</td><td class="parameters">{weight}{parameters}</td></tr>'
    )
