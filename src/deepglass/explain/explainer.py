"""Explanations of rows: Shapley values for tables, integrated gradients for all other inputs."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from deepglass.data.batches import Dataset
from deepglass.errors import SpecError
from deepglass.explain.attribution import gradient_explanations
from deepglass.explain.columns import is_tabular, shapley_explanations
from deepglass.explain.explanation import Explanation
from deepglass.explain.files import check_ending, to_json, write
from deepglass.explain.gradients import frozen_weights
from deepglass.explain.reference import TRAINING_ROWS, Neighbour, Reference, ReferenceRows, nearest_rows
from deepglass.explain.row import ExplainedRow
from deepglass.features.outputs.base import OUTPUTS, Output
from deepglass.run.predictor import Predictor, Rows

Mode = Literal["full", "fast"]
MAX_STEPS = 512  # of a path of integrated gradients
NUM_BACKGROUND = 64  # background rows
MIN_BACKGROUND = 8  # explained rows that can serve as background


def explainable(predictor: Predictor) -> tuple[Output, ...]:
    """The outputs of a run that can be explained.

    Raises:
        SpecError: `bad-value` where there is none.
    """
    outputs = tuple(f for f in predictor.outputs if f.explainable)
    if not outputs:
        came = ", ".join(f"{f.name} ({f.kind})" for f in predictor.outputs)
        came = f"predicts {came}" if came else "has no output"
        kinds = ", ".join(k for k, cls in OUTPUTS if cls.explanation_target is not Output.explanation_target)
        raise SpecError(
            "bad-value",
            f"explain: this run {came}; expected an output of one of the kinds {kinds}, or one with an "
            "`explanation_target`; `deepglass report` shows this run in other ways",
        )
    return outputs


class Explainer:
    """Explains the predictions of one run.

    Args:
        predictor: the run.
        rows: training rows to compare with; None: the explained rows serve, where they are enough.
        max_steps: of integrated gradients; fewer steps are faster and leave a larger completeness gap.
        num_background: background rows; fewer are faster and make Shapley values less exact.
        checks: test the faithfulness of full explanations.
        separate: explain each scalar of a prediction (each class of a mask, each word), with one backward pass for
            each; False: their sum; None: separate in full mode only.

    Raises:
        SpecError: `bad-value` where no output can be explained.

    Example:
        >>> explanations = Explainer(run.predictor).explain(rows)  # doctest: +SKIP
    """

    def __init__(
        self,
        predictor: Predictor,
        rows: ReferenceRows | None = None,
        *,
        max_steps: int = MAX_STEPS,
        num_background: int = NUM_BACKGROUND,
        checks: bool = True,
        separate: bool | None = None,
    ) -> None:
        self.outputs = explainable(predictor)
        self.predictor, self.rows = predictor, rows
        self.max_steps, self.num_background = max_steps, num_background
        self.checks, self.separate = checks, separate
        self.tabular = is_tabular(predictor.inputs)

    def explain(self, rows: Rows, which: Sequence[int] | None = None, mode: Mode = "full") -> list[list[Explanation]]:
        """For each row one explanation per output.

        Args:
            rows: as `Predictor.predict` takes them.
            which: 0-based row indices; None explains all.
            mode: "fast" makes one forward and one backward pass, without checks and neighbours.

        Raises:
            SpecError: `bad-value` for an index without a row.
        """
        table = self.predictor.reader.read(rows)
        which = list(range(len(table))) if which is None else list(which)
        for index in which:
            if not 0 <= index < len(table):
                raise SpecError("bad-value", f"--rows: there is no row {index}; there are {len(table)}, from 0")
        if self.rows is None and len(table) >= MIN_BACKGROUND:
            encoded = self.predictor.reader.encode(table)
            self.rows = ReferenceRows(table, np.arange(len(table)), encoded, "of the explained rows")
        chosen = table.take(np.array(which, np.int64))
        inputs = self.predictor.reader.encode(chosen)
        data = Dataset(inputs, {}, self.predictor.device)
        separate = mode == "full" if self.separate is None else self.separate
        explanations = []
        for i, index in enumerate(which):
            row = ExplainedRow(self.reference, data, inputs, chosen, i, separate=separate)
            with frozen_weights(self.predictor.objective):
                of_row = self._explain_row(row, mode)
            nearest = self.nearest(data, i) if mode == "full" else ()
            explanations.append([replace(e, row=index, nearest=nearest) for e in of_row])
        return explanations

    def nearest(self, data: Dataset, i: int) -> tuple[Neighbour, ...]:
        """The training rows nearest to the i-th row; empty without training rows."""
        if self.rows is None or self.rows.description != TRAINING_ROWS:
            return ()
        with torch.inference_mode():
            point = self.predictor.objective.embed(data.batch(torch.tensor([i])))[0]
        return nearest_rows(self.rows, self.reference.points, point, self.predictor.outputs)

    @cached_property
    def reference(self) -> Reference:
        """What rows are explained against; fixed by the first call of `explain`."""
        return Reference(self.predictor, self.outputs, self.rows, self.num_background)

    def _explain_row(self, row: ExplainedRow, mode: Mode) -> list[Explanation]:
        if mode == "fast":
            return gradient_explanations(row, None, checks=False, tabular=self.tabular)
        if self.tabular:
            return shapley_explanations(row, self.checks)
        return gradient_explanations(row, self.max_steps, checks=self.checks, tabular=False)


def explain_rows(
    predictor: Predictor,
    rows: Rows,
    reference: ReferenceRows | None = None,
    which: Sequence[int] | int | None = None,
    fast: bool = False,
    out: Path | None = None,
) -> list[dict[str, Any]]:
    """Explanations as plain data: {"row": ..., OUTPUT: {"value": ..., "attributions": [...], "baseline": ...}} per row.

    Args:
        reference: training rows.
        which: 0-based row indices; a number for the first rows, None for all.
        fast: one forward and one backward pass, without checks.
        out: a .json file or a folder to write.
    """
    if out is not None:
        check_ending(out)
    explainer = Explainer(predictor, reference)
    table = predictor.reader.read(rows)
    if isinstance(which, int):
        which = range(min(which, len(table)))
    explanations = explainer.explain(table, which, "fast" if fast else "full")
    if out is not None:
        index = range(len(table)) if which is None else which
        write(out, explanations, predictor, predictor.reader.encode(table.take(np.array(list(index), np.int64))))
    return to_json(explanations)
