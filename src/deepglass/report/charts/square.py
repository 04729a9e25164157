"""Charts on a square with a diagonal: reliability, the ROC curve, predicted against true."""

import numpy as np
from markupsafe import Markup

from deepglass.formatting import number, percent, plural
from deepglass.metrics.summaries import Bin, Reliability, Thresholds
from deepglass.report.charts.axes import LEFT, RIGHT, TOP, WIDTH, Axis, axis, figure, frame
from deepglass.report.charts.svg import joined, tag
from deepglass.report.output_facts import NumberFacts

TALL = 390
_HEIGHT, _BOTTOM = TALL, 44
MIN_ROWS = 10  # rows in a bin; the share of fewer is mostly chance, so that the line leaves it out


def reliability(title: str | Markup, facts: Reliability, *, note: str = "") -> Markup:
    """Reliability diagram: accuracy over confidence; on the diagonal both agree."""
    across, up = _unit_axes()
    largest = max([1, *(b.rows for b in facts.after)])
    body = [_diagonal(across, up)]
    if facts.before:
        body.append(_bins(across, up, facts.before, "c2 faint", largest))
    body.append(_bins(across, up, facts.after, "c1", largest))
    legend = [("c1", "after the temperature" if facts.before else "this network"), ("ideal", "ideal")]
    if facts.before:
        legend.insert(1, ("c2", "before"))
    summary = ", ".join(f"{percent(b.accuracy, 0)} correct at {percent(b.confidence, 0)}" for b in facts.after)
    svg = frame(
        across,
        up,
        joined(body),
        summary=f"Reliability: {summary}",
        x_name="confidence",
        y_name="accuracy",
        height=_HEIGHT,
    )
    return figure(title, svg, legend, note=note)


def _bins(across: Axis, up: Axis, bins: tuple[Bin, ...], css: str, largest: int) -> Markup:
    measured = [b for b in bins if np.isfinite(b.confidence) and np.isfinite(b.accuracy)]
    steady = [b for b in measured if b.rows >= MIN_ROWS]
    path = "M" + "L".join(f"{across(b.confidence)} {up(b.accuracy)}" for b in steady) if steady else ""
    dots = (
        tag(
            "g",
            tag(
                "title",
                f"{percent(b.confidence)} confidence\n{percent(b.accuracy)} correct\n{plural(b.rows, 'row')}",
            ),
            tag(
                "circle",
                css=f"dot {css}",
                cx=across(b.confidence),
                cy=up(b.accuracy),
                r=f"{2.5 + 5.5 * (b.rows / largest) ** 0.5:.1f}",
            ),
            css="point",
        )
        for b in measured
    )
    return joined([tag("path", css=f"line {css}", d=path), *dots])


def roc(title: str | Markup, facts: Thresholds, *, note: str = "") -> Markup:
    """ROC curve: the true positive rate over the false positive rate, for all thresholds."""
    across, up = _unit_axes()
    recall, false_positive_rate = rates(facts)
    path = "M" + "L".join(f"{across(a)} {up(f)}" for a, f in zip(false_positive_rate[::-1], recall[::-1], strict=True))
    dots = joined(
        tag(
            "circle",
            tag(
                "title",
                f"threshold {number(t, 2)}\n{percent(f)} of the positives detected\n"
                f"{percent(a)} of the negatives called positive",
            ),
            cx=across(a),
            cy=up(f),
            r=3,
        )
        for t, a, f in zip(facts.at, false_positive_rate, recall, strict=True)
    )
    chosen = int(np.abs(facts.at - facts.chosen).argmin())
    body = joined(
        [
            _diagonal(across, up),
            tag("path", css="line c1", d=path),
            tag("g", dots, css="nearest quiet"),
            tag(
                "circle", css="dot c1 current-point", cx=across(false_positive_rate[chosen]), cy=up(recall[chosen]), r=6
            ),
        ]
    )
    svg = frame(
        across,
        up,
        body,
        summary="ROC curve",
        x_name="false positive rate",
        height=_HEIGHT,
        css="roc",
    )
    return figure(title, svg, [("c1", "this network"), ("ideal", "guessing")], note=note)


def rates(facts: Thresholds) -> tuple[np.ndarray, np.ndarray]:
    """True positive rate and false positive rate at each threshold."""
    positives = np.maximum(facts.true_positive + facts.false_negative, 1)
    negatives = np.maximum(facts.false_positive + facts.true_negative, 1)
    return facts.true_positive / positives, facts.false_positive / negatives


def against_truth(title: str | Markup, facts: NumberFacts, *, note: str = "") -> Markup:
    """Each test row at its predicted and its true value, with the band of the prediction intervals."""
    predicted, truth = (np.asarray(v, dtype=float) for v in (facts.predicted, facts.truth))
    keep = np.isfinite(predicted) & np.isfinite(truth)
    predicted, truth = predicted[keep], truth[keep]
    both = axis(np.r_[predicted, truth], LEFT, WIDTH - RIGHT, room=0.03)
    across = both
    up = Axis(both.low, both.high, _HEIGHT - _BOTTOM, TOP + 6)
    body = [_diagonal(across, up)]
    legend = [("c1 spot", "a test row"), ("ideal", "predicted = true")]
    if facts.low is not None and facts.high is not None:
        low, high = (np.asarray(v, dtype=float)[keep] for v in (facts.low, facts.high))
        body.insert(0, _band(across, up, predicted, low, high))
        level = f"{percent(facts.level, 0)} interval" if facts.level is not None else "interval"
        legend.append(("band", level))
    dots = joined(
        tag("circle", tag("title", f"predicted {number(p, 4)}\ntrue {number(t, 4)}"), cx=across(p), cy=up(t), r="2.6")
        for p, t in zip(predicted, truth, strict=True)
    )
    body.append(tag("g", dots, css="nearest dense" if len(predicted) > 500 else "nearest"))
    svg = frame(
        across,
        up,
        joined(body),
        summary=f"{plural(len(predicted), 'test row')}, true value against predicted value",
        x_name="predicted",
        y_name="true",
        height=_HEIGHT,
    )
    return figure(title, svg, legend, note=note)


def _band(across: Axis, up: Axis, predicted: np.ndarray, low: np.ndarray, high: np.ndarray) -> Markup:
    """The intervals' mean ends over groups of rows of like prediction, as one area."""
    keep = np.isfinite(low) & np.isfinite(high)
    if keep.sum() < 2:
        return Markup("")
    order = np.argsort(predicted[keep])
    groups = [g for g in np.array_split(order, min(24, len(order))) if len(g)]
    middle, bottom, top = ([v[keep][g].mean() for g in groups] for v in (predicted, low, high))

    def inside(value: float) -> float:
        return up(min(max(value, up.low), up.high))

    upper = [f"{across(m)} {inside(t)}" for m, t in zip(middle, top, strict=True)]
    lower = [f"{across(m)} {inside(b)}" for m, b in zip(middle, bottom, strict=True)]
    return tag("path", css="band", d=f"M{'L'.join(upper + lower[::-1])}z")


def _unit_axes() -> tuple[Axis, Axis]:
    return Axis(0, 1, LEFT, WIDTH - RIGHT, share=True), Axis(0, 1, _HEIGHT - _BOTTOM, TOP + 6, share=True)


def _diagonal(across: Axis, up: Axis) -> Markup:
    return tag("path", css="ideal", d=f"M{across.start} {up.start}L{across.end} {up.end}")
