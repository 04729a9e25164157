"""The learned space seen from two sides, coloured by what the network was never told."""

from __future__ import annotations

from deepglass.understand.report.charts.axes import TOP, axis, drawing
from deepglass.understand.report.drawn_facts import LatentMap
from deepglass.understand.report.facts import Facts
from deepglass.understand.report.markup import Panel, colour_keys, label, text
from deepglass.understand.report.numerals import percent, plural
from deepglass.understand.report.palette import colour, css

_WIDTH, _HEIGHT = 720, 440
_NAMES = 24  # in the legend
_NONE = "#969696"


def panel(facts: Facts) -> Panel | None:
    """A point a test row; None for runs that learn no space."""
    seen = facts.latent
    if seen is None:
        return None
    where = (
        "the two axes of the code" if seen.dim <= 2 else f"the two directions of {seen.dim} in which they differ most"
    )
    kept = "" if seen.dim <= 2 else f", which hold {percent(seen.kept, 0)} of their variance"
    lead = (
        f"{plural(len(seen.points), 'test row')} along {where}{kept}; rows that lie together look alike to the network."
    )
    used = [k for k in range(len(seen.names)) if (seen.codes == k).any()][:_NAMES]
    keys = colour_keys((label(seen.names[k], 24), css(colour(k))) for k in used)
    return Panel("The learned space", lead, keys + _points(seen), short="Space")


def _points(seen: LatentMap) -> str:
    across = axis(seen.points[:, 0], 8, _WIDTH - 8)
    up = axis(seen.points[:, 1], _HEIGHT - 8, TOP)
    dots = "".join(
        f'<circle fill="{css(colour(int(k))) if k >= 0 else _NONE}" cx="{across(x)}" cy="{up(y)}" r="3">'
        f"<title>{text(seen.names[k]) if k >= 0 else 'not known'}</title></circle>"
        for (x, y), k in zip(seen.points.tolist(), seen.codes.tolist(), strict=True)
    )
    return drawing(f'<g class="space">{dots}</g>', _WIDTH, _HEIGHT, summary="rows in the learned space")
