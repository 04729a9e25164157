"""Feature maps and activations of one row, layer by layer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from deepglass.formatting import count
from deepglass.introspect.example import example_of
from deepglass.introspect.facts import ForwardExample, LayerOutput
from deepglass.report.charts.svg import joined, tag
from deepglass.report.data import ReportData
from deepglass.report.sections.base import Section

HEIGHT = 60  # of the bars
MIN_BARS = 24  # bars of a narrower layer are not stretched


class ExampleSection(Section):
    """The input, the output of each layer, and the prediction."""

    title, nav, position = "Feature maps of one example", "Example", 260
    files = ("model.safetensors",)
    assets = ("layers",)

    def collect(self, report: ReportData) -> ForwardExample | None:
        context = report.context
        return example_of(context)

    def view(self, facts: ForwardExample, report: ReportData) -> Mapping[str, Any]:
        kinds = {layer.kind for layer in facts.layers}
        return {
            "example": facts,
            "shows": "feature maps of some channels"
            if "maps" in kinds
            else "activations over time"
            if "times" in kinds
            else "activations as bars",
            "layers": [(layer, None if layer.pictures else _bars(layer)) for layer in facts.layers],
            "truth": dict(facts.truth),
        }


def _bars(layer: LayerOutput) -> Markup:
    """A bar a unit, upwards for positive ones."""
    zero = HEIGHT / 2 if min(layer.values, default=0.0) < 0 else HEIGHT - 1
    room = zero - 2
    bars = joined(
        tag(
            "rect",
            css="up" if v >= 0 else "down",
            x=10 * i + 1,
            width=8,
            y=f"{zero - room * v if v >= 0 else zero:.1f}",
            height=f"{max(room * abs(v), 0.4):.1f}",
        )
        for i, v in enumerate(layer.values)
    )
    width = 10 * max(len(layer.values), MIN_BARS)
    label = f"{count(len(layer.values))} units of {layer.layer}"
    line = tag("line", x1=0, x2=width, y1=zero, y2=zero)
    return tag(
        "svg", line, bars, viewBox=f"0 0 {width} {HEIGHT}", preserveAspectRatio="none", role="img", aria_label=label
    )
