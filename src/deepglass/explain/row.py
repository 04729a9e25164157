"""One row, its answers, and what is asked of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from deepglass.data.batches import Batch, Dataset
from deepglass.data.table import Table
from deepglass.explain.reference import Reference
from deepglass.explain.targets import Asked, ask
from deepglass.features.base import Column, Feature, Prediction
from deepglass.nn.tokens import Field
from deepglass.objectives.base import Objective, concatenate_predictions
from deepglass.prepare.prepared_data import add_context


class Row:
    """One row as it is explained.

    Args:
        data, inputs, table: the rows that are explained, as batches, encoded, and as the user wrote them.
        i: which of them.
        apart: whether each figure of an answer is explained, or all of them together.
    """

    def __init__(
        self,
        reference: Reference,
        data: Dataset,
        inputs: Mapping[str, Column],
        table: Table,
        i: int,
        *,
        apart: bool = True,
    ) -> None:
        self.reference, self.data, self.place = reference, data, i
        self.column = {n: c.take(np.array([i])) for n, c in inputs.items()}
        self.raw = {n: _cell(raw[i]) for n, raw in table.columns.items()}
        predictor = reference.predictor
        with torch.no_grad():
            said = reference.objective.predict(data.batch(torch.tensor([i])))
            found = {n: a.mode() for n, a in said.items()}
            self.answers = self._decoded(found)
            asked = {
                f.name: ask(f, said[f.name], found[f.name], self.answers[f.name], predictor.calibration.get(f.name, {}))
                for f in reference.outputs
            }
        self.asked: dict[str, Asked] = asked if apart else {n: a.together() for n, a in asked.items()}
        self._said = said
        counts = [len(a.names) for a in self.asked.values()]
        ends = np.cumsum([0, *counts])
        self.slices = {n: slice(int(a), int(b)) for n, a, b in zip(self.asked, ends, ends[1:], strict=False)}

    @cached_property
    def score(self) -> Tensor:
        """The figures of the row itself, (Q,); its answer is at hand, but for texts, whose words must be given."""
        with torch.no_grad():
            if any(a.target is not None for a in self.asked.values()):
                return self.scores()(1)[0]
            return torch.cat([a.scores(self._said[n]) for n, a in self.asked.items()], 1)[0]

    def figures(self, inputs: Mapping[str, Field], objective: Objective | None = None) -> Tensor:
        """All questions' figures of variants of the row, (B, Q)."""
        count = len(next(iter(inputs.values())).values)
        rows = torch.zeros(count, dtype=torch.int64, device=self.data.device)
        targets = {n: a.target.take(rows) for n, a in self.asked.items() if a.target is not None}
        answers: dict[str, Prediction] = (objective or self.reference.objective).predict(Batch(inputs, targets, rows))
        return torch.cat([a.scores(answers[n]) for n, a in self.asked.items()], 1)

    def scores(self, objective: Objective | None = None) -> Callable[[int], Tensor]:
        """How many copies -> their figures."""
        return lambda count: self.figures(self.data.batch(torch.full((count,), self.place)).inputs, objective)

    def likeliest(self, inputs: Mapping[str, Field], name: str) -> Tensor:
        """The class that variants of the row are answered with, (B,)."""
        rows = torch.zeros(len(next(iter(inputs.values())).values), dtype=torch.int64, device=self.data.device)
        with torch.inference_mode():
            answer: Any = self.reference.objective.predict(Batch(inputs, {}, rows))[name]
            return answer.log_probs.argmax(1)

    def answer_to(self, inputs: Mapping[str, Field]) -> dict[str, Mapping[str, Any]]:
        """The answers to one variant of the row, as `predict` gives them."""
        with torch.no_grad():
            said = self.reference.objective.predict(Batch(inputs, {}, torch.zeros(1, dtype=torch.int64)))
            return self._decoded({n: a.mode() for n, a in said.items()})

    def _decoded(self, best: Mapping[str, dict[str, Tensor]]) -> dict[str, Mapping[str, Any]]:
        predictor = self.reference.predictor
        joined = {n: concatenate_predictions([b]) for n, b in best.items()}
        decoded = predictor.decode(add_context(joined, predictor.outputs, self.column))
        return {n: rows[0] for n, rows in decoded.items()}

    def output(self, name: str) -> Feature:
        return next(f for f in self.reference.outputs if f.name == name)


def _cell(value: Any) -> Any:
    """A raw value that can be said; media are their names."""
    if hasattr(value, "to_list"):
        return value.to_list()
    if isinstance(value, np.generic):
        return value.item()
    return value
