"""Slices of the test rows on which an output is worse than on the rest: metric, interval and rows of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from deepglass.doctor.row_scores import RowScores
from deepglass.doctor.slices import Slice, SliceResult
from deepglass.features.outputs.base import Output
from deepglass.formatting import finite
from deepglass.introspect.rows import OutputRows
from deepglass.metrics.summaries import Figure, share_interval
from deepglass.metrics.table import higher_is_better, metric_of, metric_text, metric_title
from deepglass.report.charts.axes import GLYPH, axis
from deepglass.report.data import ReportData, View
from deepglass.report.row_cards import RowCard, row_card, within_budget
from deepglass.report.sections.base import Section

MAX_SLICES = 40  # of an output
ROWS_PER_SLICE = 6
SLICES_SHOWN = 12  # at first
MAX_IMAGE_BYTES = 1_000_000  # of all rows together
WIDTH, HEIGHT = 240, 24  # of an interval's drawing
NORMAL_95 = 1.959964  # standard errors of a 95 % interval


class SliceFacts(NamedTuple):
    """Test rows that have something in common.

    Args:
        words: what that is, such as "age is from 17 to 28".
        figure: the metric on these rows.
        weak: whether it is among those that are worse beyond chance.
        items: some of its rows, as indices of `OutputSlices.items`; the worst first.
        without_values: the words without values of rows.
    """

    words: str
    rows: int
    figure: Figure
    weak: bool = False
    items: tuple[int, ...] = ()
    without_values: str = "…"


@dataclass(frozen=True, kw_only=True)
class OutputSlices:
    """The slices of one output.

    Args:
        index: of the output.
        whole: the metric on all labelled test rows.
        rows: how many these are.
        slices: the worst first.
        weak: the words of those that are worse beyond chance, the clearest first; each without rows of earlier ones.
        num_slices: how many there are in all.
        items: rows that are shown.
    """

    index: int
    name: str
    metric: str
    whole: Figure
    rows: int
    slices: tuple[SliceFacts, ...]
    num_slices: int
    weak: tuple[str, ...] = ()
    items: tuple[RowCard, ...] = ()

    def without_rows(self) -> OutputSlices:
        """The same without single rows, and without their values in the slices' names."""
        without_values = {s.words: s.without_values for s in self.slices}
        slices = tuple(s._replace(items=(), words=s.without_values) for s in self.slices)
        return replace(self, items=(), slices=slices, weak=tuple(without_values.get(w, "…") for w in self.weak))


class SlicesSection(Section):
    """A table an output, a line a slice; None where there are none."""

    title, nav, position = "Slices", "Slices", 90
    layer = "result"
    folded = True
    assets = ("tables", "row_picker")
    requires = ("test_predictions",)

    def collect(self, report: ReportData) -> tuple[OutputSlices, ...]:
        tested = enumerate(zip(report.tested_outputs, report.cuts, strict=True))
        return tuple(slice_facts(i, feature, rows, cut) for i, ((feature, rows), cut) in tested if cut)

    def view(self, facts: tuple[OutputSlices, ...], report: ReportData) -> View | None:
        left, outputs = MAX_IMAGE_BYTES, []
        for output in (o for o in facts if o.slices):
            cards, left = within_budget(output.items, left)
            tested = [o.test.get(output.metric) for o in report.outputs if o.name == output.name]
            outputs.append({**_table(output, cards), "of_all": _if_different(output, *tested)})
        return {
            "outputs": outputs,
            "has_rows": any(o.items for o in facts),
            "num_shown": SLICES_SHOWN + 1,
        }


def _if_different(output: OutputSlices, of_all: Figure | None = None) -> float | None:
    """The metric of all test rows together where it is no mean over rows, and reads differently."""
    if of_all is None or not finite(of_all.value):
        return None
    texts = {metric_text(output.metric, v) for v in (of_all.value, output.whole.value)}
    return of_all.value if len(texts) > 1 else None


# -- facts -----------------------------------------------------------------------------------------------------------


