"""Plain data about a network: diagnostics of its layers, decision boundaries, the outputs of layers for one row."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np

from deepglass.run.callbacks.layer_diagnostics import Diagnostic


class Gate(NamedTuple):
    """A gate of a recurrent layer: the shares of units and positions where it is closed (below 0.1), and open."""

    name: str
    shut: float
    open: float


class LayerHistory(NamedTuple):
    """Diagnostics of a layer over the run.

    Args:
        steps, gradient: gradient norm relative to the norm of its weights, at each evaluation.
        dead, saturated: share of such units at the end; None for a layer without such an activation.
        gates: of a recurrent layer, at the end.
    """

    layer: str
    steps: tuple[int, ...]
    gradient: tuple[float, ...]
    dead: float | None = None
    saturated: float | None = None
    gates: tuple[Gate, ...] = ()


@dataclass(frozen=True)
class NetworkHealth:
    """Layer diagnostics of a run.

    Args:
        alarms: empty for a healthy network.
        histories: of the layers, the first layer first.
    """

    alarms: tuple[Diagnostic, ...]
    histories: tuple[LayerHistory, ...]


class BoundaryFrame(NamedTuple):
    """Predictions over a plane at one step, as an image.

    Args:
        points: (N, 2) positions of the rows at this step; None where they do not move.
    """

    step: int
    image: bytes
    points: np.ndarray | None = None


class BoundaryAxis(NamedTuple):
    """An axis of a plane.

    Args:
        ends: low and high.
        bands: names of the classes of a column, each a band of width 1 from 0 on.
        dates: whether it is a time, in days since 1970.
    """

    name: str
    ends: tuple[float, float]
    bands: tuple[str, ...] = ()
    dates: bool = False


@dataclass(frozen=True)
class Boundary:
    """Predictions over a plane of two columns, or of two directions of the embedding.

    Args:
        frames: predictions at some steps of the run, in order.
        points: (N, 2) positions of rows.
        codes: (N,) int labels of the rows, -1 for none: classes, or numbers on the colour scale from 0 to 255.
        names: of the classes; empty for a number.
        span: the numbers at both ends of the colour scale.
        description: how the plane was made, a sentence.
        learned: whether it is a plane of the embedding.
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
        """The plane alone; None where the plane itself shows values of rows: the embedding, classes of a column."""
        if self.learned or self.across.bands or self.up.bands:
            return None
        return replace(self, points=self.points[:0], codes=self.codes[:0])


class LayerOutput(NamedTuple):
    """The output of a layer for one row.

    Args:
        kind: "maps" for images of channels, "bars" for one value per unit, "times" for units (rows) over time.
        shape: of the output.
        images: of the channels; one image of "times".
        values: of "bars", from -1 to 1, relative to the largest.
        more: number of units that are not shown.
        marks: of "times", positions along the image from 0 to 1, and their labels.
        unit: of the labels, such as seconds; empty for words.
    """

    layer: str
    kind: Literal["maps", "bars", "times"]
    shape: tuple[int, ...]
    images: tuple[bytes, ...] = ()
    values: tuple[float, ...] = ()
    more: int = 0
    marks: tuple[tuple[float, str], ...] = ()
    unit: str = ""


@dataclass(frozen=True)
class ForwardExample:
    """The outputs of all layers for one test row.

    Args:
        row: its index in the source.
        image: of the row.
        inputs: names and values of the row, for rows without an image.
        scores: output -> class names and probabilities, or the predicted number as text with None.
        truth: output -> label.
    """

    row: int
    layers: tuple[LayerOutput, ...]
    image: bytes | None = None
    inputs: tuple[tuple[str, str], ...] = ()
    scores: tuple[tuple[str, tuple[tuple[str, float | None], ...]], ...] = ()
    truth: tuple[tuple[str, str], ...] = ()

    def without_rows(self) -> None:
        """None: all of it is values of a row."""


class OptimizedImage(NamedTuple):
    """An image that maximises the activation of a unit or the score of a class."""

    name: str
    image: bytes


class LayerImages(NamedTuple):
    """The optimised images of a layer; those of the classes have an empty layer name."""

    layer: str
    images: tuple[OptimizedImage, ...]
