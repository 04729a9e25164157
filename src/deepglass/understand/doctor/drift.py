"""Columns that are spread otherwise in the test than in training, where the split is not by chance.

Of numbers the largest distance between the two shares below a value (Kolmogorov and Smirnov), of categories half the
sum of the differences between shares; both run from 0 to 1, and must be large as well as beyond chance.

Source: Massey, 1951, JASA 46 (the bound for numbers); Weissman et al., 2003, HPL-2003-97 (for shares).
"""

from __future__ import annotations

import numpy as np

from deepglass.understand.doctor.base import Case, Finding
from deepglass.understand.doctor.measured import Measure

LEAST = 0.15  # distance from which it matters
CERTAIN = 1e-3  # probability of such a distance by chance, for all columns together
FEWEST = 50  # rows of a part
MOST_VALUES = 200  # of a category; the rarest of more are taken together


def drift(case: Case) -> list[Finding]:
    if case.split is None or not case.given:
        return []
    train, test = (np.flatnonzero(case.split == part) for part in ("train", "test"))
    if min(len(train), len(test)) < FEWEST:
        return []
    by = case.given.partition(":")[2]
    measures = [m for m in (*case.measures, *_answers(case)) if m.column != by and not _is_time(m)]
    found = []
    for measure in measures:
        a, b = (measure.values[rows][np.isfinite(measure.values[rows])] for rows in (train, test))
        if min(len(a), len(b)) < FEWEST:
            continue
        chance = CERTAIN / len(measures)
        distance, bound = _shares(a, b, chance) if measure.names is not None else _below(a, b, chance)
        if distance >= max(LEAST, bound):
            text = f"{measure.title}: {_said(measure, a, b)} (distance {distance:.2f} of 1)"
            found.append(case.finding("drift", [], [measure.column], min(distance / LEAST / 2, 1.0), text))
    return found


def _answers(case: Case) -> list[Measure]:
    return [Measure(t.column, "", t.values, t.classes) for t in case.targets]


def _is_time(measure: Measure) -> bool:
    """Whether a column goes on from row to row, so that later rows must differ."""
    steps = np.diff(measure.values[np.isfinite(measure.values)])
    return measure.what == "time" or (len(steps) > 0 and bool((steps >= 0).all() or (steps <= 0).all()))


def _below(a: np.ndarray, b: np.ndarray, chance: float) -> tuple[float, float]:
    points = np.concatenate([a, b])
    below = [np.searchsorted(np.sort(part), points, side="right") / len(part) for part in (a, b)]
    bound = np.sqrt(-np.log(chance / 2) / 2 * (1 / len(a) + 1 / len(b)))
    return float(np.abs(below[0] - below[1]).max()), float(bound)


def _shares(a: np.ndarray, b: np.ndarray, chance: float) -> tuple[float, float]:
    values, codes = np.unique(np.concatenate([a, b]), return_inverse=True)
    counts = [np.bincount(part, minlength=len(values)) for part in (codes[: len(a)], codes[len(a) :])]
    order = np.argsort(-(counts[0] + counts[1]), kind="stable")
    rare = order[MOST_VALUES:]
    shares = [np.append(c[order[:MOST_VALUES]], c[rare].sum()) / c.sum() for c in counts]
    K = len(shares[0])
    bound = sum(np.sqrt((K * np.log(2) - np.log(chance)) / (2 * n)) for n in (len(a), len(b)))
    return float(np.abs(shares[0] - shares[1]).sum() / 2), float(bound)


def _said(measure: Measure, a: np.ndarray, b: np.ndarray) -> str:
    if measure.names is None:
        return f"{np.median(a):.4g} in the middle of training, {np.median(b):.4g} in the test"
    share = [np.bincount(part.astype(int), minlength=len(measure.names)) / len(part) for part in (a, b)]
    k = int(np.abs(share[0] - share[1]).argmax())
    return f"{measure.names[k]!r} is {share[0][k]:.1%} of training, {share[1][k]:.1%} of the test"
