"""Columns that are spread otherwise in the test than in training, where the split is not by chance.

Of numbers the largest distance between the two shares below a value (Kolmogorov and Smirnov), of categories half the
sum of the differences between shares; both run from 0 to 1, and must be large as well as beyond chance. Of all columns
together, answers included, how well a model tells test rows from training rows: `apart.py`.

Source: Massey, 1951, JASA 46 (the bound for numbers); Weissman et al., 2003, HPL-2003-97 (for shares).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from deepglass.doctor.base import Finding
from deepglass.doctor.base import DataContext, join_limited
from deepglass.doctor.measures import Measure
from deepglass.doctor.two_sample_test import TwoSampleTest, two_sample_test
from deepglass.features.base import Raw, take_raw

LEAST = 0.15  # distance from which it matters
CERTAIN = 1e-3  # probability of such a distance by chance, for all columns together
FEWEST = 50  # rows of a part
MOST_VALUES = 200  # of a category; the rarest of more are taken together
LEAST_AUC = 0.6  # from which it matters that a model tells the parts apart: 0.5 is chance
TELLS = 0.02  # of that area goes with a column that is worth its name


def drift(case: DataContext) -> list[Finding]:
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
    return found + _together(case, measures, train, test)


def _together(case: DataContext, measures: Sequence[Measure], train: np.ndarray, test: np.ndarray) -> list[Finding]:
    """What the columns say together."""
    if len(measures) < 2:
        return []
    rows = np.concatenate([train, test])
    second = np.repeat([False, True], [len(train), len(test)])
    x = np.stack([m.values[rows] for m in measures], 1)
    unordered = np.array([m.names is not None for m in measures])
    judged = _judged(case, train, test)
    if min(np.bincount(2 * second + judged, minlength=4)) < FEWEST // 2:
        return []
    found = two_sample_test(x, unordered, second, judged, CERTAIN)
    telling = [measures[k] for k in np.argsort(-found.drops, kind="stable") if found.drops[k] >= TELLS]
    titles = join_limited(list(dict.fromkeys(m.title for m in telling)), 3)
    by = f", most by {titles}" if telling else ""
    return apart_finding(case, found, list(dict.fromkeys(m.column for m in telling)), "training", by)


def apart_finding(case: DataContext, found: TwoSampleTest, columns: Sequence[str], other: str, by: str) -> list[Finding]:
    """That test rows are told from `other` rows; nothing where it is chance or does not matter."""
    if found.auc < max(LEAST_AUC, found.chance):
        return []
    text = (
        f"a model tells test rows from {other} rows that it has not seen (AUC {found.auc:.2f}, where 0.50 is "
        f"guessing and chance stays below {found.chance:.2f}){by}"
    )
    return [case.finding("drift", [], columns, min((found.auc - 0.5) / (LEAST_AUC - 0.5) / 2, 1.0), text)]


def _judged(case: DataContext, *parts: np.ndarray) -> np.ndarray:
    """Which rows of the parts, laid end to end, are judged: half of each, neighbours in time and groups together."""
    by, _, column = case.given.partition(":")
    random = np.random.default_rng(0)
    if by == "group":
        return np.concatenate([_half_of_groups(case.table[column], rows, random) for rows in parts])
    if by == "predefined":
        return np.concatenate([random.permutation(len(rows)) % 2 == 1 for rows in parts])
    time = next((m.values for m in case.measures if m.column == column), case.places.astype(np.float64))
    return np.concatenate([time[rows].argsort(kind="stable").argsort() >= len(rows) / 2 for rows in parts])


def _half_of_groups(raw: Raw, rows: np.ndarray, random: np.random.Generator) -> np.ndarray:
    groups = np.array([str(v) for v in take_raw(raw, rows)])
    names, place = np.unique(groups, return_inverse=True)
    return (random.permutation(len(names)) % 2 == 1)[place]


def _answers(case: DataContext) -> list[Measure]:
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
