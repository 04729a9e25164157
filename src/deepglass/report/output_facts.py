"""What the sections of a report share of one output: metrics, baselines, and rows; plain data.

Numbers may be NaN: they are shown as not measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from deepglass.metrics.paired import PairedTest
from deepglass.metrics.summaries import Figure, Reliability, Thresholds
from deepglass.metrics.table import Metric
from deepglass.report.row_cards import RowCard

BASELINE_ORDER = ("gradient_boosting", "linear", "constant")  # others come before


class Baseline(NamedTuple):
    """A simpler model on the same test rows.

    Args:
        rows: that it was fitted on.
        seconds: that this took.
        paired: the network compared with it, row by row.
    """

    metrics: Mapping[str, float]
    rows: int | None = None
    seconds: float | None = None
    paired: PairedTest | None = None


def ordered_baselines(baselines: Mapping[str, Baseline]) -> list[str]:
    """Their names from the strongest kind of model to the simplest."""
    return sorted(baselines, key=lambda n: BASELINE_ORDER.index(n) if n in BASELINE_ORDER else -1)


@dataclass(frozen=True, kw_only=True)
class ClassFacts:
    """The test predictions of an output with classes.

    Args:
        names: of the classes of the matrix; of thousands of classes the last stands for all that it lacks.
        total: number of classes; None for that of the names.
        confusion: counts, a row a true class, a column a predicted one.
        reliability: how good the confidences are.
        thresholds: binary outputs only.
        unit: what is counted, such as a word.

    Shapes:
        names: (K,). confusion: (K, K).
    """

    names: tuple[str, ...]
    total: int | None = None
    confusion: np.ndarray | None = None
    reliability: Reliability | None = None
    thresholds: Thresholds | None = None
    unit: str = "row"


class CoverageBand(NamedTuple):
    """The prediction intervals of a fifth of the test rows.

    Args:
        by: what the rows are sorted by: "prediction" or "true value".
        low, high: ends of the band.
        rows: how many.
        coverage: the share of their true values inside the intervals.
        width: mean width of the intervals.
        constant_coverage: the share inside intervals of one width for all rows; None where these are such.
    """

    by: str
    low: float
    high: float
    rows: int
    coverage: Figure
    width: float
    constant_coverage: Figure | None


@dataclass(frozen=True, kw_only=True)
class NumberFacts:
    """The test predictions of an output that is a number, in the user's units.

    Args:
        truth, predicted: of at most about 2,000 rows, sampled by `summaries.sample`.
        low, high: ends of the conformal intervals of the same rows.
        level: the share of true values that the intervals should contain.
        coverage: the share that they contain, over all test rows.
        bands: the same by fifths of the prediction, then of the true value; empty without intervals or for few rows.
        has_scale: whether the width of the intervals follows the row.
        why_constant: why the intervals have one width for all rows; empty where it follows the row.
        residuals: quantiles of predicted minus true over all test rows, such as {0.05: -31000, 0.5: 120, ...}.
        errors: quantiles of the absolute residuals.

    Shapes:
        truth, predicted, low, high: (N,) float.
    """

    truth: np.ndarray
    predicted: np.ndarray
    low: np.ndarray | None = None
    high: np.ndarray | None = None
    level: float | None = None
    coverage: float | None = None
    bands: tuple[CoverageBand, ...] = ()
    has_scale: bool = False
    why_constant: str = ""
    residuals: Mapping[float, float] = field(default_factory=dict)
    errors: Mapping[float, float] = field(default_factory=dict)

    def without_rows(self) -> NumberFacts:
        """Without the values of single rows."""
        return replace(self, truth=self.truth[:0], predicted=self.predicted[:0], low=None, high=None)


@dataclass(frozen=True, kw_only=True)
class OutputFacts:
    """One output and how well it is predicted.

    Args:
        name: the output's name; of an objective without outputs, the objective's.
        metric: the main metric.
        test: metric name -> value on the test rows, with its interval.
        test_rows: how many rows that was.
        unit: what a row is, such as an episode.
        baselines: "constant", "linear", "gradient_boosting" -> baseline.
        classes: of outputs with classes.
        numbers: of outputs that are numbers.
        mistakes: most confident (or farthest off) first; about four a pair of classes, about 60 in all.
        items: of classes, a few rows of each cell of the confusion matrix that are not among the mistakes.
        warnings: sentences about this output, such as what an imbalance means for its metrics.
    """

    name: str
    metric: Metric
    test: Mapping[str, Figure]
    test_rows: int
    unit: str = "row"
    baselines: Mapping[str, Baseline] = field(default_factory=dict)
    classes: ClassFacts | None = None
    numbers: NumberFacts | None = None
    mistakes: tuple[RowCard, ...] = ()
    items: tuple[RowCard, ...] = ()
    warnings: tuple[str, ...] = ()

    def without_rows(self) -> OutputFacts:
        """Its metrics alone."""
        return replace(self, numbers=self.numbers and self.numbers.without_rows(), mistakes=(), items=())
