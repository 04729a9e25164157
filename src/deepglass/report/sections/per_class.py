"""The metrics of each class of an output with masks, boxes or several labels, as a table that can be sorted."""

from collections.abc import Mapping
from dataclasses import dataclass

from deepglass.features.outputs.mask import MaskOutput
from deepglass.formatting import finite
from deepglass.report.data import ReportData, View
from deepglass.report.mask_overlays import class_colours
from deepglass.report.sections.base import Section

MAX_CLASSES = 400
CLASSES_SHOWN = 20  # at first
ROWS = "rows"  # how many true ones there are, which is no metric


@dataclass(frozen=True, kw_only=True)
class OutputClasses:
    """Class -> metric -> value of one output, and the colours of its classes where these are drawn."""

    name: str
    metrics: Mapping[str, Mapping[str, float]]
    colours: Mapping[str, str]


class PerClassSection(Section):
    """A table an output; None where no output has metrics of single classes."""

    title, nav, position = "Metrics of each class", "Classes", 40
    layer = "result"
    folded = True
    assets = ("tables",)
    requires = ("test_predictions",)

    def collect(self, report: ReportData) -> tuple[OutputClasses, ...]:
        outputs = []
        for (feature, rows), metrics in zip(report.tested_outputs, report.per_class, strict=True):
            colours = dict(class_colours(feature, rows)) if isinstance(feature, MaskOutput) and metrics else {}
            outputs.append(OutputClasses(name=feature.name, metrics=metrics, colours=colours))
        return tuple(o for o in outputs if o.metrics)

    def view(self, facts: tuple[OutputClasses, ...], report: ReportData) -> View | None:
        return {"outputs": [_table(output) for output in facts], "num_shown": CLASSES_SHOWN}


def _table(output: OutputClasses) -> View:
    """The classes sorted by their first metric, lowest first."""
    names = dict.fromkeys(metric for values in output.metrics.values() for metric in values)
    metrics = [name for name in names if name != ROWS]
    first = metrics[0] if metrics else ROWS
    order = sorted(output.metrics, key=lambda name: _ascending(output.metrics[name].get(first)))
    return {
        "name": output.name,
        "sorted_by": first,
        "columns": [*([ROWS] if ROWS in names else []), *metrics],
        "lines": [(name, output.metrics[name], output.colours.get(name)) for name in order[:MAX_CLASSES]],
        "num_hidden": max(len(order) - MAX_CLASSES, 0),
    }


def _ascending(value: float | None) -> float:
    """What was not measured comes last."""
    return value if finite(value) else float("inf")
