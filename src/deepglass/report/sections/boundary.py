"""Decision boundaries: predictions over a plane with rows on it, and a slider over the run (`web/boundary.js`)."""

import math
from collections.abc import Sequence

import numpy as np

from deepglass.formatting import count, number
from deepglass.introspect.boundary import boundaries
from deepglass.introspect.facts import Boundary, BoundaryAxis, BoundaryFrame
from deepglass.report.charts.axes import Axis
from deepglass.report.data import ReportData, View
from deepglass.report.sections.base import Section
from deepglass.report.templates import shorten
from deepglass.run.callbacks.boundary_recorder import FOLDER
from deepglass.web.palette import Colour, colour, css

SIDE = 300  # of the plane
LEFT, TOP = 46, 8
LETTER = 6.3  # width of a tick's letter
NO_COLOUR: Colour = (150, 150, 150)


class BoundarySection(Section):
    """A card a plane."""

    title, nav, position = "Decision boundary", "Boundary", 40
    layer = "why"
    folded = True
    files = ("metrics.json", f"{FOLDER}/*")
    assets = ("layers", "boundary")

    def collect(self, report: ReportData) -> tuple[Boundary, ...] | None:
        context = report.context
        return boundaries(context, report.options.pair, report.important_inputs) or None

    def view(self, facts: tuple[Boundary, ...], report: ReportData) -> View | None:
        if not facts:
            return None
        return {
            "groups": [(_legend(planes[0]), [_card(plane) for plane in planes]) for planes in _by_output(facts)],
            "first": facts[0],
            "chosen": report.options.pair is not None,
            "has_points": any(len(plane.points) for plane in facts),
            "side": SIDE,
            "left": LEFT,
            "top": TOP,
        }


def _by_output(planes: Sequence[Boundary]) -> list[list[Boundary]]:
    groups: dict[str, list[Boundary]] = {}
    for plane in planes:
        groups.setdefault(plane.output, []).append(plane)
    return list(groups.values())


def _legend(plane: Boundary) -> list[tuple[str, str]]:
    if plane.names:
        return [(shorten(name, 24), css(colour(k))) for k, name in enumerate(plane.names)]
    assert plane.span is not None
    low, high = plane.span
    return [(f"{number(low)} and less", css(colour(0))), (f"{number(high)} and more", css(colour(5)))]


def _card(plane: Boundary) -> View:
    across = Axis(*plane.across.ends, LEFT, LEFT + SIDE)
    up = Axis(*plane.up.ends, TOP + SIDE, TOP)
    below, beside = ([], []) if plane.learned else (_marks(plane.across, across, 44), _marks(plane.up, up, 18))
    moves = None
    if all(g.points is not None for g in plane.frames) and len(plane.points):
        moves = "|".join(_positions(g, across, up) for g in plane.frames)
    return {
        "plane": plane,
        "across": across,
        "up": up,
        "below": below,  # an embedding's directions have no unit
        "beside": beside,
        "wide": max(0, math.ceil(LETTER * max((len(name) for _, name in beside), default=0)) - 10),  # for long names
        "dots": [
            (across(x), up(y), css(_tint(plane, code)))
            for (x, y), code in zip(plane.points.tolist(), plane.codes.tolist(), strict=False)
            if across.low <= x <= across.high and up.low <= y <= up.high
        ],
        "steps": ["best weights" if g.step < 0 else f"step {count(g.step)}" for g in plane.frames],
        "moves": moves,
    }


def _marks(along: BoundaryAxis, axis: Axis, room: float) -> list[tuple[float, str]]:
    """Round values, days, or the names of classes in the middle of their bands, as many as there is room for."""
    if along.bands:
        step = math.ceil(room * len(along.bands) / SIDE)
        longest = max(3, int(room * step / LETTER)) if room > 20 else 12
        return [(i + 0.5, shorten(name, longest)) for i, name in enumerate(along.bands) if i % step == 0]
    if along.dates:
        days = np.linspace(*along.ends, 4 if room > 20 else 5)[1:-1].tolist()
        return [(day, str(np.datetime64(round(day), "D"))) for day in days]
    return axis.ticks(5)


def _tint(plane: Boundary, code: int) -> Colour:
    if code < 0:
        return NO_COLOUR
    if plane.names:
        return colour(code)
    low, high = np.array(colour(0), float), np.array(colour(5), float)
    grey = np.array([200.0, 200.0, 200.0])
    part = code / 255
    mixed = low + (grey - low) * 2 * part if part < 0.5 else grey + (high - grey) * (2 * part - 1)
    return round(mixed[0]), round(mixed[1]), round(mixed[2])


def _positions(ground: BoundaryFrame, across: Axis, up: Axis) -> str:
    assert ground.points is not None
    return " ".join(f"{across(x):.0f},{up(y):.0f}" for x, y in ground.points.tolist())
