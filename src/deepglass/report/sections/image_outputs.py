"""Outputs that are images: input, prediction and target side by side, the worst first."""

from typing import NamedTuple

import numpy as np

from deepglass.features.outputs._dense import crop_to_frame
from deepglass.features.outputs.base import Output
from deepglass.introspect.rows import OutputRows, row_image
from deepglass.report.data import ReportData, View
from deepglass.report.examples import OutputExamples, examples, within_bytes
from deepglass.report.row_selection import worst_and_typical
from deepglass.report.sections.base import Section
from deepglass.web import encode_image

MAX_BYTES = 2_000_000  # of all images of an output
MAX_SIDE = 240  # pixels of an image
SHOWN_AT_FIRST = (4, 2)  # of the worst and of the typical ones
SCORE = "psnr"


class ImageRow(NamedTuple):
    """A test row with its images, PNG or JPEG; `input_image` is None where the input is no image."""

    row: int
    input_image: bytes | None
    truth: bytes
    predicted: bytes
    score: float  # signal-to-noise ratio in decibels
    typical: bool = False

    @property
    def num_bytes(self) -> int:
        return len(self.input_image or b"") + len(self.truth) + len(self.predicted)


class ImageOutputsSection(Section):
    """Three images a row; None where no output is an image."""

    title, nav, position = "Image outputs", "Image outputs", 120
    layer = "result"
    requires = ("test_predictions",)

    def collect(self, report: ReportData) -> tuple[OutputExamples[ImageRow], ...]:
        return examples(report, image_rows)

    def view(self, facts: tuple[OutputExamples[ImageRow], ...], report: ReportData) -> View:
        outputs = [{"name": output.name, "rows": within_bytes(output.rows, MAX_BYTES)} for output in facts]
        return {"outputs": outputs, "first": SHOWN_AT_FIRST, "score": SCORE}


def image_rows(feature: Output, rows: OutputRows) -> tuple[ImageRow, ...]:
    """The rows of lowest signal-to-noise ratio, then some typical ones; none for other outputs."""
    if not feature.is_image or not rows.truth.mask.any():
        return ()
    error = feature.for_scoring(rows.best, rows.truth)[0]["error"].astype(float)
    psnr = -10 * np.log10(np.maximum(error, 1e-10))
    chosen = []
    for i, typical in worst_and_typical(psnr, rows.truth.mask):
        image = row_image(rows, i, MAX_SIDE)
        letterbox = rows.best["letterbox"][i] if "letterbox" in rows.best else None
        truth, predicted = (
            encode_image.photo(feature.pixels(crop_to_frame(codes[i], letterbox)), MAX_SIDE)
            for codes in (rows.truth.values, rows.best["codes"])
        )
        encoded = None if image is None else image.encoded
        chosen.append(ImageRow(rows.place(i), encoded, truth, predicted, float(psnr[i]), typical))
    return tuple(chosen)
