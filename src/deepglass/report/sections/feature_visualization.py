"""Feature visualisation: images that are optimised to maximise a unit or a class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deepglass.introspect.facts import Visions
from deepglass.introspect.feature_visualization import visions_of
from deepglass.report.data import ReportData
from deepglass.report.sections.base import Section


class FeatureVisualizationSection(Section):
    """A row of images a layer."""

    title, nav, position = "Feature visualisation", "Visualisation", 280
    requires = ("image_input",)
    files = ("model.safetensors",)
    assets = ("inside",)

    def collect(self, report: ReportData) -> tuple[Visions, ...] | None:
        context = report.context
        return visions_of(context.data, context.objective, context.device) or None

    def view(self, facts: tuple[Visions, ...], report: ReportData) -> Mapping[str, Any]:
        return {"layers": facts}
