"""Validation images in the style that a run has learned, over the training."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from deepglass.objectives.style import Style
from deepglass.report.data import ReportData
from deepglass.report.image_grid import image_grid
from deepglass.report.row_selection import evenly_spaced
from deepglass.report.sections.base import Section
from deepglass.report.sections.samples import pixels_of
from deepglass.run.callbacks.sample_recorder import FOLDER, read_samples

MAX_SHEETS = 6


class PaintedImages(NamedTuple):
    """The style image, and a row of tiles for each step; step 0 has the images themselves."""

    style: bytes
    sheets: tuple[tuple[int, bytes], ...]
    rows: int

    def without_rows(self) -> None:
        """Nothing: all of it is rows."""


class PaintedImagesSection(Section):
    """The style image, then a row of tiles a step."""

    title, nav, position = "Painted images", "Painted", 135
    layer = "result"
    files = (f"{FOLDER}/*",)

    def collect(self, report: ReportData) -> PaintedImages | None:
        objective = report.context.objective
        if not isinstance(objective, Style):
            return None
        recorded, name = read_samples(report.context.folder), objective.feature.name
        if len(recorded) < 2:
            return None
        steps = [0, *evenly_spaced(np.array([step for step in recorded if step]), MAX_SHEETS).tolist()]
        tiles = {step: [pixels_of(value) for value in recorded[step][name]] for step in steps}
        style = objective.style_pixels.cpu().numpy().transpose(1, 2, 0)
        sheets = tuple((step, image_grid(tiles[step], len(tiles[step]))) for step in steps)
        return PaintedImages(image_grid([style], 1), sheets, len(tiles[0]))
