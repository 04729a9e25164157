"""One row that is explained: its prediction, its explanation targets, and the targets of variants of it."""

from collections.abc import Callable, Mapping
from functools import cached_property
from itertools import repeat
from typing import Any

import numpy as np
import torch
from torch import Tensor

from deepglass.data.batches import Batch, Dataset
from deepglass.data.table import Table
from deepglass.explain.aggregate import Part, plain_value
from deepglass.explain.checks import Completeness
from deepglass.explain.explanation import Explanation, TargetExplanation, finite
from deepglass.explain.reference import Reference
from deepglass.features.base import Column
from deepglass.features.outputs.base import Output, PredictedRow, Prediction, PredictionArrays
from deepglass.nn.explanation_targets import ExplanationTarget
from deepglass.nn.tokens import Field
from deepglass.objectives.base import Objective, concatenate_predictions
from deepglass.prepare.prepared_data import add_context

PartsOf = Callable[[int | None], tuple[Part, ...]]


class ExplainedRow:
    """One of the rows that are explained.

    Args:
        data, inputs, table: all rows that are explained, as batches, encoded, and as the user wrote them.
        i: index of this one.
        separate: explain each scalar of a prediction, or only their sum.
    """

    def __init__(
        self,
        reference: Reference,
        data: Dataset,
        inputs: Mapping[str, Column],
        table: Table,
        i: int,
        *,
        separate: bool = True,
    ) -> None:
        self.reference, self.data, self.index = reference, data, i
        self.column = {n: c.take(np.array([i])) for n, c in inputs.items()}
        self.raw = {n: plain_value(raw[i]) for n, raw in table.columns.items()}
        with torch.no_grad():
            self._predictions = reference.objective.predict(data.batch(torch.tensor([i])))
            modes = {n: p.mode() for n, p in self._predictions.items()}
            self.answers = self._decode(_arrays(modes))
            targets = {f.name: self._target(f, modes[f.name]) for f in reference.outputs}
        self.targets = targets if separate else {n: t.total() for n, t in targets.items()}
        ends = np.cumsum([0, *(len(t.names) for t in self.targets.values())])
        self.slices = {n: slice(int(a), int(b)) for n, a, b in zip(self.targets, ends, ends[1:], strict=False)}

    @cached_property
    def fields(self) -> Mapping[str, Field]:
        """The row as inputs of the network."""
        return self.data.batch(torch.tensor([self.index])).inputs

    @cached_property
    def score(self) -> Tensor:
        """All targets of the row itself, (Q,)."""
        with torch.no_grad():
            if any(t.target is not None for t in self.targets.values()):  # a text is predicted again, teacher-forced
                return self.repeated_scores()(1)[0]
            return torch.cat([t.scores(self._predictions[n]) for n, t in self.targets.items()], 1)[0]

    def scores(self, inputs: Mapping[str, Field], objective: Objective | None = None) -> Tensor:
        """All targets of variants of the row, (B, Q)."""
        predictions = self._predict(inputs, objective)
        return torch.cat([t.scores(predictions[n]) for n, t in self.targets.items()], 1)

    def repeated_scores(self, objective: Objective | None = None) -> Callable[[int], Tensor]:
        """Number of copies of the row -> their targets, (B, Q)."""
        return lambda count: self.scores(self.data.batch(torch.full((count,), self.index)).inputs, objective)

    def classify(self, inputs: Mapping[str, Field], name: str) -> tuple[Tensor, np.ndarray]:
        """The first target and the predicted class of variants of the row, (B,) each; for outputs with classes."""
        with torch.inference_mode():
            prediction = self._predict(inputs)[name]
            scores = self.targets[name].scores(prediction)[:, 0]
            arrays = _arrays({name: prediction.mode()})[name]
        calibration = self.reference.predictor.calibration.get(name, {})
        return scores, self.output(name).predicted_classes(arrays, calibration)

    def answers_for(self, inputs: Mapping[str, Field]) -> dict[str, Mapping[str, Any]]:
        """The predictions for one variant of the row, as `predict` gives them."""
        with torch.no_grad():
            return self._decode(_arrays({n: p.mode() for n, p in self._predict(inputs).items()}))

    def explanation(self, name: str, method: str, completeness: Completeness, parts_of: PartsOf) -> Explanation:
        """The explanation of one output.

        Args:
            method: the attribution method and its baseline.
            completeness: of the targets of all outputs.
            parts_of: index of a target of this output -> its parts; None -> those of the sum.
        """
        target = self.targets[name]
        rows = zip(target.names, *completeness.of(self.slices[name]), strict=True)
        targets = tuple(
            TargetExplanation(n, float(score), finite(baseline), finite(gap), parts_of(q), box)
            for q, ((n, score, baseline, gap), box) in enumerate(zip(rows, target.boxes or repeat(None)))
        )
        kind, answer = self.output(name).kind, self.answers[name]
        return Explanation(self.index, name, kind, answer, target.unit, method, parts_of(None), targets)

    def output(self, name: str) -> Output:
        return next(f for f in self.reference.outputs if f.name == name)

    def _predict(self, inputs: Mapping[str, Field], objective: Objective | None = None) -> dict[str, Prediction]:
        count = len(next(iter(inputs.values())).values)
        rows = torch.zeros(count, dtype=torch.int64, device=self.data.device)
        targets = {n: t.target.take(rows) for n, t in getattr(self, "targets", {}).items() if t.target is not None}
        return (objective or self.reference.objective).predict(Batch(inputs, targets, rows))

    def _target(self, output: Output, mode: Mapping[str, Tensor]) -> ExplanationTarget:
        name = output.name
        calibration = self.reference.predictor.calibration.get(name, {})
        row = PredictedRow(self._predictions[name], mode, self.answers[name], calibration)
        target = output.explanation_target(row)
        assert target is not None  # `explainable` chose the outputs
        return target

    def _decode(self, arrays: Mapping[str, PredictionArrays]) -> dict[str, Mapping[str, Any]]:
        predictor = self.reference.predictor
        decoded = predictor.decode(add_context(dict(arrays), predictor.outputs, self.column))
        return {n: rows[0] for n, rows in decoded.items()}


def _arrays(modes: Mapping[str, dict[str, Tensor]]) -> dict[str, PredictionArrays]:
    return {n: concatenate_predictions([mode]) for n, mode in modes.items()}
