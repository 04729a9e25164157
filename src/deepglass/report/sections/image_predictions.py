"""Masks and boxes over their pictures: a wipe between truth and answer, and a slider for confidence.

Without the page's script masks stand side by side and boxes are shown from one confidence on.
"""

from __future__ import annotations

from deepglass.formatting import confidence, count, finite
from deepglass.metrics.table import metric_text, metric_title
from deepglass.report.facts import Facts
from deepglass.report.image_facts import Box, Overlay
from deepglass.report.markup import Panel, colour_keys, each_output, folded, label, shorten, source_of, text
from deepglass.report.output_facts import OutputFacts
from deepglass.report.sections.base import PanelSection
from deepglass.web.palette import css

_BYTES = 3_000_000  # of all pictures together: base64 makes a third more, and a report is at most 10 MB
_FIRST = (6, 3)  # of the worst and of the typical ones; the others open on a click
_NAMED = 10  # boxes a picture, true ones and answers each, whose names are all written
_KEYS = (("right", "right"), ("alarm", "false alarm"), ("missed", "missed"), ("found", "true, found"))


def panel(facts: Facts) -> Panel | None:
    """The pictures of each output that is aligned with them; None where there is none."""
    shown = [(i, o) for i, o in enumerate(facts.outputs) if o.overlays]
    if not shown:
        return None
    left = _BYTES
    parts = []
    masks = False
    for place, output in shown:
        kept = []
        for overlay in output.overlays:
            left -= sum(map(len, (overlay.picture, overlay.truth.mask or b"", overlay.answer.mask or b"")))
            if left > 0:
                kept.append(overlay)
        of_masks = any(o.truth.mask is not None or o.answer.mask is not None for o in kept)
        masks |= of_masks
        parts.append((output.name, _masks(place, output, kept) if of_masks else _boxes(place, output, kept)))
    lead = "The worst answers first, then some typical ones."
    if masks:
        how = "Drag across a picture, or use the arrow keys, to wipe between truth and answer."
    else:
        how = "Move the slider to see what a demand for more confidence finds and costs."
    lead += f' <span class="scripted" hidden>{how}</span>'
    return Panel("Over the pictures", lead, each_output(parts, named=len(facts.outputs) > 1), short="Pictures")


# -- masks -------------------------------------------------------------------------------------------------------


def _masks(place: int, output: OutputFacts, overlays: list[Overlay]) -> str:
    cards = [_wipe(f"o{place}-{i}", o) for i, o in enumerate(overlays)]
    wrong = any(o.wrong is not None for o in overlays)
    only = '<label><input type="checkbox" data-wrong> mark what is wrong</label>' if wrong else ""
    strength = '<label>colours <input type="range" data-strength min="0" max="100" value="60"></label>'
    keys = colour_keys((label(k.name, 30), css(k.colour)) for k in output.legend)
    return (
        f'<div class="overlays" data-masks>{keys}<div class="controls scripted" hidden>{strength}{only}</div>'
        f"{_folded(cards, overlays)}</div>"
    )


def _folded(cards: list[str], overlays: list[Overlay]) -> str:
    worst = [c for c, o in zip(cards, overlays, strict=True) if not o.typical]
    typical = [c for c, o in zip(cards, overlays, strict=True) if o.typical]
    return folded(worst, typical, first=_FIRST, css="overs")


def _wipe(name: str, overlay: Overlay) -> str:
    Y, X = overlay.size
    row = f"row {count(overlay.row)}"
    picture = f'<image id="{name}" href="{source_of(overlay.picture)}" width="{X}" height="{Y}"/>'
    again = f'<use href="#{name}"/>'
    wrong = _layer(overlay.wrong, overlay, "wronglayer") if overlay.wrong else ""
    truth = _drawing(overlay, picture + _layer(overlay.truth.mask, overlay), f"{row}, what is true")
    answer = _drawing(overlay, again + _layer(overlay.answer.mask, overlay) + wrong, f"{row}, the answer")
    slider = (
        '<input class="scripted" hidden type="range" min="0" max="100" value="50" '
        f'aria-label="{row}: truth to the left, answer to the right">'
    )
    return (
        f'<article class="over"><div class="panes"><figure class="pane">{truth}<figcaption>true</figcaption></figure>'
        f'<figure class="pane said">{answer}<figcaption>answer</figcaption></figure>{slider}</div>{_words(overlay)}'
        "</article>"
    )


def _layer(mask: bytes | None, overlay: Overlay, css_class: str = "masklayer") -> str:
    if mask is None:
        return ""
    Y, X = overlay.size
    return f'<image class="{css_class}" href="{source_of(mask)}" width="{X}" height="{Y}" preserveAspectRatio="none"/>'


def _drawing(overlay: Overlay, body: str, said: str) -> str:
    Y, X = overlay.size
    return f'<svg viewBox="0 0 {X} {Y}" role="img" aria-label="{said}">{body}</svg>'


