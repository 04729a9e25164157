"""Why these answers: what each column, word, place or moment adds, and whether that is true."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence

from deepglass.formatting import confidence, count, finite, number, percent, short
from deepglass.report.explanation_facts import NOTHING, Added, Asked, Near, Why
from deepglass.report.facts import Facts
from deepglass.report.markup import Panel, details, each_output, image, label, shorten, text
from deepglass.report.output_facts import OutputFacts
from deepglass.report.sections.base import PanelSection

_BARS = 7  # parts a question
_REGIONS = 4  # of a sound that are named
_WORDS = 120
_MOMENTS = 160
_BYTES = 2_500_000  # of all pictures and sounds: base64 makes a third more, and a report is at most 10 MB


def panel(facts: Facts) -> Panel | None:
    """Some rows of each output with their reasons; None where none was explained."""
    shown = [o for o in facts.outputs if o.whys]
    if not shown:
        return None
    parts = [(o.name, _output(o, _BYTES // len(shown))) for o in shown]
    lead = (
        'What adds to an answer is <span class="pro">warm</span>, what speaks against it '
        '<span class="con">blue</span>; the more, the stronger.'
    )
    html = f'<div class="why">{each_output(parts, named=len(facts.outputs) > 1)}</div>'
    return Panel("Why these answers", lead, html, short="Why")


def _output(output: OutputFacts, left: int) -> str:
    cards: list[str] = []
    for why in output.whys:
        left -= _size(why)
        if left > 0 or not cards:
            cards.append(_card(why))
    return f'<div class="whys">{"".join(cards)}</div>{_tested(output.whys)}'


def _size(why: Why) -> int:
    pictures = [why.picture, why.wave, why.remains, *(n.picture for n in why.near)]
    return sum(len(p or b"") for p in [*pictures, *(p for a in why.asked for p in (a.picture, a.active))])


def _card(why: Why) -> str:
    sure = f" <span>({confidence(why.confidence)})</span>" if finite(why.confidence) else ""
    said = text(shorten(why.answer, 60)) or "(nothing)"
    truth = f'<p class="truth">true <b>{label(why.truth, 60)}</b></p>' if why.truth else ""
    head = f'<p class="answer">{said}{sure}</p>{truth}<p class="dim">row {count(why.row)}</p>'
    several, found = len(why.asked) > 1, why.answer != NOTHING
    asked = "".join(_asked(a, why, named=several or not found, given=not several) for a in why.asked)
    turn = f'<p class="turn">{text(why.turn)}</p>' if why.turn else ""
    return f'<article class="reason">{head}{asked}{_sounds(why)}{turn}{_near(why.near)}{_sum(why)}</article>'


def _asked(asked: Asked, why: Why, *, named: bool, given: bool) -> str:
    name = f'<p class="asked">{label(asked.name, 40)}</p>' if named else ""
    pictures = _pictures(asked, why, first=given)
    draw = {"bars": _bars, "words": _words, "times": _moments}[asked.layout]
    parts = asked.parts
    if pictures and why.wave is not None:  # the spectrogram shows all regions, and words name the strongest
        parts = tuple(sorted(parts, key=lambda p: -abs(p.weight))[:_REGIONS])
    alone = pictures and len(parts) <= 1
    return f'<div class="question">{name}{pictures}{"" if alone else draw(parts)}</div>'


def _pictures(asked: Asked, why: Why, *, first: bool) -> str:
    if asked.picture is None:
        return ""
    if why.wave is not None:
        return f'<p class="wide">{image(asked.picture, "spectrogram with what adds to the answer")}</p>'
    shown = [(why.picture if first else None, "given"), (asked.picture, "what adds"), (asked.active, "where it looks")]
    figures = "".join(
        f"<figure>{image(p, f'row {count(why.row)}, {n}')}<figcaption>{n}</figcaption></figure>" for p, n in shown if p
    )
    return f'<div class="seen">{figures}</div>'


def _bars(parts: Sequence[Added]) -> str:
    """The parts that weigh most, as bars to both sides."""
    order = sorted(parts, key=lambda p: -abs(p.weight))
    top, rest = order[:_BARS], order[_BARS:]
    if len(rest) > 0:
        top = [*top, Added(f"{count(len(rest))} more", sum(p.weight for p in rest))]
    most = max((abs(p.weight) for p in top), default=0.0) or 1.0
    rows = []
    for part in top:
        value = f" <b>{label(part.value, 24)}</b>" if part.value else ""
        side = "pro" if part.weight >= 0 else "con"
        bar = f'<i class="{side}" style="--w:{abs(part.weight) / most:.3f}"></i>'
        signed = ("+" if part.weight >= 0 else "−") + short(abs(part.weight))
        rows.append(f"<div><dt>{label(part.name, 34)}{value}</dt><dd>{bar}<small>{signed}</small></dd></div>")
    return f'<dl class="adds">{"".join(rows)}</dl>'


def _words(parts: Sequence[Added]) -> str:
    """The words in their order."""
    most = max((abs(p.weight) for p in parts), default=0.0) or 1.0
    shown = "".join(
        f'<span class="{"pro" if p.weight >= 0 else "con"}" style="--w:{abs(p.weight) / most:.2f}" '
        f'title="{number(p.weight)}">{text(shorten(p.name, 30))}</span> '
        for p in parts[:_WORDS]
    )
    more = f' <span class="dim">… {count(len(parts) - _WORDS)} more</span>' if len(parts) > _WORDS else ""
    return f'<p class="said">{shown}{more}</p>'


def _moments(parts: Sequence[Added]) -> str:
    """Moments one after another, what adds upwards and what speaks against it downwards."""
    step = -(-len(parts) // _MOMENTS)
    weights = [sum(p.weight for p in parts[i : i + step]) for i in range(0, len(parts), step)]
    most = max(map(abs, weights), default=0.0) or 1.0
    wide = 320 / max(len(weights), 1)
    bars = "".join(
        f'<rect class="{"pro" if w >= 0 else "con"}" x="{i * wide:.1f}" width="{max(wide - 0.6, 0.4):.1f}" '
        f'y="{40 - 38 * max(w, 0) / most:.1f}" height="{38 * abs(w) / most:.1f}"></rect>'
        for i, w in enumerate(weights)
    )
    strongest = max(parts, key=lambda p: abs(p.weight), default=Added("", 0.0))
    said = f"moments in their order; the strongest is {text(strongest.name)}"
    chart = f'<svg class="moments" viewBox="0 0 320 80" role="img" aria-label="{said}">{bars}</svg>'
    return f'{chart}<p class="dim">{said}</p>'


def _sounds(why: Why) -> str:
    if why.wave is None or why.remains is None:
        return ""
    pairs = ((why.wave, "the sound"), (why.remains, "what remains of it when only the telling regions are heard"))
    return "".join(
        f'<p class="dim">{name}</p><audio controls preload="none" aria-label="row {count(why.row)}, {name}" '
        f'src="data:audio/wav;base64,{b64encode(wave).decode()}"></audio>'
        for wave, name in pairs
    )


def _near(near: Sequence[Near]) -> str:
    if not near:
        return ""
    said = "".join(
        "<figure>"
        + (image(n.picture, f"training row {count(n.row)}") if n.picture else "")
        + f"<figcaption>{_named(n)}</figcaption></figure>"
        for n in near
    )
    pictured = " pictured" if any(n.picture for n in near) else ""
    return f'<p class="dim">most alike in training</p><div class="near{pictured}">{said}</div>'


def _named(near: Near) -> str:
    row = f'<span class="dim">row\N{NO-BREAK SPACE}{count(near.row)}</span>'
    return f"<b>{label(near.label, 24)}</b> {row}" if near.label else row


def _sum(why: Why) -> str:
    """Where the figure comes from, and how it was taken apart."""
    base = "" if not finite(why.base) else f", {short(why.base, 4)} to begin with"
    return details(f"{label(why.unit, 30)} {short(why.score, 4)}{base}", f'<p class="dim">{text(why.method)}</p>')


def _tested(whys: Sequence[Why]) -> str:
    """What the tests of truth gave, on the mean of the rows."""
    mean = lambda name: _mean([w.checks[name] for w in whys if name in w.checks])  # noqa: E731
    said = []
    if finite(gap := mean("completeness_gap")):
        said.append(f"The parts add up to the answer but for {percent(gap)} of what they explain.")
    if finite(shuffled := mean("weight_randomization")):
        said.append(
            f"With shuffled weights they are others: a rank correlation of {number(shuffled, 2)}, where 1 is the same."
        )
    if finite(away := mean("deletion")) and finite(by_chance := mean("deletion_random")):
        said.append(
            f"Taken away in their order, what adds most first, they leave {percent(away, 0)} of the answer on the way, "
            f"in random orders {percent(by_chance, 0)};"
        )
    if finite(put := mean("insertion")) and finite(chance := mean("insertion_random")):
        said.append(f"put in in that order they bring {percent(put, 0)}, at random {percent(chance, 0)}.")
    return f'<p class="note">Tested on these rows. {" ".join(said)}</p>' if said else ""


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


class ExplanationsSection(PanelSection):
    """See `panel`."""

    title, nav, position = "Explanations", "Explanations", 230
    panel = staticmethod(panel)
