"""One row, its answers, and what is asked of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from deepglass.data.batches import Batch, Dataset
from deepglass.data.table import Table
from deepglass.features.base import Answer, Column, Feature
from deepglass.nn.tokens import Field
from deepglass.objectives.base import Objective
from deepglass.understand.explain.questions import Asked, ask

if TYPE_CHECKING:
    from deepglass.understand.explain.explaining import Explainer


class Row:
    """One row as it is explained.

    Args:
        data, inputs, table: the rows that are explained, as batches, encoded, and as the user wrote them.
        i: which of them; answers: to it, as `predict` gives them.
    """

    def __init__(
        self,
        explainer: Explainer,
        data: Dataset,
        inputs: Mapping[str, Column],
        table: Table,
        i: int,
        answers: Mapping[str, Mapping[str, Any]],
    ) -> None:
        self.explainer, self.data, self.place, self.answers = explainer, data, i, answers
        self.column = {n: c.take(np.array([i])) for n, c in inputs.items()}
        self.raw = {n: _cell(raw[i]) for n, raw in table.columns.items()}
        with torch.no_grad():
            said = explainer.objective.predict(data.batch(torch.tensor([i])))
            calibration = explainer.predictor.calibration
            self.asked: dict[str, Asked] = {
                f.name: ask(f, said[f.name], answers[f.name], calibration.get(f.name, {})) for f in explainer.outputs
            }
        counts = [len(a.names) for a in self.asked.values()]
        ends = np.cumsum([0, *counts])
        self.slices = {n: slice(int(a), int(b)) for n, a, b in zip(self.asked, ends, ends[1:], strict=False)}

    def figures(self, inputs: Mapping[str, Field], objective: Objective | None = None) -> Tensor:
        """All questions' figures of variants of the row, (B, Q)."""
        count = len(next(iter(inputs.values())).values)
        rows = torch.zeros(count, dtype=torch.int64, device=self.data.device)
        targets = {n: a.target.take(rows) for n, a in self.asked.items() if a.target is not None}
        answers: dict[str, Answer] = (objective or self.explainer.objective).predict(Batch(inputs, targets, rows))
        return torch.cat([a.scores(answers[n]) for n, a in self.asked.items()], 1)

    def scores(self, objective: Objective | None = None) -> Callable[[int], Tensor]:
        """How many copies -> their figures."""
        return lambda count: self.figures(self.data.batch(torch.full((count,), self.place)).inputs, objective)

    def likeliest(self, inputs: Mapping[str, Field], name: str) -> Tensor:
        """The class that variants of the row are answered with, (B,)."""
        rows = torch.zeros(len(next(iter(inputs.values())).values), dtype=torch.int64, device=self.data.device)
        with torch.inference_mode():
            answer: Any = self.explainer.objective.predict(Batch(inputs, {}, rows))[name]
            return answer.log_probs.argmax(1)

    def output(self, name: str) -> Feature:
        return next(f for f in self.explainer.outputs if f.name == name)


def _cell(value: Any) -> Any:
    """A raw value that can be said; media are their names."""
    if hasattr(value, "to_list"):
        return value.to_list()
    if isinstance(value, np.generic):
        return value.item()
    return value
