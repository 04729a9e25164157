"""The confusion matrix of each output of classes; its cells show their rows."""

from typing import NamedTuple

import numpy as np

from deepglass.formatting import percent, plural
from deepglass.report.data import ReportData, View
from deepglass.report.output_facts import ClassFacts, OutputFacts
from deepglass.report.row_cards import within_budget
from deepglass.report.sections.base import Section
from deepglass.report.templates import shorten

MAX_CLASSES = 20
MAX_CLASSES_LISTED = 200
MAX_IMAGE_BYTES = 1_500_000  # of all rows of all cells together
CLASSES_SHOWN = 12  # in the list beside the matrix; the others open on a click


class ConfusionSection(Section):
    """A matrix for each output of classes, beside recall and precision of each class."""

    title, nav, position = "Confusion matrix", "Confusion", 30
    layer = "result"
    assets = ("row_picker",)
    requires = ("test_predictions",)

    def view(self, facts: None, report: ReportData) -> View | None:
        outputs, left = [], MAX_IMAGE_BYTES
        for index, output in enumerate(report.outputs):
            if output.classes is None or output.classes.confusion is None:
                continue
            rows, left = within_budget(output.items, left)
            outputs.append(
                {
                    "index": index,
                    "name": output.name,
                    "unit": output.classes.unit,
                    "matrix": _matrix(output.classes),
                    "classes": _class_scores(output.classes),
                    "has_rows": bool(output.mistakes or output.items),
                    "rows": rows,
                    "class_index": class_indices(output),
                }
            )
        return {"outputs": outputs, "first": CLASSES_SHOWN}


def class_indices(output: OutputFacts) -> dict[str, int]:
    """The classes of an output and their indices."""
    return {name: i for i, name in enumerate(output.classes.names)} if output.classes else {}


def most_confused(confusion: np.ndarray, at_most: int = MAX_CLASSES) -> list[int]:
    """The classes of the most frequent mistakes, in their own order; all where there are few."""
    if len(confusion) <= at_most:
        return list(range(len(confusion)))
    wrong = confusion * (1 - np.eye(len(confusion), dtype=confusion.dtype))
    chosen: dict[int, None] = {}
    for cell in np.argsort(-wrong, axis=None, kind="stable"):
        for i in divmod(int(cell), len(confusion)):
            if len(chosen) < at_most:
                chosen[i] = None
        if len(chosen) == at_most:
            break
    return sorted(chosen)


class Cell(NamedTuple):
    """A cell with at least one row; `weight` of its colour is 0 to 1."""

    true: int
    predicted: int
    rows: int
    weight: float
    text: str


def _matrix(classes: ClassFacts) -> View:
    confusion = np.nan_to_num(np.asarray(classes.confusion, dtype=float)).astype(int)
    shown = most_confused(confusion)
    wrong = confusion[np.ix_(shown, shown)] * (1 - np.eye(len(shown), dtype=int))
    highest = max(int(wrong.max(initial=0)), 1)
    names = [classes.names[i] for i in shown]
    return {
        "names": names,
        "lines": [
            (
                classes.names[i],
                [_cell(confusion, i, j, highest, classes) for j in shown],
                int(confusion[i].sum() - confusion[i, shown].sum()),
            )
            for i in shown
        ],
        "total": classes.total or len(confusion),
        "long": max((len(n) for n in names), default=0) > 3,
        "faultless": not wrong.any(),
    }


def _cell(confusion: np.ndarray, i: int, j: int, highest: int, classes: ClassFacts) -> Cell | None:
    n, rows = int(confusion[i, j]), max(int(confusion[i].sum()), 1)
    if not n:
        return None
    weight = n / rows if i == j else 0.05 + 0.95 * (n / highest) ** 0.5
    true, predicted = shorten(classes.names[i], 60), shorten(classes.names[j], 60)
    return Cell(i, j, n, weight, f"{true} predicted as {predicted}: {plural(n, classes.unit)}, {percent(n / rows)}")


class ClassScore(NamedTuple):
    """Recall, precision and F1 of a class; precision is None where it was never predicted."""

    name: str
    rows: int
    recall: float
    precision: float | None
    f1: float


def _class_scores(classes: ClassFacts) -> list[ClassScore]:
    """The classes with test rows, lowest F1 first."""
    confusion = np.nan_to_num(np.asarray(classes.confusion, dtype=float))
    right, rows, predicted = np.diag(confusion), confusion.sum(1), confusion.sum(0)
    recall = np.divide(right, rows, out=np.zeros_like(right), where=rows > 0)
    precision = np.divide(right, predicted, out=np.zeros_like(right), where=predicted > 0)
    total = recall + precision
    f1 = np.divide(2 * recall * precision, total, out=np.zeros_like(right), where=total > 0)
    worst = [int(i) for i in np.argsort(f1, kind="stable") if rows[i] > 0][:MAX_CLASSES_LISTED]
    return [
        ClassScore(classes.names[i], int(rows[i]), recall[i], precision[i] if predicted[i] else None, f1[i])
        for i in worst
    ]
