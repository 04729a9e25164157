"""What a generating run drew as it learned: a strip of sheets, all from the same random numbers."""

from __future__ import annotations

from collections.abc import Sequence

from deepglass.formatting import count, number, plural
from deepglass.report.charts.axes import TOP, Axis, axis, drawing
from deepglass.report.facts import Facts
from deepglass.report.markup import Panel, image, text
from deepglass.report.sample_facts import Samples, Sheet
from deepglass.report.sections.base import PanelSection

_SIDE = 200


def panel(facts: Facts) -> Panel | None:
    """The sheets in order, the last of them first in size; None where nothing was drawn."""
    drawn = facts.samples
    if drawn is None or not drawn.sheets:
        return None
    shown = "".join(_sheet(drawn, sheet) for sheet in drawn.sheets)
    lead = (
        f"{plural(drawn.rows, 'new row')} ({text(drawn.name)}) at {plural(len(drawn.sheets), 'point')} of the run, "
        "always from the same random numbers."
    )
    return Panel("What it draws", lead, f'<div class="sheets">{shown}</div>', short="Draws")


def _sheet(drawn: Samples, sheet: Sheet) -> str:
    name = f"step {count(sheet.step)}"
    shown = image(sheet.picture, f"new rows at {name}") if sheet.picture is not None else _plane(drawn, sheet, name)
    return f"<figure>{shown}<figcaption>{name}</figcaption></figure>"


def _plane(drawn: Samples, sheet: Sheet, name: str) -> str:
    """Points among real ones, on axes that fit the real ones."""
    known = drawn.real or sheet.points
    across = axis([x for x, _ in known], 6, _SIDE - 6, room=0.15)
    up = axis([y for _, y in known], _SIDE - 6, TOP, room=0.15)
    body = _dots(drawn.real, across, up, "real") + _dots(sheet.points, across, up, "new")
    return drawing(body, _SIDE, _SIDE, summary=f"new rows among real ones at {name}", css="plane")


def _dots(points: Sequence[tuple[float, float]], across: Axis, up: Axis, css: str) -> str:
    dots = "".join(
        f'<circle class="{css}" cx="{across(x)}" cy="{up(y)}" r="2.2"><title>{number(x)}, {number(y)}</title></circle>'
        for x, y in points
        if across.low <= x <= across.high and up.low <= y <= up.high
    )
    return f"<g>{dots}</g>"


class SamplesSection(PanelSection):
    """See `panel`."""

    title, nav, position = "Generated samples", "Samples", 180
    panel = staticmethod(panel)