def slice_facts(index: int, feature: Output, rows: OutputRows, cut: SliceResult) -> OutputSlices:
    """The worst slices of an output's test rows."""
    weak = tuple(w.slice.description for w in cut.weak)
    both = [
        w.slice for w in cut.weak if all(w.slice.description != s.description for s in cut.slices)
    ]  # intersections of two
    measured = [(s, interval(cut.scores, s.inside)) for s in (*cut.slices, *both)]
    measured.sort(key=lambda m: _optimistic_end(cut.scores.metric, m[1]))
    shown = [m for i, m in enumerate(measured) if i < MAX_SLICES or m[0].description in weak]
    worst = [_worst_rows(cut.scores, s) for s, _ in shown]
    items = list(dict.fromkeys(i for some in worst for i in some))
    index_of = {row: i for i, row in enumerate(items)}
    labelled = np.isfinite(cut.scores.values)
    return OutputSlices(
        index=index,
        name=feature.name,
        metric=cut.scores.metric,
        whole=interval(cut.scores, labelled),
        rows=int(labelled.sum()),
        slices=tuple(
            SliceFacts(
                s.description,
                int(s.inside.sum()),
                mean,
                s.description in weak,
                tuple(index_of[i] for i in some),
                s.redacted,
            )
            for (s, mean), some in zip(shown, worst, strict=True)
        ),
        num_slices=len(measured),
        weak=weak,
        items=_cards(feature, rows, cut.scores, items),
    )


def interval(scores: RowScores, inside: np.ndarray) -> Figure:
    """The mean of some rows with its 95 % interval: Wilson's for shares, the normal one for other metrics."""
    values = scores.values[inside & np.isfinite(scores.values)]
    if np.isin(values, (0.0, 1.0)).all():
        return share_interval(int(values.sum()), len(values))
    mean, half = float(values.mean()), NORMAL_95 * float(values.std(ddof=1)) / len(values) ** 0.5
    return Figure(mean, max(mean - half, 0.0), mean + half)


def _optimistic_end(metric: str, value: Figure) -> float:
    """The better end of an interval, negated where lower is better: slices are sorted by it in ascending order."""
    end = value.high if higher_is_better(metric) else value.low
    assert end is not None
    return end if higher_is_better(metric) else -end


def _worst_rows(scores: RowScores, one: Slice) -> list[int]:
    rows = np.flatnonzero(one.inside & np.isfinite(scores.values))
    return rows[np.argsort(-scores.errors[rows], kind="stable")][:ROWS_PER_SLICE].tolist()


def _cards(feature: Output, rows: OutputRows, scores: RowScores, items: Sequence[int]) -> tuple[RowCard, ...]:
    """Rows with truth and prediction; where these cannot be written in a few words, with their metric."""
    chosen = np.array(items, np.int64)
    decoded = feature.decode({k: v[chosen] for k, v in rows.best.items()}, rows.calibration)
    raw = rows.prepared.table[feature.column]
    cards = []
    for i, prediction in zip(items, decoded, strict=True):
        true, predicted = (_plain(v) for v in (raw[int(rows.rows[i])], prediction["value"]))
        if predicted is None or true is None:
            true, predicted = "", f"{metric_title(scores.metric)} {metric_text(scores.metric, float(scores.values[i]))}"
        confidence = prediction.get("confidence") if scores.metric == "accuracy" else None
        cards.append(row_card(rows, i, true, predicted, confidence))
    return tuple(cards)


def _plain(value: Any) -> str | float | None:
    """A class, a number, a text or labels; None for anything else."""
    if isinstance(value, str | bool | int | np.bool_ | np.integer):
        return str(value)
    if isinstance(value, float | np.floating):
        return float(value)
    listed = list(value) if isinstance(value, list | tuple) or hasattr(value, "to_list") else None
    if listed is not None and all(isinstance(v, str) for v in listed):
        return ", ".join(listed) or "none"
    return None


# -- view ------------------------------------------------------------------------------------------------------------


def _table(output: OutputSlices, cards: list[tuple[RowCard, bytes | None]]) -> View:
    ends = [v for f in (output.whole, *(s.figure for s in output.slices)) for v in f if finite(v)]
    across = axis(ends, 6, WIDTH - 6, share=metric_of(output.metric).is_share, room=0.03)
    # The ticks whose labels do not overlap and do not leave the drawing.
    ticks = [(at, name) for at, name in across.spaced_ticks(3) if GLYPH * len(name) / 2 <= min(at, WIDTH - at)]
    return {"slices": output, "width": WIDTH, "height": HEIGHT, "across": across, "ticks": ticks, "cards": cards}
