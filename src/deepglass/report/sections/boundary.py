"""Decision boundaries: predictions over a plane with rows on it, and a slider over the run (`web/boundary.js`)."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from markupsafe import Markup

from deepglass.formatting import count, number
from deepglass.introspect.boundary import boundaries
from deepglass.introspect.facts import Boundary, BoundaryAxis, BoundaryFrame
from deepglass.report.charts.axes import Axis
from deepglass.report.charts.svg import joined, tag
from deepglass.report.data import ReportData
from deepglass.report.sections.base import Section
from deepglass.report.templates import data_url, shorten
from deepglass.run.callbacks.boundary_recorder import FOLDER
from deepglass.web.palette import Colour, colour, css

SIDE = 300  # of the plane
LEFT, BOTTOM, TOP = 46, 36, 8
LETTER = 6.3  # width of a tick's letter
NO_COLOUR: Colour = (150, 150, 150)


class BoundarySection(Section):
    """A card a plane."""

    title, nav, position = "Decision boundary", "Boundary", 310
    files = ("metrics.json", f"{FOLDER}/*")
    assets = ("layers", "boundary")

    def collect(self, report: ReportData) -> tuple[Boundary, ...] | None:
        context = report.context
        return boundaries(context, report.options.pair) or None

    def view(self, facts: tuple[Boundary, ...], report: ReportData) -> Mapping[str, Any] | None:
        if not facts:
            return None
        return {"planes": [_card(plane) for plane in facts], "first": facts[0], "legend": _legend(facts[0])}


def _legend(plane: Boundary) -> list[tuple[str, str]]:
    if plane.names:
        return [(shorten(name, 24), css(colour(k))) for k, name in enumerate(plane.names)]
    assert plane.span is not None
    low, high = plane.span
    return [(f"{number(low)} and less", css(colour(0))), (f"{number(high)} and more", css(colour(5)))]


def _card(plane: Boundary) -> dict[str, Any]:
    across = Axis(*plane.across.ends, LEFT, LEFT + SIDE)
    up = Axis(*plane.up.ends, TOP + SIDE, TOP)
    steps = ["best weights" if g.step < 0 else f"step {count(g.step)}" for g in plane.frames]
    moves = None
    if all(g.points is not None for g in plane.frames) and len(plane.points):
        moves = "|".join(_positions(g, across, up) for g in plane.frames)
    return {"plane": plane, "drawing": _drawing(plane, across, up), "steps": steps, "moves": moves}


def _drawing(plane: Boundary, across: Axis, up: Axis) -> Markup:
    wide = _wide(plane, up)
    width, height = wide + LEFT + SIDE + 8, TOP + SIDE + BOTTOM
    square = {"x": LEFT, "y": TOP, "width": SIDE, "height": SIDE}
    last = len(plane.frames) - 1
    images = [
        tag(
            "image",
            href=data_url(ground.image),
            **square,
            preserveAspectRatio="none",
            display="inline" if i == last else "none",
        )
        for i, ground in enumerate(plane.frames)
    ]
    parts = [
        tag("rect", css="background", **square, rx=3),
        *images,
        _ticks(plane, across, up),
        _dots(plane, across, up),
    ]
    words = f"predictions over {plane.across.name} and {plane.up.name}"
    return tag("svg", joined(parts), viewBox=f"{-wide} 0 {width} {height}", role="img", aria_label=words)


def _ticks(plane: Boundary, across: Axis, up: Axis) -> Markup:
    parts = []
    if not plane.learned:  # its directions have no unit
        below, beside = _marks(plane.across, across, 44), _marks(plane.up, up, 18)
        parts += [tag("text", name, css="mid", x=across(v), y=TOP + SIDE + 15) for v, name in below]
        parts += [tag("text", name, css="end", x=LEFT - 6, y=up(v) + 4) for v, name in beside]
    parts.append(tag("text", plane.across.name, css="mid name", x=LEFT + SIDE / 2, y=TOP + SIDE + 31))
    turned = f"translate({11 - _wide(plane, up)} {TOP + SIDE / 2}) rotate(-90)"
    parts.append(tag("text", plane.up.name, css="mid name", transform=turned))
    return joined(parts)


def _wide(plane: Boundary, up: Axis) -> int:
    """Room for long names to the left of the axis."""
    longest = 0 if plane.learned else max((len(name) for _, name in _marks(plane.up, up, 18)), default=0)
    return max(0, math.ceil(LETTER * longest) - 10)


def _marks(along: BoundaryAxis, axis: Axis, room: float) -> list[tuple[float, str]]:
    """Round values, days, or the names of classes in the middle of their bands, as many as there is room for."""
    if along.bands:
        step = math.ceil(room * len(along.bands) / SIDE)
        longest = max(3, int(room * step / LETTER)) if room > 20 else 12
        return [(i + 0.5, shorten(name, longest)) for i, name in enumerate(along.bands) if i % step == 0]
    if along.dates:
        low, high = along.ends
        return [(day, _day(day)) for day in np.linspace(low, high, 4 if room > 20 else 5)[1:-1].tolist()]
    return axis.ticks(5)


def _day(days: float) -> str:
    return str(np.datetime64(round(days), "D"))


def _dots(plane: Boundary, across: Axis, up: Axis) -> Markup:
    dots = []
    for (x, y), code in zip(plane.points.tolist(), plane.codes.tolist(), strict=False):
        if plane.across.ends[0] <= x <= plane.across.ends[1] and plane.up.ends[0] <= y <= plane.up.ends[1]:
            dots.append(tag("circle", cx=across(x), cy=up(y), r=3, fill=css(_tint(plane, code))))
    return tag("g", joined(dots), css="rows")


def _tint(plane: Boundary, code: int) -> Colour:
    if code < 0:
        return NO_COLOUR
    if plane.names:
        return colour(code)
    low, high = np.array(colour(0), float), np.array(colour(5), float)
    grey = np.array([200.0, 200.0, 200.0])
    part = code / 255
    mixed = low + (grey - low) * 2 * part if part < 0.5 else grey + (high - grey) * (2 * part - 1)
    red, green, blue = (round(float(v)) for v in mixed)
    return red, green, blue


def _positions(ground: BoundaryFrame, across: Axis, up: Axis) -> str:
    assert ground.points is not None
    return " ".join(f"{across(x):.0f},{up(y):.0f}" for x, y in ground.points.tolist())
