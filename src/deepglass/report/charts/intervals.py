"""Figures side by side: a dot each, with the interval where there is one."""

from typing import NamedTuple

from markupsafe import Markup

from deepglass.formatting import finite
from deepglass.metrics.summaries import Figure
from deepglass.metrics.table import metric_of, metric_title
from deepglass.metrics.table import metric_text as worded
from deepglass.report.charts.axes import Axis, axis, drawing, figure
from deepglass.report.charts.svg import joined, tag

_WIDTH = 400
_ROW, _LEFT, _RIGHT, _TOP, _BOTTOM = 33, 146, 74, 6, 44


class Entry(NamedTuple):
    """One of those compared; `distant` ones do not stretch the axis, they lie at its edge when they are far off."""

    name: str
    figure: Figure
    css: str = "c2"
    distant: bool = False


def compared(title: str | Markup, metric: str, entries: list[Entry], *, note: str = "") -> Markup:
    """The figures of several models on one axis.

    Args:
        title: above the chart.
        metric: the metric's name.
        entries: one a row, first on top.
        note: below it.
    """
    measured = [e for e in entries if finite(e.figure.value)]
    if not measured:
        return Markup("")
    height = _TOP + _ROW * len(measured) + _BOTTOM
    across = _axis(metric, measured)
    floor = height - _BOTTOM
    body = []
    for at, name in across.spaced_ticks(4):
        body.append(tag("path", css="grid", d=f"M{at} {_TOP}V{floor}"))
        body.append(tag("text", name, css="tx", x=at, y=floor + 18))
    body += [_entry(across, metric, e, _TOP + _ROW * (i + 0.5)) for i, e in enumerate(measured)]
    name = metric_title(metric)
    body.append(tag("text", name, css="name", x=(_LEFT + _WIDTH - _RIGHT) / 2, y=height - 6))
    summary = "; ".join(f"{e.name}: {worded(metric, e.figure.value)}" for e in measured)
    return figure(title, drawing(joined(body), _WIDTH, height, summary=f"{name}: {summary}", css="compared"), note=note)


def _axis(metric: str, measured: list[Entry]) -> Axis:
    near = [v for e in measured if not e.distant for v in e.figure if finite(v)]
    far = [e.figure.value for e in measured if e.distant]
    if near:
        spread = max(near) - min(near)
        near += [v for v in far if min(abs(v - n) for n in near) <= 4 * spread]
    return axis(near or far, _LEFT, _WIDTH - _RIGHT, share=metric_of(metric).is_share, room=0.12)


def _entry(across: Axis, metric: str, entry: Entry, at: float) -> Markup:
    value, low, high = entry.figure
    css = entry.css
    words = f"{entry.name}: {worded(metric, value)}"
    place = across(value)
    beyond = not (min(across.start, across.end) <= place <= max(across.start, across.end))
    if beyond:
        left = place < across.start
        edge, way = (across.start + 5, -1) if left else (across.end - 5, 1)
        mark = tag("path", css=f"arrow {css}", d=f"M{edge - 4 * way} {at - 5}l{8 * way} 5l{-8 * way} 5")
        words += " (beyond this axis)"
    else:
        mark = tag("circle", css=f"dot {css}", cx=place, cy=at, r="5.5")
        if finite(low) and finite(high):
            words += f"\n95\N{NO-BREAK SPACE}% interval {worded(metric, low)} to {worded(metric, high)}"
            ends = f"M{across(low)} {at}H{across(high)}M{across(low)} {at - 5}v10M{across(high)} {at - 5}v10"
            mark = tag("path", css=f"whisker {css}", d=ends) + mark
    return tag(
        "g",
        tag("title", words),
        tag("rect", x=0, y=at - _ROW / 2, width=_WIDTH, height=_ROW),
        tag("text", entry.name, css=f"rowname {css}", x=0, y=at),
        mark,
        tag("text", worded(metric, value), css=f"rowvalue {css}", x=_WIDTH, y=at),
        css="hover-area",
    )
