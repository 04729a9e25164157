"""How a report shows data augmentation: images before and after, with the masks and boxes that moved along."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from deepglass.report.overlays import Annotation, ClassColour


class Version(NamedTuple):
    """A picture and what lies over it."""

    picture: bytes
    drawn: Annotation = Annotation()


@dataclass(frozen=True)
class Varied:
    """Training pictures before and after they were varied.

    Args:
        changes: what is done, a phrase each.
        rows: for each picture the original first, then some variations.
        legend: the classes of masks that are drawn over them.
    """

    changes: tuple[str, ...]
    rows: tuple[tuple[Version, ...], ...]
    legend: tuple[ClassColour, ...] = field(default=())

    def without_rows(self) -> None:
        """Nothing: all of it is rows."""
