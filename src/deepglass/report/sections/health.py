"""The health of the network: what the watch over the run found, and how gradients went through the layers."""

from __future__ import annotations

import math

from deepglass.formatting import percent, plural
from deepglass.introspect.facts import NetworkHealth, Diagnostic, LayerHistory
from deepglass.report.charts.curves import Line, curves
from deepglass.report.charts.svg import titled
from deepglass.report.facts import Facts
from deepglass.report.markup import Panel, details, table, text
from deepglass.report.sections.base import PanelSection

_FIRST = 8  # layers of a table that are seen at once, where there are many
_LINES = 4  # layers drawn: as many as there are colours


def panel(facts: Facts) -> Panel | None:
    """Alarms with their cures, gradients, and the shares of ill units; None for runs that were not watched."""
    health = facts.inside.health if facts.inside is not None else None
    if health is None or not (health.histories or health.alarms):
        return None
    if health.alarms:
        lead = f"The watch over the training found {plural(len(health.alarms), 'ailment')}."
    else:
        lead = "Nothing ails it: no layer is dead or saturated, and gradients neither vanished nor exploded."
    ills = "".join(map(_ill, health.alarms))
    found = f'<div class="findings">{ills}</div>' if ills else ""
    return Panel(
        "Health of the network", lead, found + _gradients(health) + _units(health) + _gates(health), short="Health"
    )


def _ill(ill: Diagnostic) -> str:
    return (
        f'<article><h3><span class="tag">{text(ill.kind)}</span> {text(ill.layer)}</h3>'
        f"<p>{text(ill.text)}.</p><p>Cure: <code>{text(ill.suggestion)}</code></p></article>"
    )


def _gradients(health: NetworkHealth) -> str:
    drawn = [p for p in health.histories if len(p.steps) > 1 and max(p.gradient) > 0]
    if not drawn:
        return ""
    chosen = (
        drawn if len(drawn) <= _LINES else [drawn[round(i * (len(drawn) - 1) / (_LINES - 1))] for i in range(_LINES)]
    )
    steps = sorted({s for p in chosen for s in p.steps})
    lines = [_line(p, steps, f"c{i + 1}") for i, p in enumerate(chosen)]
    title = titled("Gradients", "norm relative to the layer's weights")
    return f'<div class="charts">{curves(title, [float(s) for s in steps], lines, x_name="step", log=True)}</div>'


def _line(pulse: LayerHistory, steps: list[int], css: str) -> Line:
    known = dict(zip(pulse.steps, pulse.gradient, strict=True))
    values = [known.get(s, math.nan) for s in steps]
    return Line(_short(pulse.layer), [v if v > 0 else math.nan for v in values], css)


def _short(layer: str) -> str:
    return layer.partition(" (")[0]


def _units(health: NetworkHealth) -> str:
    rows = [
        (text(p.layer), _share(p.dead), _share(p.saturated))
        for p in health.histories
        if p.dead is not None or p.saturated is not None
    ]
    if not rows:
        return ""
    head = ["Layer", "Dead units", "Saturated units"]
    first = rows if len(rows) <= 2 * _FIRST else rows[:_FIRST]
    html = table(head, first, caption="Share of each layer's units that are ill")
    if rest := rows[len(first) :]:
        html += details(plural(len(rest), "more layer"), table(head, rest, caption="The other layers"))
    return html


def _gates(health: NetworkHealth) -> str:
    """How far the gates of recurrent layers are open. Source: Karpathy et al., 2015, arXiv 1506.02078."""
    rows = [
        (text(p.layer), text(g.name), percent(g.shut, 0), percent(g.open, 0)) for p in health.histories for g in p.gates
    ]
    if not rows:
        return ""
    told = (
        "An open keep gate carries the state on unchanged, a shut one forgets. Gates that are always shut or always "
        "open do not follow what is read."
    )
    head = ["Layer", "Gate", "Shut <small>below 0.1</small>", "Open <small>above 0.9</small>"]
    return table(head, rows, caption="Gates, as shares of all units and tokens") + f'<p class="note">{told}</p>'


def _share(share: float | None) -> str:
    return percent(share, 0) if share is not None else "–"


class HealthSection(PanelSection):
    """See `panel`."""

    title, nav, position = "Layer diagnostics", "Layers", 250
    assets = ("inside",)
    panel = staticmethod(panel)
