"""What a generative model generated during training, always from the same random numbers."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from PIL import Image as Pillow

from deepglass.errors import SourceError
from deepglass.features._display import first_image
from deepglass.features._images import BROKEN
from deepglass.features.number import Number
from deepglass.report.charts.axes import TOP, axis
from deepglass.report.data import ReportData, View
from deepglass.report.image_grid import image_grid
from deepglass.report.row_selection import evenly_spaced
from deepglass.report.sections.base import Section
from deepglass.run.callbacks.sample_recorder import FOLDER, read_samples

MAX_SHEETS = 8
MAX_REAL = 300  # training rows in the plane
SIDE = 200  # of a plane


class SampleSheet(NamedTuple):
    """Samples at a step of the run: a PNG of tiles, or points in a plane."""

    step: int
    image: bytes | None = None
    points: Sequence[tuple[float, float]] = ()


class SampleFacts(NamedTuple):
    """Samples during training.

    Args:
        name: the feature, or the two columns of the plane.
        sheets: in the order of training.
        rows: of a sheet.
        real: training rows, in the plane.
    """

    name: str
    sheets: tuple[SampleSheet, ...]
    rows: int
    real: Sequence[tuple[float, float]] = ()

    def without_rows(self) -> SampleFacts:
        """The samples alone."""
        return self._replace(real=())


class SamplesSection(Section):
    """A sheet a step, in order."""

    title, nav, position = "Generated samples", "Samples", 130
    layer = "result"
    files = (f"{FOLDER}/*",)

    def collect(self, report: ReportData) -> SampleFacts | None:
        if not report.context.objective.generative:
            return None
        recorded, prepared = read_samples(report.context.folder), report.context.data
        if not recorded:
            return None
        chosen = evenly_spaced(np.array(list(recorded)), MAX_SHEETS).tolist()
        image = first_image(prepared.inputs)
        if image is not None and image.name in recorded[chosen[0]]:
            made = [SampleSheet(s, image_grid([pixels_of(v) for v in recorded[s][image.name]])) for s in chosen]
            return SampleFacts(image.name, tuple(made), len(recorded[chosen[0]][image.name]))
        numbers = [f for f in prepared.inputs if isinstance(f, Number) and f.name in recorded[chosen[0]]][:2]
        if len(numbers) < 2:
            return None
        plane = [f.name for f in numbers]
        made = [SampleSheet(step, None, _pairs(recorded[step], plane)) for step in chosen]
        table = prepared.table.take(evenly_spaced(prepared.rows("train"), MAX_REAL))
        real = _pairs({f.name: list(table[f.column]) for f in numbers}, plane)
        return SampleFacts(" and ".join(plane), tuple(made), len(made[0].points), real)

    def view(self, facts: SampleFacts, report: ReportData) -> View:
        frames = [facts.real or sheet.points for sheet in facts.sheets]
        return {
            "facts": facts,
            "side": SIDE,
            "axes": [
                (
                    axis([x for x, _ in frame], 6, SIDE - 6, room=0.15),
                    axis([y for _, y in frame], SIDE - 6, TOP, room=0.15),
                )
                for frame in frames
            ],
        }


def pixels_of(value: Mapping[str, str]) -> np.ndarray:
    """The pixels of a recorded image, (Y, X, 1 or 3) of bytes.

    Raises:
        SourceError: `unreadable-file` where there is no image.
    """
    try:
        opened = Pillow.open(io.BytesIO(base64.b64decode(value["png"])), formats=["PNG"])
        pixels = np.asarray(opened.convert("L" if opened.mode in ("1", "L", "I;16", "I") else "RGB"))
    except BROKEN as error:
        raise SourceError("unreadable-file", f"{FOLDER}/: an image in it is damaged ({error})") from error
    return pixels if pixels.ndim == 3 else pixels[..., None]


def _pairs(columns: Mapping[str, Sequence[Any]], plane: Sequence[str]) -> list[tuple[float, float]]:
    """The points of two columns.

    Raises:
        SourceError: `unreadable-file` where they are no numbers, or not the same number of them.
    """
    try:
        both = zip(*(columns[name] for name in plane), strict=True)
        return [(float(x), float(y)) for x, y in both if x is not None and y is not None]
    except (KeyError, TypeError, ValueError) as error:
        raise SourceError("unreadable-file", f"{FOLDER}/: {' and '.join(plane)}: damaged ({error})") from error
