"""Bars: the small spreads of columns, and histograms."""

from markupsafe import Markup

from deepglass.formatting import count, number, percent, plural, short
from deepglass.metrics.summaries import Histogram, TopValues
from deepglass.report.charts.axes import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, axis, figure, frame
from deepglass.report.charts.svg import joined, tag
from deepglass.report.templates import label, shorten

_MINI_WIDTH, _MINI_HEIGHT = 132, 30


def mini(spread: Histogram | TopValues) -> Markup:
    """A column's values in small, with a line of words below."""
    return _mini_histogram(spread) if isinstance(spread, Histogram) else _mini_values(spread)


def _mini_histogram(spread: Histogram) -> Markup:
    bars = len(spread.counts) or 1
    width, highest = _MINI_WIDTH / bars, max([1, *spread.counts])
    path = "".join(
        _bar(i * width, width - (0.8 if bars > 1 else 0), n / highest) for i, n in enumerate(spread.counts) if n
    )
    words = f"{short(spread.low)} … {short(spread.high)}" if spread.low != spread.high else short(spread.low)
    summary = f"{plural(sum(spread.counts), 'value')} from {short(spread.low, 4)} to {short(spread.high, 4)}"
    body = tag("title", summary) + tag("path", css="bar", d=path)
    return _mini_drawing(body, summary) + tag("small", words)


def _mini_values(spread: TopValues) -> Markup:
    total = sum(n for _, n in spread.values) + spread.others
    values = [*spread.values, *([("others", spread.others)] if spread.others else [])]
    width, highest = _MINI_WIDTH / max(len(values), 3), max([1, *(n for _, n in values)])
    parts = []
    for i, (name, n) in enumerate(values):
        css = "bar rest" if i == len(spread.values) else "bar"
        path = _bar(i * width, width - 2, n / highest)
        words = f"{shorten(name, 80)}: {percent(n / max(total, 1))}, {plural(n, 'row')}"
        parts.append(tag("g", tag("title", words), tag("path", css=css, d=path)))
    named = [Markup("{} ({})").format(label(name, 16), percent(n / max(total, 1), 0)) for name, n in spread.values[:2]]
    more = spread.distinct - min(len(spread.values), 2)
    caption = Markup(", ").join([*named, *([f"{count(more)} more"] if more > 0 else [])])
    return _mini_drawing(joined(parts), plural(spread.distinct, "value")) + tag("small", caption)


def _bar(left: float, width: float, part: float) -> str:
    height = max(part * (_MINI_HEIGHT - 2), 1)
    return f"M{left:.1f} {_MINI_HEIGHT}v-{height:.1f}h{width:.1f}v{height:.1f}z"


def _mini_drawing(body: Markup, summary: str) -> Markup:
    box = f"0 0 {_MINI_WIDTH} {_MINI_HEIGHT}"
    return tag("svg", body, css="mini", viewBox=box, role="img", aria_label=summary)


def histogram(
    title: str | Markup, spread: Histogram, *, x_name: str, zero_line: bool = False, height: int = HEIGHT
) -> Markup:
    """How numbers are spread, as a chart of full size.

    Args:
        title: above the chart.
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
        words = f"{short(low)} to {short(high)}\n{plural(n, 'row')}"
        width = max(across(high) - across(low) - 1, 0.5) if step else 40
        strip = tag("rect", x=across(low), y=TOP, width=f"{width + 1:.1f}", height=f"{up.start - TOP:.0f}")
        bar = tag("path", css="bar", d=f"M{across(low)} {up.start}V{up(n)}h{width:.1f}V{up.start}z")
        body.append(tag("g", tag("title", words), strip, bar, css="hover-area"))
    if zero_line and across.low < 0 < across.high:
        body.append(tag("path", css="vertical-line", d=f"M{across(0)} {up.start}V{up.end}"))
    summary = f"Histogram of {plural(sum(spread.counts), 'value')} from {number(spread.low)} to {number(spread.high)}"
    return figure(title, frame(across, up, joined(body), summary=summary, x_name=x_name, height=height))
