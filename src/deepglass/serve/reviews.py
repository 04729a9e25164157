"""Questions about masks and boxes: a person accepts or refuses what is given, drawn over its image.

Rows whose prediction agrees least with what is given come first.
"""

import io
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from deepglass.errors import SpecError
from deepglass.features.outputs.base import Output
from deepglass.features.outputs.boxes import BoxesOutput
from deepglass.features.outputs.mask import MaskOutput
from deepglass.introspect.rows import OutputRows
from deepglass.labelling.candidates import Candidates
from deepglass.labelling.question import Question
from deepglass.prepare.label_values import GIVEN
from deepglass.prepare.prepared_data import add_context
from deepglass.report.box_overlays import box_overlays, is_visible
from deepglass.report.mask_overlays import mask_overlays
from deepglass.report.outputs import target_of
from deepglass.report.overlays import Annotation, OutputOverlays, Overlay, OverlayBox
from deepglass.run.run import Run
from deepglass.web.palette import colour, css

MAX_ROWS = 600  # that are predicted
MIN_SIDE = 480  # pixels of the longer side, to which small images are enlarged
OPACITY = 0.55  # of a mask
LINE, LEGEND_ROW = 3, 22  # pixels


class Drawings(NamedTuple):
    """An image with what is given, and with the prediction, drawn over it; PNG."""

    given: bytes
    prediction: bytes


def review_questions(
    run: Run, candidates: Candidates, output: Output, limit: int
) -> tuple[list[Question], dict[int, Drawings]]:
    """At most `limit` questions about the run's own rows, and the drawings of each row of the source.

    Raises:
        SpecError: `bad-value` for rows of another source.
    """
    if candidates.origin.fingerprint != run.state.source["fingerprint"]:
        text = "masks and boxes are reviewed on the run's own rows; leave SOURCE out"
        raise SpecError("bad-value", f"label: {output.name}: {text}")
    context = run.context
    data, open_rows = context.data, candidates.rows[~candidates.answered]
    rows = np.flatnonzero(np.isin(data.source_rows, open_rows) & (data.split != ""))
    rows = np.sort(np.random.default_rng(0).permutation(rows)[:MAX_ROWS])
    if not len(rows):
        return [], {}
    dataset = data.dataset(rows, context.device)
    best = add_context(context.objective.evaluate(dataset, 64).predictions, data.outputs, dataset.columns)
    calibration = context.calibration.get(output.name, {})
    reviewed = OutputRows(data, rows, best[output.name], target_of(output, data, rows), calibration, context.objective)
    if isinstance(output, MaskOutput):
        collection = mask_overlays(output, reviewed, limit)
    else:
        assert isinstance(output, BoxesOutput)
        collection = box_overlays(output, reviewed, limit)
    overlays = collection.overlays[:limit]
    questions = [Question(o.row, "review", GIVEN, "", round(float(o.score or 0.0), 4)) for o in overlays]
    return questions, {o.row: _drawings(o, collection, output) for o in overlays}


def reopened_review(
    run: Run, candidates: Candidates, output: Output, drawings: dict[int, Drawings], row: int
) -> Question:
    """The question about a row whose answer was taken back; its drawings are added to the others."""
    one = candidates._replace(rows=np.array([row]), answered=np.array([False]))
    (question,), added = review_questions(run, one, output, 1)
    drawings.update(added)
    return question


def _drawings(overlay: Overlay, collection: OutputOverlays, output: Output) -> Drawings:
    names = output.class_names
    legend = collection.legend or tuple(
        (name, css(colour(k))) for k, name in enumerate(names) if _has_box(overlay, name)
    )
    return Drawings(*(_draw(overlay, part, collection, legend, names) for part in (overlay.truth, overlay.prediction)))


def _has_box(overlay: Overlay, name: str) -> bool:
    return any(box.name == name for part in (overlay.truth, overlay.prediction) for box in part.boxes)


def _draw(
    overlay: Overlay,
    part: Annotation,
    collection: OutputOverlays,
    legend: Sequence[tuple[str, str]],
    names: Sequence[str],
) -> bytes:
    image = Pillow.open(io.BytesIO(overlay.image)).convert("RGB")
    scale = max(1, round(MIN_SIDE / max(image.size)))
    image = image.resize((image.width * scale, image.height * scale), Pillow.Resampling.NEAREST)
    if part.mask is not None:
        mask = Pillow.open(io.BytesIO(part.mask)).convert("RGBA").resize(image.size, Pillow.Resampling.NEAREST)
        opacity = mask.getchannel("A").point(lambda alpha: round(OPACITY * alpha))
        image.paste(mask.convert("RGB"), (0, 0), opacity)
    pen = ImageDraw.Draw(image)
    for box in part.boxes:
        if box.confidence is None or part is overlay.truth or is_visible(box, collection.threshold):
            _draw_box(pen, box, image.size, css(colour(names.index(box.name))))
    out = io.BytesIO()
    _with_legend(image, legend).save(out, "PNG")
    return out.getvalue()


def _draw_box(pen: ImageDraw.ImageDraw, box: OverlayBox, size: tuple[int, int], line: str) -> None:
    X, Y = size
    pen.rectangle((box.left * X, box.top * Y, box.right * X, box.bottom * Y), outline=line, width=LINE)


def _with_legend(image: Pillow.Image, legend: Sequence[tuple[str, str]]) -> Pillow.Image:
    """The image with a row for each class below it."""
    whole = Pillow.new("RGB", (image.width, image.height + LEGEND_ROW * len(legend) + 4), "white")
    whole.paste(image, (0, 0))
    pen, font = ImageDraw.Draw(whole), ImageFont.load_default(15)
    for i, (name, fill) in enumerate(legend):
        y = image.height + 4 + i * LEGEND_ROW
        pen.rectangle((6, y + 3, 20, y + 17), fill=fill)
        pen.text((28, y + 1), name[:60], fill="black", font=font)
    return whole
