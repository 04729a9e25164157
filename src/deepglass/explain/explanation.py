"""The explanation of one output of one row: plain data that becomes JSON, files and a section of the report."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from deepglass.explain.aggregate import Part, plain_value
from deepglass.explain.checks import Checks
from deepglass.explain.counterfactual import Counterfactual, Dependence
from deepglass.explain.reference import Neighbour

PREDICTION_KEYS = ("value", "confidence", "low", "high", "shares")  # of a prediction, in JSON


@dataclass(frozen=True)
class TargetExplanation:
    """One explained scalar of a prediction (of a class, an object, a word) and its attributions.

    Args:
        score: the scalar for the row.
        baseline: the same for an absent input, or the mean over the background rows; None: not computed.
        completeness_gap: score - baseline - sum of the attributions.
        box: of an object, left, top, right, bottom as shares of the encoded image.
    """

    name: str
    score: float
    baseline: float | None
    completeness_gap: float | None
    parts: tuple[Part, ...]
    box: tuple[float, ...] | None = None

    def to_json(self) -> dict[str, Any]:
        scores = {"score": self.score, "baseline": self.baseline, "completeness_gap": self.completeness_gap}
        scores = {k: None if v is None or not np.isfinite(v) else round(v, 6) for k, v in scores.items()}
        parts = sorted(self.parts, key=lambda p: -abs(p.weight))  # the largest first
        return {"target": self.name, **scores, "attributions": [p.to_json() for p in parts]}


@dataclass(frozen=True)
class Explanation:
    """Why one output of one row is predicted as it is.

    Args:
        answer: the prediction, as `predict` gives it.
        unit: of attributions, scores and baselines.
        method: the attribution method and its baseline.
        parts: summed over all targets, in the order of the input.
        targets: one by one.
        maps: input name -> attributions per target; (Q, Y, X) of images, (Q, T, M) of sounds.
        activation_maps: input name -> class activation maps, (Q, Y, X).
    """

    row: int
    output: str
    kind: str
    answer: Mapping[str, Any]
    unit: str
    method: str
    parts: tuple[Part, ...]
    targets: tuple[TargetExplanation, ...]
    nearest: tuple[Neighbour, ...] = ()
    checks: Checks | None = None
    dependence: tuple[Dependence, ...] = ()
    counterfactual: Counterfactual | None = None
    maps: Mapping[str, np.ndarray] = field(default_factory=dict)
    activation_maps: Mapping[str, np.ndarray] = field(default_factory=dict)

    @property
    def total(self) -> TargetExplanation:
        """All targets as one."""
        if len(self.targets) == 1:
            return self.targets[0]
        score = sum(t.score for t in self.targets)
        if any(t.baseline is None for t in self.targets):
            return TargetExplanation("total", score, None, None, self.parts)
        baseline = sum(t.baseline or 0.0 for t in self.targets)
        gap = sum(t.completeness_gap or 0.0 for t in self.targets)
        return TargetExplanation("total", score, baseline, gap, self.parts)

    def to_json(self) -> dict[str, Any]:
        result: dict[str, Any] = {k: v for k, v in self.answer.items() if k in PREDICTION_KEYS}
        result |= {**self.total.to_json(), "unit": self.unit, "method": self.method}
        if len(self.targets) > 1:
            result["targets"] = [t.to_json() for t in self.targets]
        if self.checks is not None:
            result["checks"] = self.checks.to_json()
        if (change := self.counterfactual) is not None:
            result["counterfactual"] = {
                "from": plain_value(change.before),
                "to": plain_value(change.after),
                "size": change.size,
                "answer": plain_value(change.answer),
            }
        if self.dependence:
            result["dependence"] = [d._asdict() | {"values": plain_value(d.values)} for d in self.dependence]
        result["nearest"] = [
            {"row": n.row, "label": n.labels.get(self.output), "distance": round(n.distance, 4)} for n in self.nearest
        ]
        return result


def finite(value: float) -> float | None:
    """A number; None for NaN."""
    return float(value) if np.isfinite(value) else None
