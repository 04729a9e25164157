"""Slices: test rows that have something in common, and those among them where a run errs more than elsewhere.

A slice is a value of a category, a quarter of the rows by a number (the value, a text's length, a picture's
brightness), a month; or two of these together. Hundreds are looked at, so one that is only unlucky is always among
them: one is called weak where it errs by half more than the rest, and chance would bring forth any such in at most one
run of a hundred.

Shares of wrong answers are compared by a bound on drawing rows without looking, distances by their ranks, so that no
outlier decides. Two slices together are named where neither alone explains it: inside each of them, the rows that are
in the other err more than those that are not. Further ones are looked for outside of those already named.

Source: Hoeffding, 1963, JASA 58, theorems 1 and 4 (shares); Wilcoxon, 1945, Biometrics Bulletin 1 (ranks). All slices
together are allowed for by the union bound (Bonferroni).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from deepglass.doctor.base import DataContext
from deepglass.doctor.measures import Measure, measures_of
from deepglass.doctor.measures import calendar_measures
from deepglass.doctor.row_scores import RowScores, row_scores
from deepglass.features.base import Column, infer_type
from deepglass.features.outputs.base import Calibration, Output, PredictionArrays

FEWEST = 20  # rows of a slice, and outside of it
FACTOR = 1.5  # by which its error is above the others'
CERTAIN = 0.01  # probability of a weak slice by chance, for all that are looked at together
MOST_VALUES = 50  # of a category, the most frequent
PARTS = 4  # of the rows by a number
MEASURES = 200  # that are looked at, the first
ROWS = 20_000  # that are compared, at most
PAIRED = 300  # slices that are put together by twos, the largest
NAMED = 5


class Slice(NamedTuple):
    """Rows that have something in common.

    Args:
        words: what that is, such as "age is from 17 to 28".
        inside: (N,) bool.
        unsaid: the words without what stands in rows, such as "age is …".
    """

    columns: tuple[str, ...]
    words: str
    inside: np.ndarray
    unsaid: str


class Weak(NamedTuple):
    """A slice that errs more than the other rows.

    Args:
        among: (N,) bool, the rows among which it does: those that are in no slice named before.
        chance: a bound on the probability of any such by chance.
    """

    slice: Slice
    among: np.ndarray
    chance: float


class Cut(NamedTuple):
    """Answers to some rows, cut into slices."""

    row_scores: RowScores
    slices: tuple[Slice, ...]
    weak: tuple[Weak, ...]


def cut_up(case: DataContext, feature: Output, best: PredictionArrays, truth: Column, calibration: Calibration) -> Cut | None:
    """The slices of a case's rows, and those where the answers are worse; None where the rows are too few.

    Args:
        best: the answers to the same rows, which nothing was learned from.
        truth: and what they should be.
    """
    found = row_scores(feature, best, truth, calibration)
    if found is None or np.isfinite(found.values).sum() < 3 * FEWEST:
        return None
    slices = slices_by([*case.measures, *_beside(case)], np.isfinite(found.values))
    return Cut(found, tuple(slices), tuple(weak_slices(slices, found.errors))) if slices else None


def slices_by(measures: Sequence[Measure], looked_at: np.ndarray) -> list[Slice]:
    """The slices of some rows, each once.

    Args:
        measures: of these rows, (N,) values each.
        looked_at: (N,) bool, the rows that count: a slice has at least `FEWEST` of them, and lacks as many.
    """
    found: dict[bytes, Slice] = {}
    for measure in measures[:MEASURES]:
        timed = calendar_measures(measure) if measure.what == "time" else []
        for one in (s for m in (measure, *timed) for s in _parts(m)):
            inside = one.inside & looked_at
            if FEWEST <= inside.sum() <= looked_at.sum() - FEWEST:
                found.setdefault(np.packbits(inside).tobytes(), one._replace(inside=inside))
    return list(found.values())


def weak_slices(slices: Sequence[Slice], errors: np.ndarray) -> list[Weak]:
    """The slices where a run errs more than elsewhere, the most evident first.

    Args:
        errors: (N,) of each row, 0 is right; NaN = not known.
    """
    among = np.isfinite(errors)
    left = np.flatnonzero(among)
    left = left[np.unique(np.linspace(0, len(left) - 1, min(ROWS, len(left))).astype(np.int64))]
    found: list[Weak] = []
    while len(found) < NAMED and len(left) >= 2 * FEWEST:
        chosen, chance = _most_evident([s.inside[left] for s in slices], errors[left])
        if chance >= CERTAIN:
            break
        parts = [slices[i] for i in chosen]
        weak = Slice(
            tuple(dict.fromkeys(c for s in parts for c in s.columns)),
            " and ".join(s.words for s in parts),
            np.all([s.inside for s in parts], 0),
            " and ".join(s.unsaid for s in parts),
        )
        found.append(Weak(weak, among, chance))
        among = among & ~weak.inside
        left = left[among[left]]
    return found


# -- what rows have in common ------------------------------------------------------------------------------------


def _beside(case: DataContext) -> list[Measure]:
    """Measures of the columns that are no inputs, as was asked or as the source says: who spoke, when, where."""
    found: list[Measure] = []
    for taken in case.taken:
        asked = taken.role == "ignored" and (not taken.kind or taken.name in case.table.excluded)
        if asked and taken.name in case.table.columns:
            raw = case.table[taken.name]
            found += measures_of(taken.kind or infer_type(raw, taken.name)[0], taken.name, raw, {})
    return found


def _parts(measure: Measure) -> Iterator[Slice]:
    """The parts of all rows by one measure."""
    values, known = measure.values, np.isfinite(measure.values)
    columns, unsaid = (measure.column,), f"{measure.title} is …"
    if measure.looked and known.any() and not known.all():
        yield Slice(columns, words := f"{measure.title} is missing", ~known, words)
    if measure.names is not None:
        codes, counts = np.unique(values[known], return_counts=True)
        for code in codes[np.argsort(-counts, kind="stable")][:MOST_VALUES]:
            yield Slice(columns, f"{measure.title} is {measure.said(code)}", values == code, unsaid)
    elif known.any():
        part = np.where(known, np.searchsorted(_cuts(values[known]), values), -1)
        for k in np.unique(part[known]):
            low, high = (measure.said(end(values[part == k])) for end in (np.min, np.max))
            words = low if low == high else f"from {low} to {high}"
            yield Slice(columns, f"{measure.title} is {words}", part == k, unsaid)


def _cuts(values: np.ndarray) -> np.ndarray:
    """The upper ends of all parts but the last: each value where there are few, else those of the quarters."""
    distinct = np.unique(values)
    if len(distinct) <= 2 * PARTS:
        return distinct[:-1]
    return np.unique(np.quantile(values, np.linspace(0, 1, PARTS + 1)[1:-1], method="lower"))


# -- which of them are weak --------------------------------------------------------------------------------------
# Sums over a slice's rows are (4, ...): how many rows, then the sums of errors, of scores and of the scores' squares.


def _most_evident(inside: Sequence[np.ndarray], errors: np.ndarray) -> tuple[tuple[int, ...], float]:
    """The places of the slices, two or one, that chance explains least, and a bound on its probability.

    Args:
        inside: (N,) bool of each slice.
        errors: (N,) of each row.
    """
    count = len(errors)
    kept = [i for i, rows in enumerate(inside) if FEWEST <= rows.sum() <= count - FEWEST]
    if not kept:
        return (), 1.0
    shares = bool(np.isin(errors, (0.0, 1.0)).all())
    scores = errors if shares else _ranks(errors)
    each = np.stack([np.ones(count), errors, scores, scores**2])  # (4, N)
    whole = each.sum(1)
    own = np.stack([each[:, inside[i]].sum(1) for i in kept], 1)  # (4, S)
    largest = np.sort(np.argsort(-own[0], kind="stable")[:PAIRED])
    i, j, chance = _pair(np.array([inside[kept[k]] for k in largest], np.float64), each, shares)
    if chance < CERTAIN:
        return (kept[largest[i]], kept[largest[j]]), chance
    alone = 2 * len(kept) * np.where(_worse(own, whole[:, None]), _chance(own, whole[:, None], shares), 1.0)
    best = int(alone.argmin())
    return (kept[best],), float(alone[best])


def _pair(inside: np.ndarray, each: np.ndarray, shares: bool) -> tuple[int, int, float]:
    """The two slices, (S, N) of 0 and 1, that are worst together, and a bound on the chance that one explains it."""
    whole = each.sum(1)[:, None, None]
    own = each @ inside.T  # (4, S)
    both = np.stack([(inside * one) @ inside.T for one in each])  # (4, S, S)
    parents = (own[:, :, None], own[:, None, :])
    fits = np.triu(both[0] >= FEWEST, 1)
    for parent in parents:
        fits &= parent[0] - both[0] >= FEWEST
    if not fits.any():
        return 0, 0, 1.0
    chance = 2 * fits.sum() * np.maximum(*(_chance(both, parent, shares) for parent in parents))
    beyond = fits & (chance < CERTAIN)
    for other in (*parents, whole):
        beyond &= _worse(both, other)
    evident = np.where(beyond, _chance(both, whole, shares), np.inf)
    i, j = np.unravel_index(int(evident.argmin()), evident.shape)
    return int(i), int(j), float(chance[i, j]) if beyond[i, j] else 1.0


def _worse(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Whether the mean error of a part is far above that of the rest of a whole; sums, (4, ...)."""
    rest = np.maximum(whole - part, 0)
    return (part[1] > 0) & (part[1] * rest[0] >= FACTOR * rest[1] * part[0])


def _chance(part: np.ndarray, whole: np.ndarray, shares: bool) -> np.ndarray:
    """A bound on the probability of so high a mean score in as many rows drawn from a whole; sums, (4, ...)."""
    from scipy.special import rel_entr

    n, m = whole[0], np.maximum(part[0], 1)
    mean, high = whole[2] / n, part[2] / m
    if shares:
        exponent = m * (rel_entr(high, mean) + rel_entr(1 - high, 1 - mean))
    else:
        spread = (whole[3] / n - mean**2) * (n - m) / np.maximum(n - 1, 1)
        exponent = m * (high - mean) ** 2 / np.maximum(2 * spread, 1e-12)
    return np.where(high > mean, np.exp(-exponent), 1.0)


def _ranks(values: np.ndarray) -> np.ndarray:
    """Places in the order of the values, from 0 to 1; equal values share theirs."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    return ((np.cumsum(counts) - (counts + 1) / 2) / max(len(values) - 1, 1))[place]
