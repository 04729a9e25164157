"""What a report shows of the space that was learned, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np


class Layout(NamedTuple):
    """Places in the plane.

    Args:
        name: such as "PCA".
        which: whose places these are; None: all points'.

    Shapes:
        places: (M, 2) float32; which: (M,) int.
    """

    name: str
    places: np.ndarray
    which: np.ndarray | None = None


class Colouring(NamedTuple):
    """A colour a point.

    Args:
        name: what the colour says, such as "label".
        names: of the classes; empty for numbers.
        ends: the numbers at both ends of the scale.
        rows: it shows single rows' own values.

    Shapes:
        codes: (N,) uint16; a class, or 0 to `STEPS` along the scale; `UNKNOWN` where nothing is known.
    """

    name: str
    codes: np.ndarray
    names: tuple[str, ...] = ()
    ends: tuple[float, float] = (0.0, 0.0)
    rows: bool = False


UNKNOWN = 65_535
STEPS = 255


class Sprites(NamedTuple):
    """Tiles of `size` (rows, columns) in one picture, `across` beside each other."""

    picture: bytes
    size: tuple[int, int]
    across: int


@dataclass(frozen=True)
class Items:
    """What some points are.

    Args:
        rows: their 0-based places in the source.
        said: label and answer in words.
        texts: what else is said of each; none where pictures say it.
    """

    rows: tuple[int, ...]
    said: tuple[str, ...]
    texts: tuple[str, ...] = ()
    sprites: Sprites | None = None


@dataclass(frozen=True, kw_only=True)
class MapFacts:
    """Rows as points.

    Args:
        dim: of the space.
        kept: the share of its variance that the first layout, PCA, shows.
        layer: whose space it is; empty for what the heads read.
        parts: "train", "test" -> rows on the map, and all rows.
        layouts: the first is PCA.
        shown: the layout that is seen first.
        colourings: at least one.
        steps: at which the course was kept.
        course: where `followed` lay then, along the axes of PCA.
        kept_rows: the points of which the report says what they are; the neighbours are among them.
        neighbours: the nearest of `kept_rows` in the whole space, nearest first, as places among `kept_rows`.
        items: of `kept_rows`.

    Shapes:
        course: (E, F, 2); followed: (F,); kept_rows: (R,); neighbours: (N or R, K), of all points or of `kept_rows`.
    """

    dim: int
    kept: float
    layer: str
    parts: Mapping[str, tuple[int, int]]
    layouts: tuple[Layout, ...]
    colourings: tuple[Colouring, ...]
    kept_rows: np.ndarray
    neighbours: np.ndarray
    shown: str = "PCA"
    steps: tuple[int, ...] = ()
    course: np.ndarray | None = None
    followed: np.ndarray | None = None
    items: Items | None = None

    def __len__(self) -> int:
        return len(self.layouts[0].places)

    def without_rows(self) -> MapFacts:
        """Places and classes alone: nothing that tells a row's own values."""
        shown = tuple(c for c in self.colourings if not c.rows)
        return replace(self, items=None, colourings=shown)
