"""Rows -> why they are answered so: tables by Shapley's rule, all else by gradients from where inputs enter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import Literal

import numpy as np
import torch

from deepglass.data.batches import Dataset
from deepglass.data.table import Table
from deepglass.errors import SpecError
from deepglass.explain import columns as tables
from deepglass.explain import units as cell
from deepglass.explain.aggregate import Named, Part, name_parts, whole_columns
from deepglass.explain.cam import activation_map
from deepglass.explain.checks import Checks, deletion_insertion, rank_correlation
from deepglass.explain.explanation import Explanation, TargetExplanation
from deepglass.explain.gradients import Attributed, integrated, quick, quiet, relative_gap
from deepglass.explain.input_layers import Entry, entries_of
from deepglass.explain.nearest import Neighbour, Neighbours, ReferenceRows
from deepglass.explain.reason import finite
from deepglass.explain.reference import Reference
from deepglass.explain.row import Row
from deepglass.explain.targets import KINDS, Asked
from deepglass.features.base import Feature
from deepglass.run.predictor import Predictor, Rows

Mode = Literal["full", "fast"]
STEPS = 512  # of a path, at most
BACKGROUND = 64  # rows that stand for "any row"
FEW = 8  # rows that can stand for all


def explainable(predictor: Predictor) -> tuple[Feature, ...]:
    """The outputs of a run that can be explained.

    Raises:
        SpecError: `bad-value` where there is none.
    """
    outputs = tuple(f for f in predictor.outputs if f.kind in KINDS)
    if not outputs:
        came = ", ".join(f"{f.name} ({f.kind})" for f in predictor.outputs)
        came = f"answers {came}" if came else "answers nothing"
        raise SpecError(
            "bad-value",
            f"explain: this run {came}; what can be explained are answers of the kinds {', '.join(KINDS)}; "
            "deepglass report shows what else is known of it",
        )
    return outputs


class Explainer:
    """Explains the answers of one run.

    Args:
        predictor: the run.
        known: its training rows, or some of them; without any the rows that are given serve.
        steps: of a path, at most; fewer make it quicker and the gap larger.
        background: known rows that stand for any row; fewer make it quicker and shares of columns less sure.
        checks: whether full explanations are tested.
        apart: whether each figure of an answer is explained (each class of a mask, each word), at the cost of a way
            back through the network for each, or their sum; None: full explanations do, fast ones don't.

    Raises:
        SpecError: `bad-value` where nothing that the run answers can be explained.

    Example:
        >>> reasons = Explainer(run.predictor).explain(rows)  # doctest: +SKIP
    """

    def __init__(
        self,
        predictor: Predictor,
        known: ReferenceRows | None = None,
        *,
        steps: int = STEPS,
        background: int = BACKGROUND,
        checks: bool = True,
        apart: bool | None = None,
    ) -> None:
        self.outputs = explainable(predictor)
        self.predictor, self.objective = predictor, predictor.objective
        self.known, self.steps, self.background = known, steps, background
        self.checks, self.apart = checks, apart
        self.table = tables.suits(predictor.inputs)

    def explain(self, rows: Rows, which: Sequence[int] | None = None, mode: Mode = "full") -> list[list[Explanation]]:
        """For each row a reason an output.

        Args:
            rows: as `Predictor.predict` takes them.
            which: 0-based places among them; None explains all.

        Raises:
            SpecError: `bad-value` for a row that is not there.
        """
        table = Table(self.predictor.read(rows))
        which = list(range(len(table))) if which is None else list(which)
        for row in which:
            if not 0 <= row < len(table):
                raise SpecError("bad-value", f"--rows: there is no row {row}; there are {len(table)}, from 0")
        if self.known is None and len(table) >= FEW:
            self.known = ReferenceRows(
                table, np.arange(len(table)), self.predictor.encode(table), "rows that were given"
            )
        some = table.take(np.array(which, np.int64))
        inputs = self.predictor.encode(some)
        data = Dataset(inputs, {}, self.predictor.device)
        reference = self.reference
        reasons = []
        for i, row in enumerate(which):
            one = Row(reference, data, inputs, some, i, apart=mode == "full" if self.apart is None else self.apart)
            with quiet(self.objective):
                found = self._of_row(one, mode)
            near = self.neighbours_of(data, i) if mode == "full" else ()
            reasons.append([replace(r, row=row, nearest=near) for r in found])
        return reasons

    def neighbours_of(self, data: Dataset, i: int) -> tuple[Neighbour, ...]:
        """The known rows that are most like the i-th; none where no training rows are known."""
        if self._neighbours is None:
            return ()
        with torch.inference_mode():
            return tuple(self._neighbours.of(self.objective.embed(data.batch(torch.tensor([i])))[0]))

    def _of_row(self, one: Row, mode: Mode) -> list[Explanation]:
        if self.table and mode == "full":
            return tables.reasons(one, self.checks)
        return _by_gradients(one, mode, self)

    @cached_property
    def reference(self) -> Reference:
        """What rows are explained against."""
        return Reference(self.predictor, self.outputs, self.known, self.background)

    @cached_property
    def _neighbours(self) -> Neighbours | None:
        if self.known is None or self.known.whose != ReferenceRows.whose:
            return None
        return Neighbours(self.objective, self.known, self.predictor.outputs, self.predictor.device)


def _by_gradients(one: Row, mode: Mode, explainer: Explainer) -> list[Explanation]:
    places, scores = one.reference.input_layers, one.scores()
    found = quick(scores, places, one.score) if mode == "fast" else integrated(scores, places, most=explainer.steps)
    cells = [cell.cells_of(e.kind, v) for e, v in zip(places[0], found.values, strict=True)]
    active = _active(one, places[0]) if mode == "full" else {}
    beside = "; ".join(dict.fromkeys(e.said for e in places[0]))
    how = "gradient half way" if mode == "fast" else f"integrated gradients, {found.steps} steps"
    reasons = []
    for name, asked in one.asked.items():
        part = one.slices[name]
        named = [
            whole_columns(e, c[part], one.raw) if explainer.table else name_parts(e, c[part], one.column, one.raw)
            for e, c in zip(places[0], cells, strict=True)
        ]
        checks = _checks(one, places, found, cells, part) if mode == "full" and explainer.checks else None
        if mode == "full" and checks is None:
            checks = Checks(gap=_gap(found, part))
        parts = _parts(named, places[0], None)
        columns = mode == "full" and tables.changeable(explainer.predictor.inputs)
        further = tables.changes(one, name, parts) if columns else {}
        maps = {e.name: c[part] for e, c in zip(places[0], cells, strict=True) if e.kind in ("pixels", "bands")}
        reasons.append(
            Explanation(
                row=one.place,
                output=name,
                kind=one.output(name).kind,
                answer=one.answers[name],
                unit=asked.unit,
                method=f"{how}, from {beside}",
                parts=parts,
                questions=_questions(asked, found, part, named, places[0]),
                checks=checks,
                maps=maps,
                active={n: a[part] for n, a in active.items()},
                **further,
            )
        )
    return reasons


def _parts(named: Sequence[Named], entries: Sequence[Entry], q: int | None) -> tuple[Part, ...]:
    """The parts of all inputs; words and moments say of which, where there are several."""
    several = len(entries) > 1
    return tuple(
        p._replace(input=e.name) if several and n.places else p
        for n, e in zip(named, entries, strict=True)
        for p in n.of(q)
    )


def _questions(
    asked: Asked, found: Attributed, part: slice, named: Sequence[Named], entries: Sequence[Entry]
) -> tuple[TargetExplanation, ...]:
    """The questions of one output with their parts."""
    boxes = asked.boxes or (None,) * len(asked.names)
    ends = zip(found.score[part], found.base[part], found.gap[part], strict=True)
    return tuple(
        TargetExplanation(name, float(score), finite(base), finite(gap), _parts(named, entries, q), boxes[q])
        for q, (name, (score, base, gap)) in enumerate(zip(asked.names, ends, strict=True))
    )


def _active(one: Row, entries: Sequence[Entry]) -> dict[str, np.ndarray]:
    """Class activation maps of the first picture."""
    for entry in entries:
        if entry.kind == "pixels":
            batch = one.data.batch(torch.tensor([one.place]))
            shape = tuple(one.column[entry.name].values.shape[1:])
            found = activation_map(one.reference.objective, batch, shape, lambda b: one.figures(b.inputs))
            return {} if found is None else {entry.name: found}
    return {}


def _gap(found: Attributed, part: slice) -> float:
    """Of all questions of an output, as a share of the difference that is explained."""
    sums = [np.array([x[part].sum()]) for x in (found.gap, found.score, found.base)]
    return float(relative_gap(*sums)[0])


def _checks(one: Row, places: list[list[Entry]], found: Attributed, cells: Sequence[np.ndarray], part: slice) -> Checks:
    other = one.reference.randomized
    theirs = entries_of(other, one.reference.mean_tokens)
    with quiet(other):
        blind = integrated(one.scores(other), theirs, most=0)
    their_cells = [cell.cells_of(e.kind, v) for e, v in zip(theirs[0], blind.values, strict=True)]
    flat, their_flat = (np.concatenate([c[part].sum(0).reshape(-1) for c in all]) for all in (cells, their_cells))
    sizes = [c[0].size for c in cells]
    blocks = _blocks(places[0], cells)
    asked = lambda keep: cell.kept(one.scores(), places, sizes, keep[:, blocks])[:, part].sum(1)  # noqa: E731
    curve = deletion_insertion(asked, np.bincount(blocks, flat))
    return Checks(_gap(found, part), rank_correlation(flat, their_flat), **curve)


def _blocks(entries: Sequence[Entry], cells: Sequence[np.ndarray]) -> np.ndarray:
    """Which block each cell of all inputs belongs to."""
    each = [cell.blocks_of(e.kind, c.shape[1:]) for e, c in zip(entries, cells, strict=True)]
    starts = np.cumsum([0, *(b.max(initial=-1) + 1 for b in each)])
    return np.concatenate([b + s for b, s in zip(each, starts, strict=False)])
