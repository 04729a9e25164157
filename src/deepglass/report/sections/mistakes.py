"""The most confident mistakes, as pictures or rows."""

from __future__ import annotations

from collections.abc import Sequence

from deepglass.formatting import confidence, count, finite, number
from deepglass.report.facts import Facts
from deepglass.report.markup import Panel, details, each_output, image, label, text
from deepglass.report.output_facts import Mistake, OutputFacts
from deepglass.report.sections.base import PanelSection

_FIRST = 12
_MOST = 120
_PICTURE_BYTES = 4_000_000  # of all pictures together: base64 makes a third more, and a report is at most 10 MB
_VALUES_SHOWN = 6


def panel(facts: Facts) -> Panel | None:
    """The stored mistakes of each output; None where no output has any.

    What the cells of a confusion matrix show beside them is kept with `items`.
    """
    shown = [(i, o) for i, o in enumerate(facts.outputs) if o.mistakes]
    if not shown:
        return None
    left = _PICTURE_BYTES
    parts = []
    for i, output in shown:
        part, left = _output(i, output, left)
        parts.append((output.name, part))
    numeric = all(o.numbers is not None for _, o in shown)
    title = "Farthest off" if numeric else "Most confident mistakes"
    lead = "Look here for wrong labels, odd rows, and what the network has not understood."
    return Panel(title, lead, each_output(parts, named=len(facts.outputs) > 1), short="Mistakes")


def _output(place: int, output: OutputFacts, left: int) -> tuple[str, int]:
    names = places_of(output)
    cards = []
    for mistake in output.mistakes[:_MOST]:
        size = len(mistake.picture or b"")
        picture = mistake.picture if size <= left else None
        left -= size if picture else 0
        cards.append(card(place, mistake, picture, names))
    css = grid(output.mistakes)
    html = f'<div class="{css}">{"".join(cards[:_FIRST])}</div>'
    if len(cards) > _FIRST:
        rest = f'<div class="{css}">{"".join(cards[_FIRST:])}</div>'
        html += details(f"{count(len(cards) - _FIRST)} more", rest, css="screen")
    return html, left


def places_of(output: OutputFacts) -> dict[str, int]:
    """The classes of an output and their places."""
    return {name: i for i, name in enumerate(output.classes.names)} if output.classes else {}


def grid(mistakes: Sequence[Mistake]) -> str:
    """How their cards are laid out, a css class."""
    return "mistakes pictures" if any(m.picture for m in mistakes) else "mistakes"


def card(place: int, mistake: Mistake, picture: bytes | None, names: dict[str, int]) -> str:
    """One row with its answer, as html.

    Args:
        place: of its output.
        names: the classes and their places, for the cells of the confusion matrix.
    """
    true, said = names.get(str(mistake.truth), -1), names.get(str(mistake.predicted), -1)
    shown = image(picture, f"row {count(mistake.row)}") if picture else ""
    sure = f" <span>({confidence(mistake.confidence)})</span>" if finite(mistake.confidence) else ""
    answer = f'<p class="answer">{_answer(mistake.predicted)}{sure}</p>'
    truth = f'<p class="truth">true <b>{_answer(mistake.truth)}</b></p>' if mistake.truth != "" else ""
    row = f'<p class="dim">row {count(mistake.row)}</p>'
    values = _values(mistake)
    return (
        f'<article class="mistake" data-output="{place}" data-true="{true}" data-said="{said}">'
        f"{shown}<div>{answer}{truth}{row}</div>{values}</article>"
    )


def _answer(value: str | float) -> str:
    return label(value, 30) if isinstance(value, str) else number(float(value), 4)


def _values(mistake: Mistake) -> str:
    if not mistake.values:
        return ""
    items = [
        f"<div><dt>{label(name, 24)}</dt><dd>{label(value, 60)}</dd></div>" for name, value in mistake.values.items()
    ]
    more = len(items) - _VALUES_SHOWN
    rest = (
        details(text(f"{count(more)} more"), f'<dl class="values">{"".join(items[_VALUES_SHOWN:80])}</dl>')
        if more > 0
        else ""
    )
    return f'<dl class="values">{"".join(items[:_VALUES_SHOWN])}</dl>{rest}'


class MistakesSection(PanelSection):
    """See `panel`."""

    title, nav, position = "Mistakes", "Mistakes", 220
    panel = staticmethod(panel)
