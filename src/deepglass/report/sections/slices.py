"""Where the run errs more than elsewhere: the figure of each slice of the test rows, whose names show some of them."""

from __future__ import annotations

from deepglass.formatting import count, finite, plural
from deepglass.metrics.summaries import Figure
from deepglass.metrics.table import metric_of, metric_text, metric_title
from deepglass.report.charts.axes import GLYPH, Axis, axis
from deepglass.report.facts import Facts
from deepglass.report.markup import Panel, capital, each_output, label, text
from deepglass.report.sections.base import PanelSection
from deepglass.report.sections.mistakes import card
from deepglass.report.slice_facts import SliceFacts, Slices

_FIRST = 12  # that are shown at first
_WIDTH, _HEIGHT = 240, 24
_PICTURE_BYTES = 1_000_000  # of all rows together


def panel(facts: Facts) -> Panel | None:
    """A table an output, a line a slice; None where there are none."""
    shown = [s for s in facts.slices if s.slices]
    if not shown:
        return None
    left, parts = _PICTURE_BYTES, []
    for one in shown:
        html, left = _items(one, left)
        parts.append((one.name, f'<div class="sliced">{_lead(one)}{_table(one)}{html}</div>'))
    lead = "Test rows that have something in common: first those that are certain to be worst, by their intervals."
    if any(s.items for s in shown):
        lead += " Choose one to see some of its rows."
    return Panel("Where it errs more", lead, each_output(parts, named=len(facts.outputs) > 1), short="Slices")


def _lead(one: Slices) -> str:
    """What is beyond chance, in words."""
    looked_at, weak = plural(one.looked_at, "slice"), [f"<b>{label(words, 90)}</b>" for words in one.weak]
    if not weak:
        return f"<p>Of {looked_at} not one errs more than the rest by half or more, beyond chance.</p>"
    are = "one is" if len(weak) == 1 else f"{count(len(weak))} are"
    more = f"; of the other rows {'; '.join(weak[1:])}" if weak[1:] else ""
    return f"<p>Of {looked_at} {are} worse than the rest by half or more, beyond chance: {weak[0]}{more}.</p>"


def _table(one: Slices) -> str:
    across = _axis(one)
    name = text(capital(metric_title(one.metric)))
    rows = "".join(_row(one.metric, s, across, one.whole.value) for s in one.slices)
    more = one.looked_at - len(one.slices)
    note = f'<p class="note">{plural(more, "better one")} left out.</p>' if more > 0 else ""
    return (
        f'<table class="slices" id="slices-{one.output}" data-first="{_FIRST + 1}">'
        f'<caption class="hidden">{name} of slices of the test rows</caption>'
        '<thead><tr><th scope="col">Rows where</th><th scope="col" class="dots"><span class="hidden">Interval</span>'
        f"{_scale(across)}</th>"
        f'<th scope="col" class="value">{name}</th></tr></thead>'
        f"<tbody>{_whole(one, across)}</tbody><tbody>{rows}</tbody></table>{note}"
        '<div class="picked" tabindex="-1" role="group" aria-label="Rows of a slice"></div>'
    )


def _whole(one: Slices, across: Axis) -> str:
    """The line of all rows, above those of the slices."""
    return (
        f'<tr class="all"><th scope="row">all {plural(one.rows, "test row")}</th>'
        f'<td class="dots">{_strip(one.metric, one.whole, across)}</td>'
        f'<td class="value">{metric_text(one.metric, one.whole.value)}</td></tr>'
    )


def _row(metric: str, part: SliceFacts, across: Axis, beside: float) -> str:
    value, rows = metric_text(metric, part.figure.value), plural(part.rows, "row")
    said = text(f"{part.words}: {metric_title(metric)} {value}, {rows}")
    name = label(part.words, 70)
    if part.items:
        name = (
            f'<button type="button" data-items="{" ".join(map(str, part.items))}" data-count="{part.rows}" '
            f'aria-pressed="false" aria-label="{said}">{name}</button>'
        )
    tag = ' <span class="tag warn">weak</span>' if part.weak else ""
    return (
        f'<tr><th scope="row">{name}{tag} <small>{rows}</small></th>'
        f'<td class="dots">{_strip(metric, part.figure, across, beside)}</td><td class="value">{value}</td></tr>'
    )


# -- dots on one axis --------------------------------------------------------------------------------------------


def _axis(one: Slices) -> Axis:
    ends = [v for s in (one.whole, *(s.figure for s in one.slices)) for v in s if finite(v)]
    share = metric_of(one.metric).is_share
    return axis(ends, 6, _WIDTH - 6, share=share, room=0.03)


def _scale(across: Axis) -> str:
    """The axis's values, above the dots."""
    parts, free = [], 0.0
    for value, name in across.ticks(3):
        at, half = across(value), len(name) * GLYPH / 2
        if at - half >= free and at + half <= _WIDTH:
            free = at + half + GLYPH
            parts.append(f'<text class="tx" x="{at}" y="15">{name}</text>')
    return f'<svg class="chart" viewBox="0 0 {_WIDTH} 20" aria-hidden="true">{"".join(parts)}</svg>'


def _strip(metric: str, shown: Figure, across: Axis, beside: float | None = None) -> str:
    """A figure with its interval, beside that of all rows."""
    y, css, said = _HEIGHT / 2, "c2" if beside is None else "c1", metric_text(metric, shown.value)
    body = "".join(f'<path class="grid" d="M{across(at)} 0v{_HEIGHT}"/>' for at, _ in across.ticks(3))
    if beside is not None:
        body += f'<path class="upright" d="M{across(beside)} 0v{_HEIGHT}"/>'
    if finite(shown.low) and finite(shown.high):
        body += f'<path class="whisker {css}" d="M{across(shown.low)} {y}H{across(shown.high)}"/>'
        said = f"95\N{NO-BREAK SPACE}% interval {metric_text(metric, shown.low)} to {metric_text(metric, shown.high)}"
    return (
        f'<svg class="chart" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{said}"><title>{said}</title>'
        f'{body}<circle class="dot {css}" cx="{across(shown.value)}" cy="{y}" r="5"/></svg>'
    )


# -- rows --------------------------------------------------------------------------------------------------------


def _items(one: Slices, left: int) -> tuple[str, int]:
    """The rows, which wait unseen until a slice is chosen, and the bytes that are left for pictures."""
    if not one.items:
        return "", left
    cards = []
    for item in one.items:
        size = len(item.picture or b"")
        picture = item.picture if size <= left else None
        left -= size if picture else 0
        cards.append(card(one.output, item, picture, {}))
    return f"<template>{''.join(cards)}</template>", left


class SlicesSection(PanelSection):
    """See `panel`."""

    title, nav, position = "Slices", "Slices", 140
    panel = staticmethod(panel)
