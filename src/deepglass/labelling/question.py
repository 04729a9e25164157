"""Questions to a person: rows whose label looks wrong, or that are worth a label."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple


class LabelledNeighbour(NamedTuple):
    """A similar labelled row; its index in the source, from 0."""

    row: int
    label: str


@dataclass(frozen=True)
class Question:
    """One row to label or correct.

    Args:
        row: its index in the source, from 0.
        kind: "wrong" for a label that looks wrong, "unlabelled" for a row without one.
        label: its label; "" without one.
        suggestion: the predicted label.
        confidence: the probability, from 0 to 1, that the label is wrong or, without one, that the suggestion is right.
        probabilities: of the most probable classes.
        neighbours: similar labelled rows, those with the suggested label first.
    """

    row: int
    kind: Literal["wrong", "unlabelled"]
    label: str
    suggestion: str
    confidence: float
    probabilities: Mapping[str, float] = field(default_factory=dict)
    neighbours: tuple[LabelledNeighbour, ...] = ()
