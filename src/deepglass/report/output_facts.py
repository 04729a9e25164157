"""What a report tells of one output: its figures, what stands beside them, and rows that it answered; plain data.

Numbers may be NaN: they are shown as not measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from deepglass.introspect.attention import DecoderAttention, EncoderAttention
from deepglass.metrics.summaries import Figure, Reliability, Thresholds
from deepglass.metrics.table import Metric
from deepglass.report.audio_facts import Heard
from deepglass.report.explanation_facts import Why
from deepglass.report.image_facts import Curves, Legend, Overlay, Redrawn, Verification
from deepglass.report.text_facts import Tagged, Wrote


class Baseline(NamedTuple):
    """A simpler model on the same test rows: its metrics, the rows that it was fitted on, the seconds it took."""

    metrics: Mapping[str, float]
    rows: int | None = None
    seconds: float | None = None


@dataclass(frozen=True, kw_only=True)
class ClassFacts:
    """The test answers of an output that is a class or yes-or-no.

    Args:
        names: class names, (K,).
        confusion: (K, K) counts, a row a true class, a column an answer.
        reliability: how true the confidences are.
        thresholds: yes-or-no outputs only.
    """

    names: tuple[str, ...]
    confusion: np.ndarray | None = None
    reliability: Reliability | None = None
    thresholds: Thresholds | None = None


@dataclass(frozen=True, kw_only=True)
class NumberFacts:
    """The test answers of an output that is a number, in the user's units.

    Args:
        truth: (N,) at most about 2,000 rows are drawn; `measure.sample` picks them.
        predicted: (N,) the answers to the same rows.
        low: (N,) lower ends of the conformal intervals of the same rows.
        high: (N,) upper ends.
        level: the share of rows whose truth the intervals promise to hold.
        coverage: the share that they did hold, over all test rows.
        residuals: quantiles of predicted minus true over all test rows, such as {0.05: -31000, 0.5: 120, ...}.
    """

    truth: np.ndarray
    predicted: np.ndarray
    low: np.ndarray | None = None
    high: np.ndarray | None = None
    level: float | None = None
    coverage: float | None = None
    residuals: Mapping[float, float] = field(default_factory=dict)

    def without_rows(self) -> NumberFacts:
        """Their figures alone."""
        return replace(self, truth=self.truth[:0], predicted=self.predicted[:0], low=None, high=None)


@dataclass(frozen=True)
class Mistake:
    """A test row that was answered wrongly, or, for a number, far off; or one that is shown beside these.

    Args:
        row: its 0-based place in the source.
        truth: the true answer: a class name or a number.
        predicted: the network's answer.
        confidence: 0 to 1, where there is one.
        picture: a small PNG, at most about 96 pixels a side; `measure.thumbnail` makes one.
        values: the row's other values as text, most telling first.
    """

    row: int
    truth: str | float
    predicted: str | float
    confidence: float | None = None
    picture: bytes | None = None
    values: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class OutputFacts:
    """One output and how well it is answered.

    Args:
        name: the output's name.
        kind: its feature kind.
        metric: the figure to watch.
        test: metric name -> figure on the test rows.
        test_rows: how many rows that was.
        unit: what a row is, such as an episode.
        baselines: "constant", "linear", "gradient_boosting" -> baseline.
        classes: for classes and yes-or-no.
        numbers: for numbers.
        mistakes: most confident (or farthest off) first; about four a pair of classes, about 60 in all.
        items: of classes, a few rows of each cell of the confusion matrix that are not among the mistakes.
        remarks: sentences about this output, such as what an imbalance means for its figures.
        overlays: pictures with truth and answer drawn over them, the worst first, then some typical ones.
        show_from: boxes of this confidence and more are shown at first.
        legend: the classes of masks and their colours.
        per_class: class -> metric -> value, with "rows" for how many true ones there are.
        curves: precision over recall.
        verification: for an output that tells same from different.
        redrawn: for an output that is a picture, the worst first.
        wrote: for an output that is a text, the worst first; for a language model, what it wrote.
        tagged: for an output of tags, the sentences with the most mistakes first.
        looked: where the words of an answer looked.
        read: what was read before an answer.
        heard: for an output that is answered from sounds, the worst first.
        whys: some rows with what adds to their answers.
    """

    name: str
    kind: str
    metric: Metric
    test: Mapping[str, Figure]
    test_rows: int
    unit: str = "row"
    baselines: Mapping[str, Baseline] = field(default_factory=dict)
    classes: ClassFacts | None = None
    numbers: NumberFacts | None = None
    mistakes: tuple[Mistake, ...] = ()
    items: tuple[Mistake, ...] = ()
    remarks: tuple[str, ...] = ()
    overlays: tuple[Overlay, ...] = ()
    show_from: float = 0.5
    legend: tuple[Legend, ...] = ()
    per_class: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    curves: Curves | None = None
    verification: Verification | None = None
    redrawn: tuple[Redrawn, ...] = ()
    wrote: tuple[Wrote, ...] = ()
    tagged: tuple[Tagged, ...] = ()
    looked: tuple[DecoderAttention, ...] = ()
    read: tuple[EncoderAttention, ...] = ()
    heard: tuple[Heard, ...] = ()
    whys: tuple[Why, ...] = ()

    def without_rows(self) -> OutputFacts:
        """Its figures alone, and what was drawn from the network itself."""
        shown = replace(
            self,
            numbers=self.numbers and self.numbers.without_rows(),
            verification=self.verification and self.verification.without_rows(),
            wrote=tuple(w for w in self.wrote if w.row is None),
        )
        shown = replace(shown, mistakes=(), items=(), overlays=(), redrawn=(), tagged=())
        return replace(shown, looked=(), read=(), heard=(), whys=())
