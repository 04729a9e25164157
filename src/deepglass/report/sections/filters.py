"""What convolutional layers detect: the first filters, and the image patches that activate later channels most."""

import numpy as np

from deepglass.features._display import first_image
from deepglass.introspect.filters import Filters, LayerPatches, filters_of
from deepglass.report.data import ReportData, View
from deepglass.report.row_selection import evenly_spaced
from deepglass.report.sections.base import Section

MAX_IMAGE_BYTES = 1_100_000  # base64 makes a third more of it
MAX_IMAGES = 1024  # that are searched for patches


class FiltersSection(Section):
    """Filters, then patches layer by layer."""

    title, nav, position = "Filters", "Filters", 50
    layer = "inside"
    folded = True
    requires = ("image_input",)
    files = ("model.safetensors",)

    def collect(self, report: ReportData) -> Filters | None:
        """Of the first image input: in test rows, and in training rows too where there are few."""
        objective, prepared = report.context.objective, report.context.data
        image = first_image(prepared.inputs)
        if image is None:
            return None
        rows = prepared.rows("test")
        if len(rows) < MAX_IMAGES // 2:
            rows = np.concatenate([rows, prepared.rows("train")])
        data = prepared.dataset(evenly_spaced(rows, MAX_IMAGES), report.context.device)
        labels, output = None, next((f for f in prepared.outputs if f.has_classes), None)
        if output is not None:
            codes, names = data.truth[output.name].values.reshape(-1).astype(int), output.class_names
            labels = [names[c - 1] if 0 < c <= len(names) else "" for c in codes]
        return filters_of(objective, objective.forward_pass, data, image.name, labels)

    def view(self, facts: Filters, report: ReportData) -> View | None:
        if not (facts.first or facts.stages):
            return None
        return {"filters": facts, "layers": _within(facts.stages, MAX_IMAGE_BYTES)}


def _within(layers: tuple[LayerPatches, ...], most: int) -> list[tuple[int, LayerPatches]]:
    """Layers and their indices, as long as the bytes of their patches last."""
    chosen, left = [], most
    for index, layer in enumerate(layers):
        left -= sum(len(patch) for unit in layer.units for patch in unit.patches)
        if left > 0:
            chosen.append((index, layer))
    return chosen
