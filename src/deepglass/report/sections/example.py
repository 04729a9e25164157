"""Feature maps and activations of one row, layer by layer."""

from deepglass.introspect.example import example_of
from deepglass.introspect.facts import ForwardExample
from deepglass.report.data import ReportData, View
from deepglass.report.sections.base import Section


class ExampleSection(Section):
    """The input, the output of each layer, and the prediction."""

    title, nav, position = "Feature maps of one example", "Example", 40
    layer = "inside"
    folded = True
    files = ("model.safetensors",)
    assets = ("layers",)

    def collect(self, report: ReportData) -> ForwardExample | None:
        return example_of(report.context)

    def view(self, facts: ForwardExample, report: ReportData) -> View:
        layers = [layer for layer in facts.layers if layer.images or len(layer.values) > 1]
        return {
            "example": facts,
            "layers": layers,
            "single": [layer.layer for layer in facts.layers if layer not in layers],
            "kinds": {layer.kind for layer in layers},
            "truth": dict(facts.truth),
        }
