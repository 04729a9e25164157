"""Feature visualisation: images that are optimised to maximise a unit or a class."""

from deepglass.introspect.facts import LayerImages
from deepglass.introspect.feature_visualization import feature_visualizations
from deepglass.report.data import ReportData, View
from deepglass.report.sections.base import Section


class FeatureVisualizationSection(Section):
    """A row of images a layer."""

    title, nav, position = "Feature visualisation", "Visualisation", 60
    layer = "inside"
    folded = True
    requires = ("image_input",)
    files = ("model.safetensors",)
    assets = ("layers",)

    def collect(self, report: ReportData) -> tuple[LayerImages, ...] | None:
        context = report.context
        return feature_visualizations(context) or None

    def view(self, facts: tuple[LayerImages, ...], report: ReportData) -> View:
        return {"layers": facts}
