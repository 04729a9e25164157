"""What a language model writes, and how well it foresees."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any

import torch

from deepglass.metrics.summaries import Figure
from deepglass.metrics.table import METRICS
from deepglass.objectives.base import Objective
from deepglass.objectives.next_token import NextToken
from deepglass.prepare.prepared_data import PreparedData
from deepglass.report.output_facts import OutputFacts
from deepglass.report.text_facts import Wrote

TEXTS, TOKENS = 3, 300  # that are shown, and of each


def written(objective: Objective, prepared: PreparedData, figures: Mapping[str, Any]) -> OutputFacts | None:
    """Its figures on the end of the text, and some of what it writes; None for other kinds of learning."""
    if not isinstance(objective, NextToken) or not (found := figures.get("test", {}).get(objective.name)):
        return None
    drawn = []
    for seed in range(TEXTS):
        generator = torch.Generator(next(objective.parameters()).device).manual_seed(seed)
        codes = list(islice(objective.go_on("", generator), TOKENS))
        drawn.append(Wrote(None, "", "", objective.feature.text_of(codes), 0.0))
    return OutputFacts(
        name=objective.name,
        kind="text",
        metric=METRICS["bits_per_character"],
        test={name: Figure(value) for name, value in found.items()},
        test_rows=len(prepared.rows("test")),
        wrote=tuple(drawn),
    )
