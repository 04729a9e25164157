"""A linear unit: its line and margin over two columns, and the mistakes of a perceptron over time."""

from typing import Any, NamedTuple

import numpy as np
import torch
from markupsafe import Markup

from deepglass.features.number import Number
from deepglass.objectives._linear_unit import LinearUnit
from deepglass.objectives.perceptron import Perceptron
from deepglass.report.charts.axes import Axis
from deepglass.report.charts.curves import Line, curves
from deepglass.report.data import ReportData, View
from deepglass.report.row_selection import evenly_spaced
from deepglass.report.sections.base import Section
from deepglass.report.templates import titled
from deepglass.web.palette import colour, css

SIDE, LEFT, TOP = 300, 46, 8
MAX_ROWS = 20_000  # training rows that are tested against the line
MAX_POINTS, MAX_LINES = 400, 12
ROOM = 0.08  # of the axes beside the points


class PlaneFacts(NamedTuple):
    """Two columns, rows, and lines a + b . (x, y) = 0 in the units of the columns.

    Args:
        lines: (M, 3) of b and a; the last is the final one, those before it follow mistakes.
        numbers: the mistake that each of `lines` but the last follows.
        margin: half the width of the band without rows in the units of the line's values; 0 without a band.
        low, high: ends of both axes, with room beside the points.

    Shapes:
        points: (N, 2); classes: (N,) 0 or 1; low, high: (2,).
    """

    names: tuple[str, str]
    points: np.ndarray
    classes: np.ndarray
    lines: np.ndarray
    numbers: tuple[int, ...]
    margin: float
    low: np.ndarray
    high: np.ndarray

    def without_rows(self) -> "PlaneFacts":
        """The lines alone."""
        return self._replace(points=self.points[:0], classes=self.classes[:0])


class MistakeFacts(NamedTuple):
    """The mistakes of a perceptron.

    Args:
        bound: Novikoff's; None where no line separates the rows.
        rows: presented until each of the first mistakes.
    """

    number: int
    bound: float | None
    rows: tuple[int, ...]


class UnitFacts(NamedTuple):
    """A linear unit after training.

    Args:
        errors: training rows on the wrong side; rows: of all.
        margin: of the line on the training rows, and the largest one, 0 where no line separates them.
        mistakes: of a perceptron; None for other rules.
    """

    errors: int
    rows: int
    margin: float
    largest_margin: float
    class_names: tuple[str, ...]
    mistakes: MistakeFacts | None
    plane: PlaneFacts | None

    def without_rows(self) -> "UnitFacts":
        """The same without the points of the plane."""
        return self._replace(plane=self.plane and self.plane.without_rows())


class LinearUnitSection(Section):
    """Line, margin and mistakes; None for other objectives."""

    title, nav, position = "Line, margin and mistakes", "Line", 15

    def collect(self, report: ReportData) -> UnitFacts | None:
        objective, data = report.context.objective, report.context.data
        if not isinstance(objective, LinearUnit) or not len(rows := data.rows("train")):
            return None
        train = data.dataset(evenly_spaced(rows, MAX_ROWS), report.context.device)
        with torch.inference_mode():
            x, y = (t.cpu() for t in objective.labelled(train.batch(torch.arange(len(train)))))
            weights = objective.weights.detach().cpu()
            signed = y * (x @ weights)
        lines = weights[None]
        mistakes: MistakeFacts | None = None
        numbers: tuple[int, ...] = ()
        if isinstance(objective, Perceptron):
            number = int(objective.mistakes)
            mistakes = MistakeFacts(number, objective.mistake_bound, tuple(objective.path_rows[:number].tolist()))
            numbers = _spread(number, len(objective.path))
            lines = torch.cat([objective.path[[n - 1 for n in numbers]].cpu(), lines])
        margin = float(signed.min())
        return UnitFacts(
            errors=int((signed <= 0).sum()),
            rows=len(y),
            margin=margin / max(float(weights.norm()), 1e-12),
            largest_margin=float(objective.margin),
            class_names=tuple(objective.output.class_names),
            mistakes=mistakes,
            plane=_plane(objective, x, y, lines, numbers, max(margin, 0.0)),
        )

    def view(self, facts: UnitFacts, report: ReportData) -> View:
        return {
            "facts": facts,
            "drawing": None if facts.plane is None else _drawing(facts.plane),
            "legend": [(name, css(colour(k))) for k, name in enumerate(facts.class_names)],
            "chart": _mistake_chart(facts.mistakes) if facts.mistakes and len(facts.mistakes.rows) > 1 else None,
        }


