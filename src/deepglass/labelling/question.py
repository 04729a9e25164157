"""Questions to a person: rows whose label looks wrong, or that are worth a label, and spot checks."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

Kind = Literal["wrong", "unlabelled", "uncertain", "random", "reopened", "review"]
SPOT_CHECKS: tuple[Kind, ...] = ("uncertain", "random")


class LabelledNeighbour(NamedTuple):
    """A similar labelled row; its index in the source, from 0."""

    row: int
    label: str


@dataclass(frozen=True)
class Question:
    """One row to label or correct.

    Args:
        row: its index in the source, from 0.
        kind: "wrong" for a label that looks wrong, "unlabelled" for a row without one; where there are neither, spot
            checks: "uncertain" by the prediction, or "random"; "reopened" for an answer that was taken back;
            "review" for a mask or boxes, to be accepted or refused.
        label: its label; "" without one.
        suggestion: the predicted label.
        confidence: the probability, from 0 to 1, that the label is wrong for the kind "wrong", else that the suggestion
            is right.
        probabilities: of the most probable classes.
        neighbours: similar labelled rows, those with the suggested label first.
    """

    row: int
    kind: Kind
    label: str
    suggestion: str
    confidence: float
    probabilities: Mapping[str, float] = field(default_factory=dict)
    neighbours: tuple[LabelledNeighbour, ...] = ()
