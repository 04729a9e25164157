"""Where attention lay: at which words or places while an answer was written, and what was read before an answer."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import NamedTuple

from deepglass.features.outputs.base import Output
from deepglass.features.text import Text
from deepglass.formatting import confidence, count, percent
from deepglass.introspect.attention import DecoderAttention, EncoderAttention, decoder_attention, encoder_attention
from deepglass.introspect.rows import OutputRows, class_predictions
from deepglass.report.data import ReportData
from deepglass.report.markup import Panel, each_output, folded, shorten, source_of, text
from deepglass.report.row_selection import random_rows
from deepglass.report.sections.base import PanelSection, section_key
from deepglass.report.sections.texts import worst_texts

NUM_WORST, NUM_TYPICAL = 8, 8
_FIRST = (2, 2)  # of the worst and of the typical ones
_CELL, _LETTER = 22, 8.0  # pixels of a cell and of a letter, in a drawing's own measure
_LONGEST = 14  # letters of a word in a matrix
_FAINT = 0.02  # a share below is not drawn
_FULL = 0.4  # a share that has the full colour, or the greatest where that is more


class OutputAttention(NamedTuple):
    """The rows of one output: while each word was predicted, or before a class was."""

    name: str
    decoder: tuple[DecoderAttention, ...] = ()
    encoder: tuple[EncoderAttention, ...] = ()

    def without_rows(self) -> None:
        """There is nothing but rows."""


def collect(report: ReportData) -> tuple[OutputAttention, ...]:
    """The outputs whose network has attention over words or places."""
    outputs = (output_attention(feature, rows) for feature, rows in report.tested_outputs if rows.truth.mask.any())
    return tuple(o for o in outputs if o.decoder or o.encoder)


def output_attention(feature: Output, rows: OutputRows) -> OutputAttention:
    """Of some of the worst and of the typical rows, in turn, so that both are among the first."""
    if isinstance(feature, Text):
        return OutputAttention(
            feature.name, decoder=decoder_attention(feature, rows, _in_turn(worst_texts(feature, rows)))
        )
    predictions = class_predictions(feature, rows)
    wrong = sorted((i for i, p in predictions.items() if p.answer != p.truth), key=lambda i: -predictions[i].confidence)
    right = [i for i, p in predictions.items() if p.answer == p.truth]
    chosen = [(i, False) for i in wrong[:NUM_WORST]] + [(i, True) for i in random_rows(right, NUM_TYPICAL)]
    return OutputAttention(feature.name, encoder=encoder_attention(rows, _in_turn(chosen), predictions))


def _in_turn(rows: Sequence[tuple[int, bool]]) -> list[tuple[int, bool]]:
    groups = [[row for row in rows if row[1] is kind] for kind in (False, True)]
    return [row for pair in zip_longest(*groups) for row in pair if row is not None]


def panel(report: ReportData) -> Panel | None:
    """The attention of each output; None where no output has any."""
    shown = list(enumerate(report.of(section_key("attention"), collect) or ()))
    if not shown:
        return None
    html = each_output([(o.name, _output(i, o)) for i, o in shown], named=len(report.outputs) > 1)
    if any(o.decoder for _, o in shown):
        lead = "What the network looked at while it wrote each word: "
        pictures = any(one.picture for _, o in shown for one in o.decoder)
        lead += "the bright parts of the picture." if pictures else "the darker a square, the more it looked there."
    else:
        lead = "The words that were looked at most before the answer. That is where it looked, and not always why."
    return Panel("Where it looked", lead, html, short="Attention")


def _output(place: int, output: OutputAttention) -> str:
    pictures = any(one.picture for one in output.decoder)
    cards = [(_looked(f"a{place}-{i}", one), one.typical) for i, one in enumerate(output.decoder)]
    cards += [(_read(one), one.typical) for one in output.encoder]
    worst, typical = ([html for html, kind in cards if kind is wanted] for wanted in (False, True))
    return folded(worst, typical, first=_FIRST, css="looks wide" if pictures else "looks")


def _row(row: int, typical: bool) -> str:
    return f'<p>{"<span class=tag>typical</span> " if typical else ""}<span class="dim">row {count(row)}</span></p>'


# -- while writing ---------------------------------------------------------------------------------------------------


def _looked(name: str, one: DecoderAttention) -> str:
    drawing = _strip(name, one) if one.picture is not None else _matrix(one)
    return f'<article class="wrote look">{drawing}{_row(one.row, one.typical)}</article>'


def _matrix(one: DecoderAttention) -> str:
    """A row a written word, a column a word that was read."""
    said, given = ([shorten(w, _LONGEST) for w in words] for words in (one.words, one.read))
    left = 10 + _LETTER * max(map(len, said))
    top = 8 + 0.8 * _LETTER * max(map(len, given))  # names lean
    right = 0.6 * _LETTER * len(given[-1]) if given else 0
    width, height = left + _CELL * len(given) + right, top + _CELL * len(said)
    names = "".join(
        f'<text class="end" x="{left - 6:.0f}" y="{top + _CELL * (i + 0.68):.0f}">{text(word)}</text>'
        for i, word in enumerate(said)
    )
    for j, word in enumerate(given):
        x, y = left + _CELL * (j + 0.6), top - 6
        names += f'<text transform="translate({x:.0f} {y:.0f}) rotate(-55)">{text(word)}</text>'
    full = max(_FULL, *(share for row in one.weights for share in row))
    cells = "".join(
        f'<rect x="{left + _CELL * j:.0f}" y="{top + _CELL * i:.0f}" width="{_CELL - 2}" height="{_CELL - 2}" rx="4" '
        f'fill-opacity="{share / full:.2f}"><title>{text(one.words[i])} looked at {text(one.read[j])}: '
        f"{percent(share, 0)}</title></rect>"
        for i, row in enumerate(one.weights)
        for j, share in enumerate(row)
        if share >= _FAINT
    )
    ground = (
        f'<rect class="ground" x="{left - 1:.0f}" y="{top - 1:.0f}" width="{_CELL * len(given)}" '
        f'height="{_CELL * len(said)}" rx="5"/>'
    )
    summary = text("; ".join(_most(one, i) for i in range(len(said))))
    return (
        f'<svg class="lookmatrix" viewBox="0 0 {width:.0f} {height:.0f}" style="max-width:{width:.0f}px" role="img" '
        f'aria-label="{summary}">{ground}{cells}{names}</svg>'
    )


def _most(one: DecoderAttention, i: int) -> str:
    row = one.weights[i]
    return f"{one.words[i]} looked most at {one.read[row.index(max(row))]}" if row else one.words[i]


def _strip(name: str, one: DecoderAttention) -> str:
    """The picture, then once for each word with what the word did not look at in the dark."""
    assert one.picture is not None
    Y, X = one.size
    left, top, width, height = one.extent
    picture = f'<image id="{name}" href="{source_of(one.picture)}" width="{X}" height="{Y}"/>'
    frames = [_frame(X, Y, picture, "")]
    for word, map_ in zip(one.words, one.maps, strict=True):
        shade = (
            f'<image href="{source_of(map_)}" x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{height:.1f}" '
            'preserveAspectRatio="none"/>'
        )
        frames.append(_frame(X, Y, f'<use href="#{name}"/>{shade}', text(shorten(word, 18))))
    return f'<div class="strip">{"".join(frames)}</div>'


def _frame(X: int, Y: int, body: str, word: str) -> str:
    said = f"where {word} looked" if word else "the picture"
    return (
        f'<figure><svg viewBox="0 0 {X} {Y}" role="img" aria-label="{said}">{body}</svg>'
        f"<figcaption>{word or '&nbsp;'}</figcaption></figure>"
    )


# -- while reading ---------------------------------------------------------------------------------------------------


def _read(one: EncoderAttention) -> str:
    """The words, the more of a colour the more they were looked at than a word of this text is on average."""
    shares = [share for _, share in one.words]
    mean = sum(shares) / max(len(shares), 1)
    full = max(max(shares, default=0.0) - mean, mean) or 1.0
    words = " ".join(
        f'<span style="--w:{max(share - mean, 0) / full:.2f}" title="{percent(share)}">{text(shorten(word))}</span>'
        for word, share in one.words
    )
    rest = f' <span class="dim">and {count(one.others)} more words</span>' if one.others else ""
    answer = f'<p class="answer">{text(shorten(one.answer))} <span>({confidence(one.confidence)})</span></p>'
    wrong = f'<p class="truth">true <b>{text(shorten(one.truth))}</b></p>' if one.answer != one.truth else ""
    row = _row(one.row, one.typical)
    return f'<article class="wrote look"><p class="lit">{words}{rest}</p>{answer}{wrong}{row}</article>'


class AttentionSection(PanelSection):
    """See `panel`."""

    title, nav, position = "Attention", "Attention", 240
    panel = staticmethod(panel)