def _mistake_chart(mistakes: MistakeFacts) -> Markup:
    """The number of mistakes over the rows presented."""
    counts = [float(i + 1) for i in range(len(mistakes.rows))]
    end = "last" if len(counts) == mistakes.number else f"first {len(counts)}"
    title = titled("Mistakes", f"over the rows presented, up to the {end}")
    return curves(title, [float(row) for row in mistakes.rows], [Line("mistakes", counts, "c1")], x_name="row")


def _spread(mistakes: int, stored: int) -> tuple[int, ...]:
    """Mistakes whose lines are drawn: the first ones, then fewer and fewer."""
    last = min(mistakes, stored)
    return tuple(np.unique(np.geomspace(1, last, min(last, MAX_LINES)).astype(int)).tolist()) if last else ()


def _plane(
    objective: LinearUnit,
    x: torch.Tensor,
    y: torch.Tensor,
    weights: torch.Tensor,
    numbers: tuple[int, ...],
    margin: float,
) -> PlaneFacts | None:
    """The plane of the two inputs; None where there are others."""
    inputs = objective.flat.inputs
    if len(inputs) != 2 or not all(isinstance(f, Number) for f in inputs):
        return None
    scales: list[Any] = list(objective.flat.scales.values())
    shift = np.array([float(s.shift) for s in scales])
    scale = np.array([float(s.scale) for s in scales])
    lines = weights.double().numpy().copy()
    lines[:, :2] /= scale
    lines[:, 2] -= lines[:, :2] @ shift
    chosen = evenly_spaced(np.arange(len(x)), MAX_POINTS)
    points = x[chosen, :2].double().numpy() * scale + shift
    low, high = points.min(0), points.max(0)
    room = ROOM * np.maximum(high - low, 1e-9)
    return PlaneFacts(
        names=(inputs[0].name, inputs[1].name),
        points=points,
        classes=(y[chosen] > 0).long().numpy(),
        lines=lines,
        numbers=numbers,
        margin=margin,
        low=low - room,
        high=high + room,
    )


def _drawing(plane: PlaneFacts) -> View:
    """Positions of the plane's parts in an image of `SIDE` pixels."""
    across = Axis(plane.low[0], plane.high[0], LEFT, LEFT + SIDE)
    up = Axis(plane.low[1], plane.high[1], TOP + SIDE, TOP)
    *path, final = plane.lines
    band = [final + np.array([0, 0, sign * plane.margin]) for sign in (-1, 1)] if plane.margin else []
    steps = [
        (f"after mistake {number}", 0.15 + 0.5 * i / max(len(path), 1), ends)
        for i, (number, line) in enumerate(zip(plane.numbers, path, strict=True))
        if (ends := _ends(line, across, up))
    ]
    return {
        "names": plane.names,
        "dots": [
            (across(px), up(py), css(colour(int(k)))) for (px, py), k in zip(plane.points, plane.classes, strict=True)
        ],
        "steps": steps,
        "final": _ends(final, across, up),
        "band": [ends for line in band if (ends := _ends(line, across, up))],
        "below": [(across(v), name) for v, name in across.ticks(5)],
        "beside": [(up(v), name) for v, name in up.ticks(5)],
        "side": SIDE,
        "left": LEFT,
        "top": TOP,
    }


def _ends(line: np.ndarray, across: Axis, up: Axis) -> tuple[float, float, float, float] | None:
    """The part of a line inside the image, x1 y1 x2 y2; None for a line outside."""
    bx, by, a = (float(v) for v in line)
    points = []
    if abs(by) > 1e-12:
        points += [(v, -(a + bx * v) / by) for v in (across.low, across.high)]
    if abs(bx) > 1e-12:
        points += [(-(a + by * v) / bx, v) for v in (up.low, up.high)]
    slack_x, slack_y = 1e-9 * (across.high - across.low), 1e-9 * (up.high - up.low)
    inside = sorted(
        (px, py)
        for px, py in points
        if across.low - slack_x <= px <= across.high + slack_x and up.low - slack_y <= py <= up.high + slack_y
    )
    if len(inside) < 2:
        return None
    (x1, y1), (x2, y2) = inside[0], inside[-1]
    return across(x1), up(y1), across(x2), up(y2)
