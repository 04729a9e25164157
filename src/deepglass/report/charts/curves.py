"""Lines over a common x: learning curves, ROC and threshold curves."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from markupsafe import Markup

from deepglass.formatting import finite
from deepglass.report.charts.axes import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Axis, axis
from deepglass.report.templates import draw

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


class _DrawnLine(NamedTuple):
    """A line with its SVG path, which has gaps at missing values, and the position of its last value."""

    name: str
    css: str
    y: Sequence[float]
    path: str
    end: tuple[float, float] | None


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
    keep = _thinned(x, at)
    x = [x[i] for i in keep]
    lines = [line._replace(values=[line.values[i] for i in keep]) for line in lines]
    across = axis([*x, *([] if at is None else [at])], LEFT, WIDTH - RIGHT, room=0)
    across = replace(across, whole=all(float(a).is_integer() for a in x) and across.high > 1)
    up = axis((v for line in lines for v in line.values), height - BOTTOM, TOP + 6, log=log, share=share)
    up = replace(up, low=0.0, high=1.0) if full else up
    legend = [(line.css, line.name) for line in lines] if len(lines) > 1 else []
    if mark is not None and at is not None:
        legend.append(("mark", mark.name))
    return draw(
        "curves",
        title=title,
        x=x,
        places=[across(a) for a in x],
        lines=[_drawn(line, x, across, up) for line in lines],
        across=across,
        up=up,
        at=at,
        x_name=x_name,
        share=share,
        height=height,
        legend=legend,
    )


def _thinned(x: Sequence[float], marked: float | None) -> list[int]:
    last = len(x) - 1
    if last < MAX_POINTS:
        return list(range(len(x)))
    chosen = {round(i * last / (MAX_POINTS - 1)) for i in range(MAX_POINTS)}
    return sorted(chosen | {i for i, value in enumerate(x) if value == marked})


def _drawn(line: Line, x: Sequence[float], across: Axis, up: Axis) -> _DrawnLine:
    points = [(across(a), up(b)) if finite(a) and finite(b) else None for a, b in zip(x, line.values, strict=True)]
    before = [None, *points]
    path = "".join(f"{'L' if before[i] else 'M'}{p[0]} {p[1]}" for i, p in enumerate(points) if p)
    return _DrawnLine(line.name, line.css, line.values, path, next((p for p in reversed(points) if p), None))
