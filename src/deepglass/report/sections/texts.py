"""Outputs that are texts or tags: what was read, what was written, and where it differs from the truth."""

from __future__ import annotations

from difflib import SequenceMatcher

from deepglass.formatting import count
from deepglass.report.facts import Facts
from deepglass.report.markup import Panel, each_output, folded, text
from deepglass.report.output_facts import OutputFacts
from deepglass.report.sections.base import PanelSection
from deepglass.report.text_facts import Tagged, Wrote

_FIRST = (3, 3)  # of the worst and of the typical ones


def panel(facts: Facts) -> Panel | None:
    """Texts and tags a row; None where no output has any."""
    shown = [o for o in facts.outputs if o.wrote or o.tagged]
    if not shown:
        return None
    html = each_output([(o.name, _output(o)) for o in shown], named=len(facts.outputs) > 1)
    drawn = all(w.row is None for o in shown for w in o.wrote) and not any(o.tagged for o in shown)
    lead = (
        "Drawn from the run, each with a seed of its own: none of this stands in the data."
        if drawn
        else "The worst first, then some typical ones; what differs from the truth is marked."
    )
    return Panel("In words", lead, html)


def _output(output: OutputFacts) -> str:
    cards = [(_wrote(w), w.typical) for w in output.wrote] + [(_tagged(t), t.typical) for t in output.tagged]
    worst, typical = ([html for html, kind in cards if kind is wanted] for wanted in (False, True))
    return folded(worst, typical, first=_FIRST, css="texts")


def _wrote(one: Wrote) -> str:
    if one.row is None:
        return f'<article class="wrote"><pre>{text(one.answer)}</pre></article>'
    given = f'<p class="dim">{text(one.given)}</p>' if one.given else ""
    answer, truth = marked(one.answer.split(), one.truth.split())
    kind = '<span class="tag">typical</span> ' if one.typical else ""
    return (
        f'<article class="wrote">{given}<p>{answer}</p><p class="truth">true: {truth}</p>'
        f'<p>{kind}<span class="dim">row {count(one.row)}</span></p></article>'
    )


def marked(answer: list[str], truth: list[str]) -> tuple[str, str]:
    """Both texts, the words marked that the other lacks."""
    parts: tuple[list[str], list[str]] = ([], [])
    for what, a, b, c, d in SequenceMatcher(None, answer, truth, autojunk=False).get_opcodes():
        for words, found in ((answer[a:b], parts[0]), (truth[c:d], parts[1])):
            if words:
                said = text(" ".join(words))
                found.append(said if what == "equal" else f"<mark>{said}</mark>")
    return " ".join(parts[0]) or "(nothing)", " ".join(parts[1])


def _tagged(one: Tagged) -> str:
    words = "".join(_word(*word) for word in one.words[:80])
    kind = '<span class="tag">typical</span> ' if one.typical else ""
    row = f'<p>{kind}<span class="dim">row {count(one.row)}</span></p>'
    return f'<article class="wrote"><p class="words">{words}</p>{row}</article>'


def _word(word: str, said: str, true: str) -> str:
    if true and said != true:
        return f"<span><b>{text(word)}</b><small><mark>{text(said)}</mark> {text(true)}</small></span>"
    return f"<span><b>{text(word)}</b><small>{text(said)}</small></span>"


class TextsSection(PanelSection):
    """See `panel`."""

    title, nav, position = "Text examples", "Texts", 200
    panel = staticmethod(panel)
