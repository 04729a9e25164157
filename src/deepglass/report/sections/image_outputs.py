"""Outputs that are pictures: what was given, what should come of it, what came of it."""

from __future__ import annotations

from deepglass.formatting import count, finite
from deepglass.metrics.table import metric_text, metric_title
from deepglass.report.facts import Facts
from deepglass.report.image_facts import Redrawn
from deepglass.report.markup import Panel, each_output, folded, image, text
from deepglass.report.output_facts import OutputFacts
from deepglass.report.sections.base import PanelSection

_BYTES = 2_000_000
_FIRST = (4, 2)  # of the worst and of the typical ones


def panel(facts: Facts) -> Panel | None:
    """Three pictures a row; None where no output is a picture."""
    shown = [o for o in facts.outputs if o.redrawn]
    if not shown:
        return None
    parts = [(o.name, _output(o)) for o in shown]
    html = each_output(parts, named=len(facts.outputs) > 1)
    return Panel(
        "Picture to picture",
        "What was given, what should come of it, and what came: the worst first, then some typical ones.",
        html,
    )


def _output(output: OutputFacts) -> str:
    left = _BYTES
    worst: list[str] = []
    typical: list[str] = []
    for one in output.redrawn:
        left -= len(one.given or b"") + len(one.truth) + len(one.answer)
        if left > 0:
            (typical if one.typical else worst).append(_card(one))
    return folded(worst, typical, first=_FIRST, css="redrawn")


def _card(one: Redrawn) -> str:
    shown = [("given", one.given), ("answer", one.answer), ("true", one.truth)]
    figures = "".join(
        f"<figure>{image(picture, f'row {count(one.row)}, {name}')}<figcaption>{name}</figcaption></figure>"
        for name, picture in shown
        if picture is not None
    )
    score = ""
    if finite(one.score):
        score = f"<b>{text(metric_title(one.score_name))} {metric_text(one.score_name, one.score)}</b> "
    kind = '<span class="tag">typical</span> ' if one.typical else ""
    words = f'<p>{score}{kind}<span class="dim">row {count(one.row)}</span></p>'
    return f'<article class="triple"><div>{figures}</div>{words}</article>'


class ImageOutputsSection(PanelSection):
    """See `panel`."""

    title, nav, position = "Image outputs", "Image outputs", 170
    panel = staticmethod(panel)
