"""What goes on inside a network, as plain data: its health, its boundaries, one row on its way through."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np

from deepglass.run.callbacks.layer_diagnostics import Diagnostic


class Gate(NamedTuple):
    """A gate of a recurrent layer: the shares of all units and places where it is shut (below 0.1), and open."""

    name: str
    shut: float
    open: float


class LayerHistory(NamedTuple):
    """A layer over the run.

    Args:
        steps, gradient: the norm of its gradient relative to its weights, at each evaluation.
        dead, saturated: share of its units in the end; None where it has no such activation.
        gates: in the end, for layers that have any.
    """

    layer: str
    steps: tuple[int, ...]
    gradient: tuple[float, ...]
    dead: float | None = None
    saturated: float | None = None
    gates: tuple[Gate, ...] = ()


@dataclass(frozen=True)
class NetworkHealth:
    """What the watch over a run saw.

    Args:
        alarms: none for a healthy network.
        histories: the layers, first one first.
    """

    alarms: tuple[Diagnostic, ...]
    histories: tuple[LayerHistory, ...]


class BoundaryFrame(NamedTuple):
    """The answers over a plane at one step, as a picture whose first row is the top.

    Args:
        points: (N, 2) the rows' places, where they differ from step to step; None where they stay.
    """

    step: int
    picture: bytes
    points: np.ndarray | None = None


class BoundaryAxis(NamedTuple):
    """An axis of a plane.

    Args:
        ends: of the axis, low and high; dates are days since 1970.
        bands: of classes, their names, a band of one each from 0 on.
    """

    name: str
    ends: tuple[float, float]
    bands: tuple[str, ...] = ()
    dates: bool = False


@dataclass(frozen=True)
class Boundary:
    """A plane through the inputs or the learned space, and what is answered where.

    Args:
        frames: the answers at some steps of the run, in order.
        points: (N, 2) rows.
        codes: (N,) int, the rows' true classes; -1 where unknown. For numbers their place from 0 to 1, times 255.
        names: the classes; empty for a number.
        span: of a number, the values of the two ends of the colour scale.
        description: a sentence on how it was made.
        learned: it is the learned space.
    """

    output: str
    across: BoundaryAxis
    up: BoundaryAxis
    frames: tuple[BoundaryFrame, ...]
    points: np.ndarray
    codes: np.ndarray
    names: tuple[str, ...] = ()
    span: tuple[float, float] | None = None
    description: str = ""
    learned: bool = False

    def without_rows(self) -> Boundary | None:
        """The plane alone; None where the plane itself tells values of rows: the learned space, values of a column."""
        if self.learned or self.across.bands or self.up.bands:
            return None
        return replace(self, points=self.points[:0], codes=self.codes[:0])


class LayerOutput(NamedTuple):
    """A layer that a row goes through.

    Args:
        kind: "maps" are small pictures, "bars" one value a unit, "times" units (rows) over time (columns).
        shape: what the layer gave.
        pictures: for maps, and one for times.
        values: for bars, each from -1 to 1 of the layer's largest.
        more: units that are not shown.
        marks: for times, where along the picture (0 to 1) what stands.
        unit: of the marks, such as seconds; empty for words.
    """

    layer: str
    kind: Literal["maps", "bars", "times"]
    shape: tuple[int, ...]
    pictures: tuple[bytes, ...] = ()
    values: tuple[float, ...] = ()
    more: int = 0
    marks: tuple[tuple[float, str], ...] = ()
    unit: str = ""


@dataclass(frozen=True)
class ForwardExample:
    """One test row, layer by layer.

    Args:
        row: its place in the source.
        picture: itself, where it has one.
        given: its values in words, where it has none.
        scores: output -> names and probabilities, or the one value as text with None.
        truth: output -> what is true.
    """

    row: int
    layers: tuple[LayerOutput, ...]
    picture: bytes | None = None
    given: tuple[tuple[str, str], ...] = ()
    scores: tuple[tuple[str, tuple[tuple[str, float | None], ...]], ...] = ()
    truth: tuple[tuple[str, str], ...] = ()

    def without_rows(self) -> None:
        """Nothing: all of it is a row."""


class OptimizedImage(NamedTuple):
    """A picture that was made so that a unit or a class answers strongly."""

    name: str
    picture: bytes


class LayerImages(NamedTuple):
    """A layer's pictures; the classes are the last layer."""

    layer: str
    pictures: tuple[OptimizedImage, ...]
