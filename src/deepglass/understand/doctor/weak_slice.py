"""Slices of the rows where a run errs far more than elsewhere, beyond chance.

A slice is one value of a category, or a quarter of the rows by a number: a value, a text's length, a picture's
brightness. As many are looked at, chance must be ruled out for all of them together (Bonferroni).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from deepglass.understand.doctor.base import Case, Finding
from deepglass.understand.doctor.measured import Measure

FEWEST = 20  # rows of a slice
FACTOR = 1.5  # by which its error is above the others'
CERTAIN = 0.01  # probability of one such slice by chance
MOST_VALUES = 50  # of a category
PARTS = 4
SHOWN = 5


class Slice(NamedTuple):
    """Rows that have something in common."""

    column: str
    words: str
    rows: np.ndarray


def weak_slice(case: Case, rows: np.ndarray, errors: np.ndarray, output: str) -> list[Finding]:
    """The slices of `rows` whose mean error is high.

    Args:
        rows: (n,) rows of the case that were not trained on.
        errors: (n,) of each, 1 or 0 for a class, a distance for a number.
    """
    known = np.isfinite(errors)
    rows, errors = rows[known], errors[known]
    if len(rows) < 3 * FEWEST or errors.std() == 0:
        return []
    slices = [s for measure in case.measures for s in _slices(measure, rows) if FEWEST <= len(s.rows) < len(rows)]
    weak = []
    for one in slices:
        inside = np.zeros(len(rows), bool)
        inside[one.rows] = True
        own, others = errors[inside], errors[~inside]
        if len(others) < FEWEST or own.mean() < FACTOR * max(others.mean(), 1e-12):
            continue
        if _by_chance(own, others) < CERTAIN / len(slices):
            weak.append((float(own.mean() / max(others.mean(), 1e-12)), one, float(own.mean()), float(others.mean())))
    weak.sort(key=lambda w: -w[0])
    share = set(np.unique(errors)) <= {0.0, 1.0}
    figure = (lambda v: f"{v:.1%}") if share else (lambda v: f"{v:.4g}")
    return [
        case.finding(
            "weak_slice",
            rows[one.rows],
            [one.column],
            1 - CERTAIN,
            f"{output}: where {one.words} ({len(one.rows):,} rows) the error is {figure(own)}, else {figure(others)}",
        )
        for _, one, own, others in weak[:SHOWN]
    ]


def _slices(measure: Measure, rows: np.ndarray) -> Iterator[Slice]:
    """The parts of some rows by one measure; `Slice.rows` are places among `rows`."""
    values = measure.values[rows]
    known = np.isfinite(values)
    if (~known).any() and known.any():
        yield Slice(measure.column, f"{measure.title} is missing", np.flatnonzero(~known))
    if not known.any():
        return
    if measure.names is not None:
        codes, counts = np.unique(values[known], return_counts=True)
        for code in codes[np.argsort(-counts, kind="stable")][:MOST_VALUES]:
            yield Slice(
                measure.column, f"{measure.title} is {measure.names[int(code)]!r}", np.flatnonzero(values == code)
            )
        return
    edges = np.unique(np.quantile(values[known], np.linspace(0, 1, PARTS + 1)))
    for i, (low, high) in enumerate(pairwise(edges)):
        last = i == len(edges) - 2
        inside = (values >= low) & ((values <= high) if last else (values < high))
        yield Slice(measure.column, f"{measure.title} is from {low:.4g} to {high:.4g}", np.flatnonzero(inside))


def _by_chance(own: np.ndarray, others: np.ndarray) -> float:
    """The probability of so much larger a mean by chance, by Welch's statistic and a normal bound, exp(-z^2 / 2)."""
    spread = np.sqrt(own.var() / len(own) + others.var() / len(others) + 1e-12)
    z = (own.mean() - others.mean()) / spread
    return float(np.exp(-(z**2) / 2)) if z > 0 else 1.0
