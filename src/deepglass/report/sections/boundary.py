"""The boundary: what is answered over a plane, rows over it, a slider over the run (`page/inside.js`)."""

from __future__ import annotations

import math

import numpy as np

from deepglass.formatting import count, number, plural
from deepglass.introspect.facts import Boundary
from deepglass.introspect.facts import BoundaryAxis, BoundaryFrame
from deepglass.report.charts.axes import Axis
from deepglass.report.facts import Facts
from deepglass.report.markup import Panel, colour_keys, label, shorten, source_of, text
from deepglass.report.sections.base import PanelSection
from deepglass.web.palette import Colour, colour, css

_SIDE = 300  # of the plane
_LEFT, _BOTTOM, _TOP = 46, 36, 8
_LETTER = 6.3  # width of a mark's letter
_NONE: Colour = (150, 150, 150)


def panel(facts: Facts) -> Panel | None:
    """A card a plane; None where no plane is known."""
    seen = facts.inside.boundaries if facts.inside is not None else ()
    if not seen:
        return None
    output = text(seen[0].output)
    points = ", the test rows as points in their true colours" if any(len(b.points) for b in seen) else ""
    pale = "less sure the network is there" if seen[0].names else "nearer the answer is to the middle"
    lead = f"What is answered for {output} where{points}; the paler a place, the {pale}."
    cards = "".join(map(_card, seen))
    return Panel("The boundary", lead, _keys(seen[0]) + f'<div class="grounds">{cards}</div>', short="Boundary")


def _keys(seen: Boundary) -> str:
    if seen.names:
        return colour_keys((label(name, 24), css(colour(k))) for k, name in enumerate(seen.names))
    assert seen.span is not None
    low, high = seen.span
    return colour_keys([(f"{number(low)} and less", css(colour(0))), (f"{number(high)} and more", css(colour(5)))])


def _card(seen: Boundary) -> str:
    across = Axis(*seen.across.ends, _LEFT, _LEFT + _SIDE)
    up = Axis(*seen.up.ends, _TOP + _SIDE, _TOP)
    wide = _wide(seen, up)
    width, height = wide + _LEFT + _SIDE + 8, _TOP + _SIDE + _BOTTOM
    last = len(seen.frames) - 1
    images = "".join(
        f'<image href="{source_of(g.picture)}" x="{_LEFT}" y="{_TOP}" width="{_SIDE}" height="{_SIDE}" '
        f'preserveAspectRatio="none" display="{"inline" if i == last else "none"}"/>'
        for i, g in enumerate(seen.frames)
    )
    title = "The learned space" if seen.learned else f"{label(seen.across.name, 26)} and {label(seen.up.name, 26)}"
    said = f"what is answered over {text(seen.across.name)} and {text(seen.up.name)}"
    svg = (
        f'<svg viewBox="{-wide} 0 {width} {height}" role="img" aria-label="{said}">'
        f'<rect class="ground" x="{_LEFT}" y="{_TOP}" width="{_SIDE}" height="{_SIDE}" rx="3"/>{images}'
        f"{_ticks(seen, across, up)}{_dots(seen, across, up)}</svg>"
    )
    told = f'<p class="dim">{text(seen.description)}</p>' if seen.description else ""
    return f"<figure data-ground><h3>{title}</h3>{svg}{_slider(seen, across, up)}{told}</figure>"


def _ticks(seen: Boundary, across: Axis, up: Axis) -> str:
    marks = ""
    if not seen.learned:  # its directions have no unit
        marks = "".join(
            f'<text class="mid" x="{across(v)}" y="{_TOP + _SIDE + 15}">{text(said)}</text>'
            for v, said in _marks(seen.across, across, 44)
        )
        marks += "".join(
            f'<text class="end" x="{_LEFT - 6}" y="{up(v) + 4}">{text(said)}</text>'
            for v, said in _marks(seen.up, up, 18)
        )
    middle = _TOP + _SIDE / 2
    names = f'<text class="mid name" x="{_LEFT + _SIDE / 2}" y="{_TOP + _SIDE + 31}">{text(seen.across.name)}</text>'
    turned = f"translate({11 - _wide(seen, up)} {middle}) rotate(-90)"
    names += f'<text class="mid name" transform="{turned}">{text(seen.up.name)}</text>'
    return marks + names


def _wide(seen: Boundary, up: Axis) -> int:
    """What long names beside the axis take to its left."""
    longest = 0 if seen.learned else max((len(said) for _, said in _marks(seen.up, up, 18)), default=0)
    return max(0, math.ceil(_LETTER * longest) - 10)


def _marks(along: BoundaryAxis, axis: Axis, room: float) -> list[tuple[float, str]]:
    """Round values, days, or the names of classes in the middle of their bands, as many as there is room for."""
    if along.bands:
        step = math.ceil(room * len(along.bands) / _SIDE)
        longest = max(3, int(room * step / _LETTER)) if room > 20 else 12
        return [(i + 0.5, shorten(name, longest)) for i, name in enumerate(along.bands) if i % step == 0]
    if along.dates:
        low, high = along.ends
        return [(day, _day(day)) for day in np.linspace(low, high, 4 if room > 20 else 5)[1:-1].tolist()]
    return axis.ticks(5)


def _day(days: float) -> str:
    return str(np.datetime64(round(days), "D"))


def _dots(seen: Boundary, across: Axis, up: Axis) -> str:
    dots = []
    for (x, y), code in zip(seen.points.tolist(), seen.codes.tolist(), strict=False):
        if not (seen.across.ends[0] <= x <= seen.across.ends[1] and seen.up.ends[0] <= y <= seen.up.ends[1]):
            continue
        dots.append(f'<circle cx="{across(x)}" cy="{up(y)}" r="3" fill="{css(_tint(seen, code))}"/>')
    return f'<g class="rows">{"".join(dots)}</g>'


def _tint(seen: Boundary, code: int) -> Colour:
    if code < 0:
        return _NONE
    if seen.names:
        return colour(code)
    low, high = np.array(colour(0), float), np.array(colour(5), float)
    grey = np.array([200.0, 200.0, 200.0])
    part = code / 255
    mixed = low + (grey - low) * 2 * part if part < 0.5 else grey + (high - grey) * (2 * part - 1)
    red, green, blue = (round(float(v)) for v in mixed)
    return red, green, blue


def _slider(seen: Boundary, across: Axis, up: Axis) -> str:
    if len(seen.frames) < 2:
        return ""
    last = len(seen.frames) - 1
    steps = "|".join("kept" if g.step < 0 else f"step {count(g.step)}" for g in seen.frames)
    moved = ""
    if all(g.points is not None for g in seen.frames) and len(seen.points):
        moved = f' data-moves="{"|".join(_places(g, across, up) for g in seen.frames)}"'
    said = "kept weights" if seen.frames[-1].step < 0 else f"step {count(seen.frames[-1].step)}"
    return (
        f'<label class="groundbar scripted" hidden>Training <input type="range" min="0" max="{last}" value="{last}" '
        f'data-steps="{steps}"{moved} aria-valuetext="{said}"><output>{said}</output></label>'
        f'<p class="hidden">{plural(len(seen.frames), "moment")} of the run</p>'
    )


def _places(ground: BoundaryFrame, across: Axis, up: Axis) -> str:
    assert ground.points is not None
    return " ".join(f"{across(x):.0f},{up(y):.0f}" for x, y in ground.points.tolist())


class BoundarySection(PanelSection):
    """See `panel`."""

    title, nav, position = "Decision boundary", "Boundary", 310
    assets = ("inside",)
    panel = staticmethod(panel)
