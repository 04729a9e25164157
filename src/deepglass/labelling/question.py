"""Questions to a person: rows whose label should be looked at, or given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple


class Near(NamedTuple):
    """A labelled row that looks alike."""

    place: int
    label: str


@dataclass(frozen=True)
class Question:
    """One row to look at.

    Args:
        place: in the source, from 0.
        kind: "wrong" for a label that looks wrong, "open" for a row without one.
        given: its label, "" where there is none.
        proposed: what it probably is.
        sure: from 0 to 1: how sure the given label is wrong, or the proposed one right.
        probabilities: of the likeliest classes.
        near: labelled rows that look alike, those with the proposed label first.
    """

    place: int
    kind: Literal["wrong", "open"]
    given: str
    proposed: str
    sure: float
    probabilities: Mapping[str, float] = field(default_factory=dict)
    near: tuple[Near, ...] = ()
