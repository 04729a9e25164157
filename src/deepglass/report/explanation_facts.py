"""What a report tells of why answers are as they are: plain data, as in `facts`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

Layout = Literal["bars", "words", "times"]
NOTHING = "nothing"  # the answer where no box and no label was found


class Added(NamedTuple):
    """A part of an input and what it adds to the answer; `value` is what stands there, for columns."""

    name: str
    weight: float
    value: str = ""


class Near(NamedTuple):
    """A training row that the network finds alike: its place, its label, its picture."""

    row: int
    label: str = ""
    picture: bytes | None = None


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One figure of an answer, such as the log-odds of a class, an object, a word.

    Args:
        name: what is asked about.
        layout: how the parts are drawn: as bars, as the words of a text in their order, as moments one after another.
        parts: in the order of the input.
        picture: the input with what each place adds over it, PNG.
        active: the same by an activation map.
    """

    name: str
    layout: Layout = "bars"
    parts: tuple[Added, ...] = ()
    picture: bytes | None = None
    active: bytes | None = None


@dataclass(frozen=True, kw_only=True)
class Why:
    """A test row's answer, and why.

    Args:
        row: its 0-based place in the source.
        answer, truth: as text; confidence: of the answer.
        unit: of the figures; score: of the row; base: of nothing, or of the mean training row.
        method: how it was found.
        asked: the figures that are explained, one or several.
        picture: the input as it is.
        wave: the sound as it is, a WAV file; remains: what is left of it when only the telling regions are heard.
        near: training rows that are alike.
        turn: what would have to be otherwise for another answer, in words.
        checks: name of a test of truth -> figure.
    """

    row: int
    answer: str
    unit: str
    score: float
    method: str
    base: float | None = None
    truth: str = ""
    confidence: float | None = None
    asked: tuple[Asked, ...] = ()
    picture: bytes | None = None
    wave: bytes | None = None
    remains: bytes | None = None
    near: tuple[Near, ...] = ()
    turn: str = ""
    checks: Mapping[str, float] = field(default_factory=dict)
