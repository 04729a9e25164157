"""How well a language model predicts text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deepglass.metrics.summaries import Figure
from deepglass.metrics.table import METRICS
from deepglass.objectives.base import Objective
from deepglass.objectives.next_token import NextToken
from deepglass.prepare.prepared_data import PreparedData
from deepglass.report.output_facts import OutputFacts


def written(objective: Objective, prepared: PreparedData, figures: Mapping[str, Any]) -> OutputFacts | None:
    """Its metrics on the end of the text; None for other objectives."""
    if not isinstance(objective, NextToken) or not (found := figures.get("test", {}).get(objective.name)):
        return None
    return OutputFacts(
        name=objective.name,
        kind="text",
        metric=METRICS["bits_per_character"],
        test={name: Figure(value) for name, value in found.items()},
        test_rows=len(prepared.rows("test")),
    )
