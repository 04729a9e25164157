"""Sounds that can be heard: spectrogram, answer and truth; a transcript beside what was said."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence

from deepglass.formatting import confidence, count, finite
from deepglass.report.audio_facts import Heard
from deepglass.report.facts import Facts
from deepglass.report.markup import Panel, each_output, folded, shorten, source_of, text
from deepglass.report.output_facts import OutputFacts
from deepglass.report.sections.base import PanelSection
from deepglass.report.sections.texts import marked

_BYTES = 2_500_000  # of all sounds together: base64 makes a third more, and a report is at most 10 MB
_FIRST = (6, 3)  # of the worst and of the typical ones


def panel(facts: Facts) -> Panel | None:
    """Some sounds of each output; None where none is answered from sounds."""
    shown = [o for o in facts.outputs if o.heard]
    if not shown:
        return None
    left = _BYTES
    parts = []
    for output in shown:
        kept = []
        for one in output.heard:
            left -= len(one.wave) + len(one.picture)
            if left > 0:
                kept.append(one)
        parts.append((output.name, _output(output, kept)))
    lead = "Press to listen. Time runs to the right, pitch upwards, and what is bright is loud. "
    lead += "The worst first, then some typical ones."
    return Panel("To be heard", lead, each_output(parts, named=len(facts.outputs) > 1), short="Sounds")


def _output(output: OutputFacts, sounds: Sequence[Heard]) -> str:
    worst, typical = ([_card(one) for one in sounds if one.typical is kind] for kind in (False, True))
    return folded(worst, typical, first=_FIRST, css="sounds")


def _card(one: Heard) -> str:
    row = f"row {count(one.row)}"
    picture = f'<img src="{source_of(one.picture)}" alt="spectrogram of {row}" loading="lazy">'
    data = b64encode(one.wave).decode()
    player = f'<audio controls preload="none" src="data:audio/wav;base64,{data}" aria-label="{row}"></audio>'
    kind = '<span class="tag">typical</span> ' if one.typical else ""
    part = f", the first {one.kept:.1f} of {one.seconds:.1f} s" if one.kept < one.seconds - 0.05 else ""
    return (
        f'<article class="wrote sound">{picture}{player}{_said(one)}'
        f'<p>{kind}<span class="dim">{row}{part}</span></p></article>'
    )


def _said(one: Heard) -> str:
    if one.transcript:
        answer, truth = marked(one.answer.split(), one.truth.split())
        return f'<p>{answer}</p><p class="truth">true: {truth}</p>'
    sure = f" <span>({confidence(one.confidence)})</span>" if finite(one.confidence) else ""
    answer = f'<p class="answer">{text(shorten(one.answer))}{sure}</p>'
    return answer + (f'<p class="truth">true <b>{text(shorten(one.truth))}</b></p>' if one.answer != one.truth else "")


class AudioSection(PanelSection):
    """See `panel`."""

    title, nav, position = "Audio examples", "Audio", 210
    panel = staticmethod(panel)
