"""The most confident mistakes of each output; of a number, the predictions that are farthest off."""

from deepglass.report.data import ReportData, View
from deepglass.report.row_cards import within_budget
from deepglass.report.sections.base import Section
from deepglass.report.sections.confusion import class_indices

SHOWN_AT_FIRST = 12
MAX_MISTAKES = 120  # of an output
MAX_IMAGE_BYTES = 4_000_000  # of all images together: base64 adds a third, and a report is at most 10 MB


class MistakesSection(Section):
    """Cards of rows; None where no output has mistakes to show.

    The rows that the cells of a confusion matrix show beside these lie in that section.
    """

    title, nav, position = "Mistakes", "Mistakes", 170
    layer = "result"
    requires = ("test_predictions",)

    def view(self, facts: None, report: ReportData) -> View | None:
        left, outputs = MAX_IMAGE_BYTES, []
        for i, output in enumerate(report.outputs):
            if not output.mistakes:
                continue
            cards, left = within_budget(output.mistakes[:MAX_MISTAKES], left)
            outputs.append(
                {
                    "index": i,
                    "name": output.name,
                    "cards": cards,
                    "class_index": class_indices(output),
                    "css": "row-cards with-images" if any(c.image for c in output.mistakes) else "row-cards",
                }
            )
        numeric = all(o.numbers is not None for o in report.outputs if o.mistakes)
        ordered = any(len(important) > 1 for important in report.important_inputs.values())
        return {"outputs": outputs, "numeric": numeric, "first": SHOWN_AT_FIRST, "ordered": ordered}
