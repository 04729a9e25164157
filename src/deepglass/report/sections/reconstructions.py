"""Inputs that were drawn again: what went in above what came out."""

from __future__ import annotations

from deepglass.formatting import plural
from deepglass.report.facts import Facts
from deepglass.report.markup import Panel, image, text
from deepglass.report.sections.base import PanelSection


def panel(facts: Facts) -> Panel | None:
    """Two rows of tiles; None for runs that draw nothing again."""
    again = facts.again
    if again is None:
        return None
    lead = (
        f"{plural(again.rows, 'test row')} ({text(again.name)}) above what the network draws of them: what is "
        "blurred or gone was not kept."
    )
    return Panel("Drawn again", lead, f'<div class="again">{image(again.picture, "inputs above drawings")}</div>')


class ReconstructionsSection(PanelSection):
    """See `panel`."""

    title, nav, position = "Reconstructions", "Reconstructions", 190
    panel = staticmethod(panel)
