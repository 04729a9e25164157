"""All test metrics of each output with their intervals, beside those of the baselines."""

from typing import NamedTuple

from deepglass.formatting import finite
from deepglass.metrics.table import metric_of
from deepglass.report.data import ReportData, View
from deepglass.report.output_facts import Figure, OutputFacts, ordered_baselines
from deepglass.report.sections.base import Section


class MetricsSection(Section):
    """A table an output; None where nothing was measured."""

    title, nav, position = "Test metrics", "Metrics", 20
    layer = "result"
    requires = ("test_predictions",)

    def view(self, facts: None, report: ReportData) -> View | None:
        outputs = [o for o in report.outputs if o.test]
        return {
            "outputs": [
                {"output": o, "baselines": ordered_baselines(o.baselines), "lines": _lines(o)} for o in outputs
            ],
            "intervals": any(finite(f.low) for o in outputs for f in o.test.values()),
            "compared": any(o.baselines for o in outputs),
        }


class MetricLine(NamedTuple):
    """A metric of the network and of each baseline.

    Args:
        direction: "higher" or "lower" is better; None where neither is.
        is_main: the metric that chose the weights.
        values: the network's, then the baselines'.
        best: the best of these; None where there is nothing to compare.
    """

    name: str
    direction: str | None
    is_main: bool
    values: list[Figure]
    best: float | None


def _lines(output: OutputFacts) -> list[MetricLine]:
    """The main metric first."""
    main = output.metric.name
    return [_line(output, name, name == main) for name in sorted(output.test, key=lambda m: m != main)]


def _line(output: OutputFacts, name: str, is_main: bool) -> MetricLine:
    baselines = (output.baselines[b].metrics.get(name, float("nan")) for b in ordered_baselines(output.baselines))
    values = [output.test[name], *(Figure(v) for v in baselines)]
    metric = output.metric if is_main else metric_of(name)
    higher = metric.higher_is_better
    measured = [f.value for f in values if finite(f.value)]
    comparable = len(measured) > 1 and metric.ranks_models and higher is not None
    best = (max if higher else min)(measured) if comparable else None
    return MetricLine(name, None if higher is None else "higher" if higher else "lower", is_main, values, best)
