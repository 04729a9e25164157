"""What a report shows of the space that was learned, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np


class ProjectionLayout(NamedTuple):
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


class Coloring(NamedTuple):
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


class SpriteSheet(NamedTuple):
    """Tiles of `size` (rows, columns) in one picture, `across` beside each other."""

    picture: bytes
    size: tuple[int, int]
    across: int


@dataclass(frozen=True)
class PointDetails:
    """What some points are.

    Args:
        rows: their 0-based places in the source.
        labels: label and answer in words.
        texts: what else is said of each; none where pictures say it.
    """

    rows: tuple[int, ...]
    labels: tuple[str, ...]
    texts: tuple[str, ...] = ()
    sprites: SpriteSheet | None = None


@dataclass(frozen=True, kw_only=True)
class ProjectionMap:
    """Rows as points in a plane.

    Args:
        dim: of the embedding.
        explained_variance: the share of the first layout, PCA.
        layer: whose output is projected; empty: what the heads read.
        splits: "train", "test" -> number of rows on the map, and of all rows.
        layouts: the first is PCA.
        colorings: at least one.
        detailed_points: (R,) indices of the points with details; neighbours are among them.
        neighbours: (N or R, K) the nearest of `detailed_points` in the embedding, nearest first, as indices among
            them; of all points or of `detailed_points`.
        default_layout: the layout that is shown first.
        steps: of the recorded trajectories.
        trajectories: (E, F, 2) positions of `trajectory_points` at each step, in the plane of PCA.
        trajectory_points: (F,).
        items: details of `detailed_points`.
    """

    dim: int
    explained_variance: float
    layer: str
    splits: Mapping[str, tuple[int, int]]
    layouts: tuple[ProjectionLayout, ...]
    colourings: tuple[Coloring, ...]
    detailed_points: np.ndarray
    neighbours: np.ndarray
    default_layout: str = "PCA"
    steps: tuple[int, ...] = ()
    trajectories: np.ndarray | None = None
    trajectory_points: np.ndarray | None = None
    items: PointDetails | None = None

    def __len__(self) -> int:
        return len(self.layouts[0].places)

    def without_rows(self) -> ProjectionMap:
        """Places and classes alone: nothing that tells a row's own values."""
        shown = tuple(c for c in self.colourings if not c.rows)
        return replace(self, items=None, colourings=shown)
