"""Test metrics of objectives that have no outputs: an agent's returns, how well generated rows fit, reconstruction."""

from collections.abc import Mapping
from typing import Any

from deepglass.metrics.intervals import interval_of_mean
from deepglass.metrics.paired import MIN_ROWS
from deepglass.metrics.summaries import Figure
from deepglass.metrics.table import METRICS
from deepglass.objectives._agents import Agent
from deepglass.objectives.base import Objective
from deepglass.report.output_facts import OutputFacts
from deepglass.report.paired_baselines import stored_baselines

FIRST_METRICS = ("bits_per_character", "spearman", "masked_accuracy", "roc_auc")
"""They stand for the result, before the metric that selects the weights."""


def objective_result(objective: Objective, test_rows: int, metrics: Mapping[str, Any]) -> OutputFacts | None:
    """The test metrics of the objective itself; None where there are none.

    Args:
        metrics: the content of metrics.json.
    """
    if not (test := metrics.get("test", {}).get(objective.name)):
        return None
    acts = isinstance(objective, Agent)
    return OutputFacts(
        name=objective.name,
        metric=next((METRICS[n] for n in FIRST_METRICS if n in test), objective.monitor),
        test=_returns(test) if acts else {n: Figure(v) for n, v in test.items()},
        test_rows=int(test["episodes"]) if acts else test_rows,
        unit="episode" if acts else "row",
        baselines=stored_baselines(metrics, objective.name),
    )


def _returns(test: Mapping[str, float]) -> dict[str, Figure]:
    """The metrics of test episodes, the mean return with its interval."""
    figures = {n: Figure(v) for n, v in test.items() if n not in ("episodes", "environment_steps")}
    if test["episodes"] >= MIN_ROWS and test.get("return_std", 0) > 0:  # equal returns tell no interval
        mean = test["mean_return"]
        figures["mean_return"] = Figure(mean, *interval_of_mean(mean, test["return_std"], int(test["episodes"])))
    return figures