def _words(overlay: Overlay) -> str:
    score = ""
    if finite(overlay.score):
        name = text(metric_title(overlay.score_name or "score"))
        score = f"<b>{name} {metric_text(overlay.score_name, overlay.score)}</b> "
    kind = '<span class="tag">typical</span> ' if overlay.typical else ""
    said = f"<p>{label(overlay.caption, 120)}</p>" if overlay.caption else ""
    return f'<div class="words"><p>{score}{kind}<span class="dim">row {count(overlay.row)}</span></p>{said}</div>'


# -- boxes -------------------------------------------------------------------------------------------------------


def _boxes(place: int, output: OutputFacts, overlays: list[Overlay]) -> str:
    at = round(output.show_from, 2)
    keys = "".join(f'<span class="key box {css_class}"><i></i>{name}</span>' for css_class, name in _KEYS)
    slider = (
        "<label>Confidence from <output data-at>" + confidence(at) + "</output>"
        f'<input type="range" min="0" max="1" step="0.01" value="{at}" aria-valuetext="{confidence(at)}"></label>'
    )
    truths = [b for o in overlays for b in o.truth.boxes]
    found = sum(_seen(b, at) for b in truths)
    alarms = sum(_seen(b, at) and not b.correct for o in overlays for b in o.answer.boxes)
    counts = (
        f'<p aria-live="polite">In these pictures <b data-found>{count(found)}</b> of {count(len(truths))} true ones '
        f"are found, with <b data-alarms>{count(alarms)}</b> false alarms.</p>"
    )
    cards = [_card(o, at) for o in overlays]
    return (
        f'<div class="overlays" data-boxes><div class="controls"><div class="scripted" hidden>{slider}</div>{counts}'
        f'<p class="keys">{keys}</p></div>{_folded(cards, overlays)}</div>'
    )


def _card(overlay: Overlay, at: float) -> str:
    Y, X = overlay.size
    crowded = len(overlay.truth.boxes) + len(overlay.answer.boxes) > 2 * _NAMED
    many = len(overlay.truth.boxes) > 2 * _NAMED
    picture = f'<image href="{source_of(overlay.picture)}" width="{X}" height="{Y}"/>'
    size = max(X, Y) / 26
    truths = "".join(_truth(b, overlay, at, size, many) for b in overlay.truth.boxes)
    answers = "".join(_answer(b, overlay, at, size, crowded) for b in overlay.answer.boxes)
    said = f"row {count(overlay.row)}: {count(len(overlay.truth.boxes))} true boxes"
    return f'<article class="over">{_drawing(overlay, picture + truths + answers, said)}{_words(overlay)}</article>'


def _seen(box: Box, at: float) -> bool:
    return finite(box.confidence) and box.confidence >= at


def _truth(box: Box, overlay: Overlay, at: float, size: float, crowded: bool) -> str:
    sure = f"{box.confidence:.3f}" if finite(box.confidence) else ""
    state = "found" if _seen(box, at) else "missed"
    said = f"true: {shorten(box.name)}"
    name = "" if crowded else _name(shorten(box.name, 16), box, overlay, size, below=True)
    return f'<g class="box {state}" data-true="{sure}"><title>{text(said)}</title>{_rect(box, overlay)}{name}</g>'


def _answer(box: Box, overlay: Overlay, at: float, size: float, crowded: bool) -> str:
    sure = box.confidence if finite(box.confidence) else 1.0
    state = "right" if box.correct else "alarm"
    gone = "" if sure >= at else " away"
    said = f"{shorten(box.name)} {confidence(sure)}" + ("" if box.correct else ", false alarm")
    name = "" if crowded else _name(f"{shorten(box.name, 16)} {confidence(sure)}", box, overlay, size)
    return (
        f'<g class="box {state}{gone}" data-sure="{sure:.3f}"><title>{text(said)}</title>'
        f"{_rect(box, overlay)}{name}</g>"
    )


def _rect(box: Box, overlay: Overlay) -> str:
    Y, X = overlay.size
    x, y = box.left * X, box.top * Y
    width, height = max((box.right - box.left) * X, 1), max((box.bottom - box.top) * Y, 1)
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"/>'


def _name(words: str, box: Box, overlay: Overlay, size: float, *, below: bool = False) -> str:
    """A name at the upper edge, or at the lower one; inside the picture."""
    Y, X = overlay.size
    y = min(box.bottom * Y + size, Y - 2) if below else max(box.top * Y - size / 4, size)
    x = min(max(box.left * X, 1), max(X - len(words) * size * 0.55, 1))
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size:.1f}">{text(words)}</text>'


class ImagePredictionsSection(PanelSection):
    """See `panel`."""

    title, nav, position = "Predictions on images", "Images", 160
    panel = staticmethod(panel)
