"""From the slices of an output to what its report tells of them: figures with their intervals, and some of the rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from deepglass.doctor.row_scores import RowScores
from deepglass.doctor.slices import Slice, SliceResult
from deepglass.features.base import Feature
from deepglass.introspect.rows import OutputRows
from deepglass.metrics import summaries as measure
from deepglass.metrics.summaries import Figure
from deepglass.metrics.table import higher_is_better, metric_text, metric_title
from deepglass.report.facts_of.rows import mistake
from deepglass.report.output_facts import Mistake
from deepglass.report.slice_facts import SliceFacts, Slices

SHOWN = 40  # slices of an output
ITEMS = 6  # rows of a slice


def slices_told(place: int, feature: Feature, seen: OutputRows, cut: SliceResult) -> Slices:
    """The worst slices of an output's test rows.

    Args:
        place: of the output among all.
    """
    weak = tuple(w.slice.description for w in cut.weak)
    both = [
        w.slice for w in cut.weak if all(w.slice.description != s.description for s in cut.slices)
    ]  # two slices together
    found = [(s, interval(cut.scores, s.inside)) for s in (*cut.slices, *both)]
    found.sort(key=lambda f: _better_end(cut.scores, f[1]))
    shown = [f for i, f in enumerate(found) if i < SHOWN or f[0].description in weak]
    rows = [_worst(cut.scores, s) for s, _ in shown]
    kept = list(dict.fromkeys(i for some in rows for i in some))
    at = {row: i for i, row in enumerate(kept)}
    known = np.isfinite(cut.scores.values)
    return Slices(
        output=place,
        name=feature.name,
        metric=cut.scores.metric,
        whole=interval(cut.scores, known),
        rows=int(known.sum()),
        slices=tuple(
            SliceFacts(
                s.description, int(s.inside.sum()), found, s.description in weak, tuple(at[i] for i in some), s.redacted
            )
            for (s, found), some in zip(shown, rows, strict=True)
        ),
        looked_at=len(found),
        weak=weak,
        items=_items(feature, seen, cut.scores, kept),
    )


def interval(judged: RowScores, inside: np.ndarray) -> Figure:
    """The mean figure of some rows with its 95 % interval: a share's, or that of a mean of many."""
    values = judged.values[inside & np.isfinite(judged.values)]
    if np.isin(values, (0.0, 1.0)).all():
        return measure.share_interval(int(values.sum()), len(values))
    mean, half = float(values.mean()), 1.959964 * float(values.std(ddof=1)) / len(values) ** 0.5
    return Figure(mean, max(mean - half, 0.0), mean + half)


def _better_end(judged: RowScores, shown: Figure) -> float:
    """The end of an interval that is right more often; less is worse."""
    end = shown.high if higher_is_better(judged.metric) else shown.low
    assert end is not None
    return end if higher_is_better(judged.metric) else -end


def _worst(judged: RowScores, one: Slice) -> list[int]:
    rows = np.flatnonzero(one.inside & np.isfinite(judged.values))
    return rows[np.argsort(-judged.errors[rows], kind="stable")][:ITEMS].tolist()


def _items(feature: Feature, seen: OutputRows, judged: RowScores, rows: Sequence[int]) -> tuple[Mistake, ...]:
    """Rows with their truth and answer; where no word says these, with their figure."""
    chosen = np.array(rows, np.int64)
    decoded = feature.decode({k: v[chosen] for k, v in seen.best.items()}, seen.calibration)
    raw = seen.prepared.table[feature.column]
    items = []
    for i, answer in zip(rows, decoded, strict=True):
        true, said = (_in_words(v) for v in (raw[int(seen.rows[i])], answer["value"]))
        if said is None or true is None:
            true, said = "", f"{metric_title(judged.metric)} {metric_text(judged.metric, float(judged.values[i]))}"
        sure = answer.get("confidence") if judged.metric == "accuracy" else None
        items.append(mistake(seen.prepared, seen.rows, i, true, said, sure))
    return tuple(items)


def _in_words(value: Any) -> str | float | None:
    """A class, a number, a text or some labels; None for what is no such thing."""
    if isinstance(value, str | bool | int | np.bool_ | np.integer):
        return str(value)
    if isinstance(value, float | np.floating):
        return float(value)
    listed = list(value) if isinstance(value, list | tuple) or hasattr(value, "to_list") else None
    if listed is not None and all(isinstance(v, str) for v in listed):
        return ", ".join(listed) or "none"
    return None
