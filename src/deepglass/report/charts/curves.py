"""Lines over a common x: learning curves, ROC and threshold curves."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from markupsafe import Markup

from deepglass.formatting import finite, number, percent
from deepglass.report.charts.axes import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Axis, axis, figure, frame
from deepglass.report.charts.svg import joined, tag

MAX_POINTS = 240  # points a line; more cannot be told apart at this size


class Line(NamedTuple):
    """A line: its name, its values, and the css class that gives its colour."""

    name: str
    values: Sequence[float]
    css: str = "c1"


class Mark(NamedTuple):
    """An x worth marking, and what it is."""

    at: float
    name: str


def curves(
    title: str | Markup,
    x: Sequence[float],
    lines: Sequence[Line],
    *,
    x_name: str,
    log: bool = False,
    share: bool = False,
    full: bool = False,
    mark: Mark | None = None,
    height: int = HEIGHT,
) -> Markup:
    """Lines over x with a tooltip at each x; non-finite points are left out.

    Args:
        title: above the chart.
        x: ascending.
        lines: each with as many values as x.
        x_name: name of the x axis.
        log: the y axis has equal factors at equal lengths.
        share: y values are shares.
        full: the y axis goes from 0 to 1.
        mark: an x at which an upright line stands, such as the best step.
        height: of the drawing.
    """
    at = mark.at if mark is not None and finite(mark.at) else None
    keep = _thinned(len(x), at, x)
    x = [x[i] for i in keep]
    lines = [Line(line.name, [line.values[i] for i in keep], line.css) for line in lines]
    across = axis([*x, *([] if at is None else [at])], LEFT, WIDTH - RIGHT, room=0)
    across = replace(across, whole=all(float(a).is_integer() for a in x) and across.high > 1)
    up = axis((v for line in lines for v in line.values), height - BOTTOM, TOP + 6, log=log, share=share)
    up = replace(up, low=0.0, high=1.0) if full else up
    body = [] if at is None else [tag("path", css="vertical-line", d=f"M{across(at)} {up.start}V{up.end}")]
    body += [tag("path", css=f"line {line.css}", d=_path(across, up, x, line.values)) for line in lines]
    body += [_end(across, up, x, line) for line in lines]
    body.append(_hits(across, up, x, lines, x_name, share))
    legend = [(line.css, line.name) for line in lines] if len(lines) > 1 else []
    if mark is not None and at is not None:
        legend.append(("mark", mark.name))
    summary = _summary(x, lines, x_name, share)
    svg = frame(across, up, joined(body), summary=summary, x_name=x_name, height=height, css="curves")
    return figure(title, svg, legend)


def _thinned(points: int, marked: float | None, x: Sequence[float]) -> list[int]:
    if points <= MAX_POINTS:
        return list(range(points))
    chosen = {round(i * (points - 1) / (MAX_POINTS - 1)) for i in range(MAX_POINTS)}
    return sorted(chosen | {i for i in range(points) if x[i] == marked})


def _path(across: Axis, up: Axis, x: Sequence[float], y: Sequence[float]) -> str:
    path, pen = [], "M"
    for a, b in zip(x, y, strict=True):
        if not finite(b) or not finite(a):
            pen = "M"
            continue
        path.append(f"{pen}{across(a)} {up(b)}")
        pen = "L"
    return "".join(path)


def _end(across: Axis, up: Axis, x: Sequence[float], line: Line) -> Markup:
    """A dot at the last value, which also shows a line of one point."""
    points = [(a, b) for a, b in zip(x, line.values, strict=True) if finite(b)]
    if not points:
        return Markup("")
    return tag("circle", css=f"dot {line.css}", cx=across(points[-1][0]), cy=up(points[-1][1]), r="3.2")


def _hits(across: Axis, up: Axis, x: Sequence[float], lines: Sequence[Line], x_name: str, share: bool) -> Markup:
    """Invisible strips that say the values at each x."""
    say = percent if share else number
    places = [across(a) for a in x]
    strips = []
    for i, place in enumerate(places):
        left = (places[i - 1] + place) / 2 if i else across.start
        right = (place + places[i + 1]) / 2 if i + 1 < len(places) else across.end
        values = "".join(f"\n{line.name}: {say(line.values[i])}" for line in lines)
        width = f"{max(right - left, 0.5):.1f}"
        strips.append(
            tag(
                "g",
                tag("title", f"{x_name} {number(x[i], 4)}{values}"),
                tag("path", d=f"M{place} {up.start}V{up.end}"),
                tag("rect", x=f"{left:.1f}", y=TOP, width=width, height=f"{up.start - TOP:.0f}"),
                css="hover-area",
            )
        )
    return joined(strips)


def _summary(x: Sequence[float], lines: Sequence[Line], x_name: str, share: bool) -> str:
    say = percent if share else number
    ends = []
    for line in lines:
        points = [v for v in line.values if finite(v)]
        if points:
            ends.append(f"{line.name} from {say(points[0])} to {say(points[-1])}")
    return f"Lines over {x_name}: " + "; ".join(ends)
