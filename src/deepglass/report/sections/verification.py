"""Same or different: how alike the pairs were found, and the hardest of them."""

from __future__ import annotations

from markupsafe import Markup

from deepglass.formatting import count, number, percent
from deepglass.report.charts.axes import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Axis, figure, frame
from deepglass.report.charts.svg import titled
from deepglass.report.facts import Facts
from deepglass.report.image_facts import Pair, Verification
from deepglass.report.markup import Panel, each_output, image
from deepglass.report.sections.base import PanelSection


def panel(facts: Facts) -> Panel | None:
    """A histogram and pairs an output; None where no output tells same from different."""
    shown = [(o.name, o.verification) for o in facts.outputs if o.verification is not None]
    if not shown:
        return None
    parts = [(name, f"{_chart(v)}{_pairs(v)}") for name, v in shown]
    lead = "Two pictures are called the same where they are more alike than the threshold."
    return Panel("Same or different", lead, each_output(parts, named=len(facts.outputs) > 1), short="Same?")


def _chart(found: Verification) -> str:
    same, different = _shares(found.same), _shares(found.different)
    most = max([*same, *different, 1e-9])
    low, high = (found.low, found.high) if found.high > found.low else (found.low - 0.5, found.low + 0.5)
    x = Axis(low, high, LEFT, WIDTH - RIGHT)
    y = Axis(0.0, most * 1.06, HEIGHT - BOTTOM, TOP + 6, share=True)
    body = _steps(x, y, different, "c4") + _steps(x, y, same, "c1")
    if low <= found.threshold <= high:
        body += f'<path class="upright" d="M{x(found.threshold)} {y.start}V{y.end}"/>'
    summary = f"Similarity of the same and of different pairs; the threshold is {number(found.threshold)}"
    legend = [("c1", "the same"), ("c4", "different"), ("mark", f"threshold {number(found.threshold)}")]
    note = (
        f"At this threshold {percent(found.missed)} of the same pairs are missed and {percent(found.alarms)} of the "
        "different ones are taken for the same."
    )
    svg = frame(x, y, Markup(body), summary=summary, x_name="similarity", css="alike")
    return figure(titled("How alike pairs are", "share of each kind"), svg, legend, note=note)


def _shares(counts: tuple[int, ...]) -> list[float]:
    total = max(sum(counts), 1)
    return [c / total for c in counts]


def _steps(x: Axis, y: Axis, shares: list[float], css: str) -> str:
    width = (x.high - x.low) / max(len(shares), 1)
    path = f"M{x(x.low)} {y.start}"
    for i, share in enumerate(shares):
        path += f"V{y(share)}H{x(x.low + (i + 1) * width)}"
    return f'<path class="steps {css}" d="{path}V{y.start}Z"/>'


def _pairs(found: Verification) -> str:
    missed = [p for p in found.hardest if p.same]
    alarms = [p for p in found.hardest if not p.same]
    html = ""
    for title, pairs in (("The same, found least alike", missed), ("Different, found most alike", alarms)):
        if pairs:
            html += f'<h3>{title}</h3><div class="pairs">{"".join(_pair(p, found.threshold) for p in pairs)}</div>'
    return html


def _pair(pair: Pair, threshold: float) -> str:
    wrong = (pair.similarity >= threshold) != pair.same
    words = f"rows {count(pair.rows[0])} and {count(pair.rows[1])}"
    tag = ' <span class="tag warn">wrong</span>' if wrong else ""
    return (
        f'<article class="pairof">{image(pair.first, f"row {count(pair.rows[0])}")}'
        f"{image(pair.second, f'row {count(pair.rows[1])}')}"
        f'<p><b>{number(pair.similarity)}</b>{tag} <span class="dim">{words}</span></p></article>'
    )


class VerificationSection(PanelSection):
    """See `panel`."""

    title, nav, position = "Verification", "Verification", 150
    panel = staticmethod(panel)
