"""Layer diagnostics of training: dead and saturated units, vanishing and exploding gradients, gates."""

import math

from markupsafe import Markup

from deepglass.introspect.diagnostics import network_health
from deepglass.introspect.facts import LayerHistory, NetworkHealth
from deepglass.report.charts.curves import Line, curves
from deepglass.report.data import ReportData, View
from deepglass.report.sections.base import Section
from deepglass.report.templates import titled
from deepglass.run.callbacks.layer_diagnostics import FILE

LAYERS_SHOWN = 8  # of a table with many; the others open on a click
MAX_LINES = 4  # as many as there are colours


class HealthSection(Section):
    """Diagnostics with their fixes, gradient norms, and shares of dead and saturated units."""

    title, nav, position = "Layer diagnostics", "Layers", 30
    layer = "inside"
    folded = True
    files = (FILE,)
    assets = ("layers",)

    def collect(self, report: ReportData) -> NetworkHealth | None:
        context = report.context
        return network_health(context)

    def view(self, facts: NetworkHealth, report: ReportData) -> View | None:
        if not (facts.histories or facts.alarms):
            return None
        units = [p for p in facts.histories if p.dead is not None or p.saturated is not None]
        return {
            "health": facts,
            "gradients": _gradients(facts),
            "units": units,
            "first": LAYERS_SHOWN if len(units) > 2 * LAYERS_SHOWN else len(units),
            "gates": [(p.layer, gate) for p in facts.histories for gate in p.gates],
        }


def _gradients(health: NetworkHealth) -> Markup | None:
    """Gradient norms of some layers, spread from the first to the last."""
    layers = [p for p in health.histories if len(p.steps) > 1 and max(p.gradient) > 0]
    if not layers:
        return None
    if len(layers) > MAX_LINES:
        layers = [layers[round(i * (len(layers) - 1) / (MAX_LINES - 1))] for i in range(MAX_LINES)]
    steps = sorted({s for layer in layers for s in layer.steps})
    lines = [_line(layer, steps, f"c{i + 1}") for i, layer in enumerate(layers)]
    title = titled("Gradient norm", "relative to the layer's weights")
    return curves(title, [float(s) for s in steps], lines, x_name="step", log=True)


def _line(layer: LayerHistory, steps: list[int], css: str) -> Line:
    norms = dict(zip(layer.steps, layer.gradient, strict=True))
    values = [norms.get(s, math.nan) for s in steps]
    return Line(layer.layer.partition(" (")[0], [v if v > 0 else math.nan for v in values], css)
