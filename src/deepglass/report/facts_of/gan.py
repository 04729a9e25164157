"""From the history of an adversarial run to what its report tells."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from deepglass.metrics.summaries import Figure
from deepglass.objectives.base import Objective
from deepglass.objectives.gan import Gan
from deepglass.prepare.prepared_data import PreparedData
from deepglass.report.gan_facts import Contest
from deepglass.report.output_facts import OutputFacts


def contest_of(objective: Objective, history: Sequence[Mapping[str, Any]]) -> Contest | None:
    """How the generator and its critic did; None for other kinds of learning, and where nothing was evaluated.

    Args:
        history: the lines of history.jsonl.
    """
    records = [r for r in history if r["monitor"] is not None]
    if not isinstance(objective, Gan) or not records:
        return None
    valid = [r["valid"][objective.name] for r in records]
    kept = next((r for r in reversed(records) if r["best"]), None)
    return Contest(
        steps=[r["step"] for r in records],
        critic=[r["losses"].get("critic", math.nan) for r in records],
        generator=[r["losses"].get("generator", math.nan) for r in records],
        figures={name: [v.get(name, math.nan) for v in valid] for name in valid[-1]},
        warned=[(r["step"], r["event"]) for r in records if r["event"]],
        remarks=[kept["event"]] if kept is not None and kept["event"] else [],
    )


def contested(objective: Objective, prepared: PreparedData, figures: Mapping[str, Any]) -> OutputFacts | None:
    """How well what was drawn fits the test rows; None for other kinds of learning."""
    if not isinstance(objective, Gan) or not (found := figures.get("test", {}).get(objective.name)):
        return None
    test = {name: Figure(value) for name, value in found.items()}
    rows = len(prepared.rows("test"))
    return OutputFacts(name=objective.name, kind="rows", metric=objective.monitor, test=test, test_rows=rows)
