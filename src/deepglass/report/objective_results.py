"""Test metrics of objectives that have no outputs: an agent's returns, how well generated rows fit, perplexity."""

from collections.abc import Mapping
from typing import Any

from deepglass.metrics.summaries import Figure
from deepglass.metrics.table import METRICS
from deepglass.objectives._agents import Agent
from deepglass.objectives.base import Objective
from deepglass.objectives.gan import Gan
from deepglass.objectives.next_token import NextToken
from deepglass.prepare.prepared_data import PreparedData
from deepglass.report.output_facts import Baseline, OutputFacts


def objective_result(objective: Objective, prepared: PreparedData, metrics: Mapping[str, Any]) -> OutputFacts | None:
    """The test metrics of the objective itself; None where there are none.

    Args:
        metrics: the content of metrics.json.
    """
    if not (test := metrics.get("test", {}).get(objective.name)):
        return None
    if isinstance(objective, Agent):
        baselines = metrics.get("baselines", {}).get(objective.name, {})
        return OutputFacts(
            name=objective.name,
            kind="agent",
            metric=objective.monitor,
            test={n: Figure(v) for n, v in test.items() if n not in ("episodes", "environment_steps")},
            test_rows=int(test["episodes"]),
            unit="episode",
            baselines={name: Baseline(b) for name, b in baselines.items()},
        )
    if isinstance(objective, Gan):
        figures, rows = {name: Figure(value) for name, value in test.items()}, len(prepared.rows("test"))
        return OutputFacts(name=objective.name, kind="rows", metric=objective.monitor, test=figures, test_rows=rows)
    if isinstance(objective, NextToken):
        figures, rows = {name: Figure(value) for name, value in test.items()}, len(prepared.rows("test"))
        metric = METRICS["bits_per_character"]
        return OutputFacts(name=objective.name, kind="text", metric=metric, test=figures, test_rows=rows)
    return None
