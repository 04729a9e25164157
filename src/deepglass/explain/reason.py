"""What an explanation is: plain data that becomes JSON, files and a panel of the report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from deepglass.explain.aggregate import Part
from deepglass.explain.checks import Checks
from deepglass.explain.counterfactual import Dependence, Turn
from deepglass.explain.nearest import Neighbour

SAID = ("value", "confidence", "low", "high", "shares")  # of an answer


@dataclass(frozen=True)
class Question:
    """One figure of an answer and what each part adds to it: of a class, an object, a written word.

    Args:
        score, base: the figure for the row, and for nothing (or the mean training row).
        gap: the difference of the two, less the sum of the parts.
        box: where an object is, in shares of the encoded picture.
    """

    name: str
    score: float
    base: float | None
    gap: float | None
    parts: tuple[Part, ...]
    box: tuple[float, ...] | None = None

    def to_json(self) -> dict[str, Any]:
        return {"of": self.name, **_figures(self), "why": _listed(self.parts)}


@dataclass(frozen=True)
class Reason:
    """Why one output of one row is what it is.

    Args:
        answer: as `predict` gives it.
        unit: of weights, score, base and gap.
        method: how the parts were found, and beside what.
        parts: of all questions together, in the order of the input.
        questions: one by one.
        maps: of pictures (Y, X) and sounds (T, M), what each place adds, one a question: input -> (Q, ...).
        active: class activation maps, (Q, Y, X).
    """

    row: int
    output: str
    kind: str
    answer: Mapping[str, Any]
    unit: str
    method: str
    parts: tuple[Part, ...]
    questions: tuple[Question, ...]
    nearest: tuple[Neighbour, ...] = ()
    checks: Checks | None = None
    dependence: tuple[Dependence, ...] = ()
    turn: Turn | None = None
    maps: Mapping[str, np.ndarray] = field(default_factory=dict)
    active: Mapping[str, np.ndarray] = field(default_factory=dict)

    @property
    def whole(self) -> Question:
        """All questions as one."""
        if len(self.questions) == 1:
            return self.questions[0]
        known = all(q.base is not None for q in self.questions)
        total = lambda name: sum(getattr(q, name) for q in self.questions)  # noqa: E731
        base, gap = (total("base"), total("gap")) if known else (None, None)
        return Question("all together", total("score"), base, gap, self.parts)

    def to_json(self) -> dict[str, Any]:
        whole = self.whole
        said: dict[str, Any] = {k: v for k, v in self.answer.items() if k in SAID}
        said |= {"of": whole.name, "why": _listed(self.parts), **_figures(whole), "unit": self.unit}
        said |= {"method": self.method}
        if len(self.questions) > 1:
            said["each"] = [q.to_json() for q in self.questions]
        if self.checks is not None:
            said["checks"] = self.checks.to_json()
        if self.turn is not None:
            turn = self.turn
            said["turn"] = {"from": _plain(turn.before), "to": _plain(turn.after), "size": turn.cost}
            said["turn"]["answer"] = _plain(turn.answer)
        if self.dependence:
            said["dependence"] = [d._asdict() | {"values": _plain(d.values)} for d in self.dependence]
        said["nearest"] = [
            {"row": n.row, "label": n.labels.get(self.output), "distance": round(n.distance, 4)} for n in self.nearest
        ]
        return said


def finite(value: float) -> float | None:
    """A figure, None for NaN."""
    return float(value) if np.isfinite(value) else None


def _listed(parts: tuple[Part, ...]) -> list[dict[str, Any]]:
    return [p.to_json() for p in sorted(parts, key=lambda p: -abs(p.weight))]


def _figures(question: Question) -> dict[str, Any]:
    figures = {"score": question.score, "base": question.base, "gap": question.gap}
    return {k: None if v is None or not np.isfinite(v) else round(v, 6) for k, v in figures.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, np.generic):
        return value.item()
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)
