"""Test images above their reconstructions."""

from typing import NamedTuple

import torch

from deepglass.features._display import first_image
from deepglass.objectives.autoencoder import Autoencoder
from deepglass.objectives.dbn import Dbn
from deepglass.objectives.rbm import Rbm
from deepglass.objectives.variational import Variational
from deepglass.report.data import ReportData
from deepglass.report.image_grid import image_grid
from deepglass.report.row_selection import evenly_spaced
from deepglass.report.sections.base import Section

ROWS = 16


class Reconstructions(NamedTuple):
    """Rows above their reconstructions: a PNG of two rows of tiles."""

    name: str
    image: bytes
    rows: int

    def without_rows(self) -> None:
        """Nothing: all of it is rows."""


class ReconstructionsSection(Section):
    """Two rows of tiles."""

    title, nav, position = "Reconstructions", "Reconstructions", 140
    layer = "result"
    requires = ("image_input",)

    def collect(self, report: ReportData) -> Reconstructions | None:
        objective, prepared = report.context.objective, report.context.data
        image = first_image(prepared.inputs)
        if image is None or not isinstance(objective, Autoencoder | Variational | Rbm | Dbn):
            return None
        rows = prepared.rows("test")
        rows = evenly_spaced(rows if len(rows) else prepared.rows("train"), ROWS)
        batch = prepared.dataset(rows, report.context.device).batch(torch.arange(len(rows)))
        objective.eval()
        with torch.inference_mode():
            reconstructed = objective.reconstruct(batch)[image.name]["codes"].cpu().numpy()
        given = batch.inputs[image.name].values.cpu().numpy()
        tiles = [image.pixels(codes) for codes in (*given, *reconstructed)]
        return Reconstructions(image.name, image_grid(tiles, len(rows)), len(rows))
