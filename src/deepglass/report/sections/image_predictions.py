"""Predicted masks and boxes drawn over their images: a wipe between truth and prediction, a slider for confidence.

Without the page's script masks stand side by side, and boxes are drawn from one confidence on.
"""

from deepglass.features.outputs.base import Output
from deepglass.features.outputs.boxes import BoxesOutput
from deepglass.features.outputs.mask import MaskOutput
from deepglass.introspect.rows import OutputRows
from deepglass.report.box_overlays import box_overlays, is_visible
from deepglass.report.data import ReportData, View
from deepglass.report.examples import within_bytes
from deepglass.report.mask_overlays import mask_overlays
from deepglass.report.overlays import OutputOverlays, Overlay
from deepglass.report.sections.base import Section

MAX_BYTES = 3_000_000  # of all images together: base64 adds a third, and a report is at most 10 MB
MAX_NAMED_BOXES = 20  # in an image of more true boxes these are not named; in one of more in all, no predicted one is
SHOWN_AT_FIRST = (6, 3)  # of the worst and of the typical ones; the others open on a click


class ImagePredictionsSection(Section):
    """The images of each output that lies over its input image; None where there is none."""

    title, nav, position = "Predictions on images", "Images", 110
    layer = "result"
    assets = ("overlays",)
    requires = ("test_predictions",)

    def collect(self, report: ReportData) -> tuple[OutputOverlays, ...]:
        outputs = (output_overlays(feature, rows) for feature, rows in report.tested_outputs)
        return tuple(o for o in outputs if o is not None and o.overlays)

    def view(self, facts: tuple[OutputOverlays, ...], report: ReportData) -> View | None:
        outputs = []
        for output in facts:
            overlays = within_bytes(output.overlays, MAX_BYTES // len(facts))
            outputs.append({"output": output, "overlays": overlays, **_counts(overlays, output.threshold)})
        return {"outputs": outputs, "first": SHOWN_AT_FIRST, "max_named": MAX_NAMED_BOXES}


def _counts(overlays: list[Overlay], threshold: float) -> View:
    """What the page counts at the first position of its slider."""
    true = [b for o in overlays for b in o.truth.boxes]
    false_alarms = [b for o in overlays for b in o.prediction.boxes if not b.correct]
    return {
        "of_masks": any(o.truth.mask is not None or o.prediction.mask is not None for o in overlays),
        "num_true": len(true),
        "num_matched": sum(is_visible(b, threshold) for b in true),
        "num_false_alarms": sum(is_visible(b, threshold) for b in false_alarms),
    }


def output_overlays(feature: Output, rows: OutputRows) -> OutputOverlays | None:
    """The worst rows and some typical ones, as images; None for outputs that do not lie over an image."""
    if not rows.truth.mask.any():
        return None
    if isinstance(feature, MaskOutput):
        return mask_overlays(feature, rows)
    return box_overlays(feature, rows) if isinstance(feature, BoxesOutput) else None
