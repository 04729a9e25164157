"""The projection of an embedding as plain data: layouts, colourings, details of points."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np


class ProjectionLayout(NamedTuple):
    """Positions of points in the plane.

    Args:
        name: such as "PCA".
        positions: of the points.
        points: their indices; None: all points.

    Shapes:
        positions: (M, 2) float32; points: (M,) int.
    """

    name: str
    positions: np.ndarray
    points: np.ndarray | None = None


class Colouring(NamedTuple):
    """One colour per point.

    Args:
        name: of the coloured quantity, such as "label".
        names: of the classes; empty for numbers.
        ends: the numbers at both ends of the scale.
        rows: whether it shows values of single rows.

    Shapes:
        codes: (N,) uint16; a class, or 0 to `STEPS` along the scale; `UNKNOWN` for a missing value.
    """

    name: str
    codes: np.ndarray
    names: tuple[str, ...] = ()
    ends: tuple[float, float] = (0.0, 0.0)
    rows: bool = False


UNKNOWN = 65_535
STEPS = 255


class SpriteSheet(NamedTuple):
    """Thumbnails of `size` (rows, columns) in one image, `across` side by side."""

    image: bytes
    size: tuple[int, int]
    across: int


@dataclass(frozen=True)
class PointDetails:
    """Details of some points.

    Args:
        rows: their indices in the source, from 0.
        predictions: what is predicted, one output after the other; what is known where nothing is.
        truths: the labels, alike; "" where they are not known or nothing was predicted.
        names: of the values.
        values: the first values of each row; none where images are enough.
        sprites: their images.
    """

    rows: tuple[int, ...]
    predictions: tuple[str, ...]
    truths: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    values: tuple[tuple[str, ...], ...] = ()
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
        colourings: at least one.
        detailed_points: (R,) indices of the points with details; neighbours are among them.
        neighbours: (N or R, K) the nearest of `detailed_points` in the embedding, nearest first, as indices among
            them; of all points or of `detailed_points`.
        default_layout: the layout that is shown first.
        steps: of the recorded trajectories.
        trajectories: (E, F, 2) positions of `trajectory_points` at each step, in the plane of PCA.
        trajectory_points: (F,).
        items: details of `detailed_points`.
        noun: what a point is, "row" or "word".
    """

    dim: int
    explained_variance: float
    layer: str
    splits: Mapping[str, tuple[int, int]]
    layouts: tuple[ProjectionLayout, ...]
    colourings: tuple[Colouring, ...]
    detailed_points: np.ndarray
    neighbours: np.ndarray
    default_layout: str = "PCA"
    steps: tuple[int, ...] = ()
    trajectories: np.ndarray | None = None
    trajectory_points: np.ndarray | None = None
    items: PointDetails | None = None
    noun: str = "row"

    def __len__(self) -> int:
        return len(self.layouts[0].positions)

    def without_rows(self) -> ProjectionMap:
        """Positions and classes alone, without values of single rows."""
        return replace(self, items=None, colourings=tuple(c for c in self.colourings if not c.rows))
