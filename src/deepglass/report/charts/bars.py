"""Bars: the small spreads of columns, and histograms."""

from __future__ import annotations

from collections.abc import Sequence

from deepglass.formatting import count, number, percent, plural, short
from deepglass.metrics.summaries import Histogram, TopValues
from deepglass.report.charts.axes import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, axis, figure, frame
from deepglass.report.markup import label, shorten, text

_MINI_WIDTH, _MINI_HEIGHT = 132, 30


def mini(spread: Histogram | TopValues) -> str:
    """A column's values in small, with a line of words below."""
    if isinstance(spread, Histogram):
        return _mini_histogram(spread)
    return _mini_values(spread)


def _mini_histogram(spread: Histogram) -> str:
    bars = len(spread.counts) or 1
    width, highest = _MINI_WIDTH / bars, max([1, *spread.counts])
    path = "".join(
        _bar(i * width, width - (0.8 if bars > 1 else 0), n / highest) for i, n in enumerate(spread.counts) if n
    )
    words = f"{short(spread.low)} … {short(spread.high)}" if spread.low != spread.high else short(spread.low)
    said = f"{plural(sum(spread.counts), 'value')} from {short(spread.low, 4)} to {short(spread.high, 4)}"
    return _mini_drawing(f'<title>{said}</title><path class="bar" d="{path}"/>', said) + f"<small>{words}</small>"


def _mini_values(spread: TopValues) -> str:
    total = sum(n for _, n in spread.values) + spread.others
    shown = [*spread.values, *([("others", spread.others)] if spread.others else [])]
    width, highest = _MINI_WIDTH / max(len(shown), 3), max([1, *(n for _, n in shown)])
    parts = []
    for i, (name, n) in enumerate(shown):
        css = "bar rest" if i == len(spread.values) else "bar"
        path = _bar(i * width, width - 2, n / highest)
        said = f"{shorten(name, 80)}: {percent(n / max(total, 1))}, {plural(n, 'row')}"
        parts.append(f'<g><title>{text(said)}</title><path class="{css}" d="{path}"/></g>')
    names = ", ".join(f"{label(name, 16)} ({percent(n / max(total, 1), 0)})" for name, n in spread.values[:2])
    more = spread.distinct - min(len(spread.values), 2)
    words = names + (f", {count(more)} more" if more > 0 else "")
    return _mini_drawing("".join(parts), f"{plural(spread.distinct, 'value')}") + f"<small>{words}</small>"


def _bar(left: float, width: float, part: float) -> str:
    height = max(part * (_MINI_HEIGHT - 2), 1)
    return f"M{left:.1f} {_MINI_HEIGHT}v-{height:.1f}h{width:.1f}v{height:.1f}z"


def _mini_drawing(body: str, summary: str) -> str:
    return (
        f'<svg class="mini" viewBox="0 0 {_MINI_WIDTH} {_MINI_HEIGHT}" role="img" aria-label="{text(summary)}">'
        f"{body}</svg>"
    )


def histogram(title: str, spread: Histogram, *, x_name: str, zero_line: bool = False, height: int = HEIGHT) -> str:
    """How numbers are spread, as a chart of full size.

    Args:
        title: html.
        spread: the bins.
        x_name: name of the x axis.
        zero_line: an upright line at zero.
        height: of the drawing.
    """
    across = axis([spread.low, spread.high], LEFT, WIDTH - RIGHT, room=0)
    up = axis(spread.counts, height - BOTTOM, TOP + 6, zero=True)
    step = (spread.high - spread.low) / max(len(spread.counts), 1)
    body = []
    for i, n in enumerate(spread.counts):
        low, high = spread.low + i * step, spread.low + (i + 1) * step
        said = f"{short(low)} to {short(high)}\n{plural(n, 'row')}"
        width = max(across(high) - across(low) - 1, 0.5) if step else 40
        body.append(
            f'<g class="hit"><title>{text(said)}</title>'
            f'<rect x="{across(low)}" y="{TOP}" width="{width + 1:.1f}" height="{up.start - TOP:.0f}"/>'
            f'<path class="bar" d="M{across(low)} {up.start}V{up(n)}h{width:.1f}V{up.start}z"/></g>'
        )
    if zero_line and across.low < 0 < across.high:
        body.append(f'<path class="upright" d="M{across(0)} {up.start}V{up.end}"/>')
    summary = f"Histogram of {plural(sum(spread.counts), 'value')} from {number(spread.low)} to {number(spread.high)}"
    return figure(title, frame(across, up, "".join(body), summary=summary, x_name=x_name, height=height))


def share_bar(parts: Sequence[tuple[str, int, str]]) -> str:
    """One bar cut into named parts: (name, count, css class), with its legend."""
    total = sum(n for _, n, _ in parts) or 1
    pieces = "".join(
        f'<i class="{css}" style="flex-grow:{n / total:.4f}" title="{text(name)}: {count(n)}"></i>'
        for name, n, css in parts
        if n
    )
    keys = "".join(
        f'<span class="key {css}"><i></i>{text(name)} <b>{count(n)}</b> <small>{percent(n / total, 0)}</small></span>'
        for name, n, css in parts
    )
    bar = f'<div class="bars" aria-hidden="true">{pieces}</div>'
    return f'<div class="sharebar">{bar}<span class="keys">{keys}</span></div>'
