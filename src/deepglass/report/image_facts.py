"""What a report shows of pictures, as plain data: what lies over them, what a network looks for, how they are varied.

Pictures are encoded already (PNG or JPEG bytes), places are shares of the picture, so that a panel only draws.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from deepglass.web.palette import Colour


class Box(NamedTuple):
    """A rectangle on a picture.

    Args:
        name: its class.
        left, top, right, bottom: shares of the picture's width and height.
        confidence: of an answer; of a true box, the confidence of the answer that found it (None: no answer did).
        correct: of an answer, whether a true box of its class lies there.
    """

    name: str
    left: float
    top: float
    right: float
    bottom: float
    confidence: float | None = None
    correct: bool = True


class Drawn(NamedTuple):
    """What lies over a picture: a PNG of class colours, transparent where there is nothing, and boxes."""

    mask: bytes | None = None
    boxes: tuple[Box, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Overlay:
    """A picture with what is true and what was said drawn over it.

    Args:
        row: its 0-based place in the source.
        picture: PNG or JPEG.
        size: its height and width in pixels.
        truth: what is true.
        answer: what the network said.
        wrong: a PNG that is opaque where a mask's answer is wrong.
        score: how good this answer is, as `score_name` measures it.
        score_name: such as "iou".
        caption: one line of text about it.
        typical: an ordinary case, not one of the worst.
    """

    row: int
    picture: bytes
    size: tuple[int, int]
    truth: Drawn
    answer: Drawn
    wrong: bytes | None = None
    score: float | None = None
    score_name: str = ""
    caption: str = ""
    typical: bool = False


class Legend(NamedTuple):
    """A class and its colour."""

    name: str
    colour: Colour


class PrecisionRecall(NamedTuple):
    """Precision at each recall of `Curves.recall`, the area below, and how many true ones there are."""

    name: str
    precision: Sequence[float]
    area: float
    positives: int


@dataclass(frozen=True)
class Curves:
    """Precision over recall, the mean over all classes first.

    Args:
        recall: ascending, common to all lines.
        lines: one a class; the first is the mean.
    """

    recall: Sequence[float]
    lines: tuple[PrecisionRecall, ...]


class Pair(NamedTuple):
    """Two pictures that are compared, where they stand in the source, and how alike they were found."""

    first: bytes
    second: bytes
    rows: tuple[int, int]
    similarity: float
    same: bool


@dataclass(frozen=True, kw_only=True)
class Verification:
    """Same or different, told by a similarity.

    Args:
        low: left end of both histograms.
        high: right end.
        same: counts of the pairs that are the same, in bins of one width.
        different: counts of the others.
        threshold: from here on a pair is called the same.
        missed: share of the same pairs below it.
        alarms: share of the different pairs at or above it.
        hardest: the pairs that are farthest on the wrong side, or nearest to it.
    """

    low: float
    high: float
    same: tuple[int, ...]
    different: tuple[int, ...]
    threshold: float
    missed: float
    alarms: float
    hardest: tuple[Pair, ...] = ()

    def without_rows(self) -> Verification:
        """Without the pairs themselves."""
        return replace(self, hardest=())


class Redrawn(NamedTuple):
    """A picture that was given (it may be missing), what should come of it, and what came of it."""

    row: int
    given: bytes | None
    truth: bytes
    answer: bytes
    score: float | None = None
    score_name: str = ""
    typical: bool = False
