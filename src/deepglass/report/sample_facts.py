"""What a report shows of what was drawn: new rows over time, and rows drawn again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Sheet(NamedTuple):
    """New rows at a step of the run: a PNG of tiles, or points in a plane."""

    step: int
    picture: bytes | None = None
    points: Sequence[tuple[float, float]] = ()


class Samples(NamedTuple):
    """What was drawn as the run went on, always from the same random numbers.

    Args:
        name: the feature, or the two columns of the plane.
        rows: of a sheet.
        real: training rows, in the plane.
    """

    name: str
    sheets: tuple[Sheet, ...]
    rows: int
    real: Sequence[tuple[float, float]] = ()

    def without_rows(self) -> Samples:
        """What was drawn alone."""
        return self._replace(real=())


class Again(NamedTuple):
    """Test rows, each above what it was drawn again as: a PNG of two rows of tiles."""

    name: str
    picture: bytes
    rows: int

    def without_rows(self) -> None:
        """Nothing: all of it is rows."""
