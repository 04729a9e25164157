"""Slice discovery: groups of test rows with a significantly larger error than the rest.

A slice is a value of a category, a quarter of the rows by a number (a value, a text's length, an image's brightness), a
month, or the intersection of two of these. A slice is weak where its error is at least 1.5 times that of the rest, with
a probability by chance of at most 0.01 over all slices (Holm's correction: each further slice is searched among the
rows of none before).

Error rates are compared by Fisher's exact test, other errors by their ranks (Wilcoxon's test), so that no outlier
decides. An intersection is reported where neither slice alone explains it: within each, the rows of the other
have larger errors.

Source: Chung et al., 2019, arXiv 1807.06068 (Slice Finder); Fisher, 1935, The Design of Experiments; Wilcoxon, 1945,
Biometrics Bulletin 1; Holm, 1979, Scandinavian J. of Statistics 6.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import polars as pl

from deepglass.doctor.base import DataContext
from deepglass.doctor.measures import Measure, calendar_measures, measures_of
from deepglass.doctor.row_scores import RowScores, row_scores
from deepglass.features.base import FEATURES, Column, infer_type
from deepglass.features.outputs.base import Calibration, Output, PredictionArrays

MIN_ROWS = 20  # of a slice, and outside of it
MIN_FACTOR = 1.5  # of a weak slice's error to that of the rest
SIGNIFICANCE = 0.01  # for all slices together
OUTLIERS = 0.05  # share of the largest errors that count no more than the next smaller one
MAX_VALUES = 50  # of a category, the most frequent
NUM_QUANTILES = 4  # slices of a number
MAX_MEASURES = 200
MAX_ROWS = 20_000  # that are compared
MAX_PAIRED = 300  # the largest slices, whose intersections are searched
MAX_WEAK = 5


class Slice(NamedTuple):
    """Rows with something in common.

    Args:
        description: such as "age is from 17 to 28".
        inside: (N,) bool.
        redacted: the description without values of rows, such as "age is …".
    """

    columns: tuple[str, ...]
    description: str
    inside: np.ndarray
    redacted: str


class WeakSlice(NamedTuple):
    """A slice with a larger error than the other rows.

    Args:
        among: (N,) bool, the rows that were compared: those of no weak slice before.
        chance: bound on the probability by chance.
    """

    slice: Slice
    among: np.ndarray
    chance: float


class SliceResult(NamedTuple):
    """The scores of some rows, their slices, and the weak ones among them."""

    scores: RowScores
    slices: tuple[Slice, ...]
    weak: tuple[WeakSlice, ...]


def find_slices(
    context: DataContext, output: Output, best: PredictionArrays, truth: Column, calibration: Calibration
) -> SliceResult | None:
    """The slices of the context's rows and the weak ones; None where the rows are too few.

    Args:
        best: predictions for these rows, which were not trained on.
        truth: their labels.
    """
    scores = row_scores(output, best, truth, calibration)
    if scores is None or np.isfinite(scores.values).sum() < 3 * MIN_ROWS:
        return None
    slices = build_slices([*context.measures, *_other_columns(context)], np.isfinite(scores.values))
    return SliceResult(scores, tuple(slices), tuple(weak_slices(slices, scores.errors))) if slices else None


def build_slices(measures: Sequence[Measure], scored: np.ndarray) -> list[Slice]:
    """Distinct slices of some rows.

    Args:
        measures: of these rows, (N,) values each.
        scored: (N,) bool; a slice has at least `MIN_ROWS` of them inside and outside.
    """
    slices: dict[bytes, Slice] = {}
    for measure in measures[:MAX_MEASURES]:
        timed = calendar_measures(measure) if measure.what == "time" else []
        for one in (s for m in (measure, *timed) for s in _parts(m)):
            inside = one.inside & scored
            if MIN_ROWS <= inside.sum() <= scored.sum() - MIN_ROWS:
                slices.setdefault(np.packbits(inside).tobytes(), one._replace(inside=inside))
    return list(slices.values())


def weak_slices(slices: Sequence[Slice], errors: np.ndarray) -> list[WeakSlice]:
    """The weak slices, the most significant first.

    Args:
        errors: (N,) of each row, 0 is right; NaN = not scored.
    """
    among = np.isfinite(errors)
    left = np.flatnonzero(among)
    left = left[np.unique(np.linspace(0, len(left) - 1, min(MAX_ROWS, len(left))).astype(np.int64))]
    weak: list[WeakSlice] = []
    while len(weak) < MAX_WEAK and len(left) >= 2 * MIN_ROWS:
        chosen, chance = _most_significant([s.inside[left] for s in slices], errors[left])
        if chance >= SIGNIFICANCE:
            break
        parts = [slices[i] for i in chosen]
        worst = Slice(
            tuple(dict.fromkeys(c for s in parts for c in s.columns)),
            " and ".join(s.description for s in parts),
            np.all([s.inside for s in parts], 0),
            " and ".join(s.redacted for s in parts),
        )
        weak.append(WeakSlice(worst, among, chance))
        among = among & ~worst.inside
        left = left[among[left]]
    return weak


# -- slices of one measure ---------------------------------------------------------------------------------------


def _other_columns(context: DataContext) -> list[Measure]:
    """Measures of the columns that the user or the source excluded from the inputs: speaker, time, place."""
    measures: list[Measure] = []
    for role in context.roles:
        excluded = (
            role.role == "ignored" and role.finding != "leak" and (not role.kind or role.name in context.table.excluded)
        )
        if excluded and role.name in context.table.columns:
            raw = context.table[role.name]
            kind = role.kind or infer_type(raw, role.name)[0]
            measures += measures_of(FEATURES.get(kind), role.name, raw, {})
    return measures


def _parts(measure: Measure) -> Iterator[Slice]:
    """The slices of all rows by one measure."""
    values, present = measure.values, np.isfinite(measure.values)
    columns, redacted = (measure.column,), f"{measure.title} is …"
    if measure.complete and present.any() and not present.all():
        yield Slice(columns, words := f"{measure.title} is missing", ~present, words)
    if measure.names is not None:
        codes, counts = np.unique(values[present], return_counts=True)
        for code in codes[np.argsort(-counts, kind="stable")][:MAX_VALUES]:
            yield Slice(columns, f"{measure.title} is {measure.format(code)}", values == code, redacted)
    elif present.any():
        part = np.where(present, np.searchsorted(_bounds(values[present]), values), -1)
        for k in np.unique(part[present]):
            low, high = (measure.format(end(values[part == k])) for end in (np.min, np.max))
            words = low if low == high else f"from {low} to {high}"
            yield Slice(columns, f"{measure.title} is {words}", part == k, redacted)


def _bounds(values: np.ndarray) -> np.ndarray:
    """Upper bounds of all slices but the last: each value where there are few, else the quantiles."""
    distinct = np.unique(values)
    if len(distinct) <= 2 * NUM_QUANTILES:
        return distinct[:-1]
    return np.unique(np.quantile(values, np.linspace(0, 1, NUM_QUANTILES + 1)[1:-1], method="lower"))


# -- weak slices -------------------------------------------------------------------------------------------------
# Sums over a slice's rows are (4, ...): number of rows, sums of errors, of scores and of squared scores.


def _most_significant(inside: Sequence[np.ndarray], errors: np.ndarray) -> tuple[tuple[int, ...], float]:
    """Indices of the slices, two or one, with the smallest probability by chance, and a bound on it.

    Args:
        inside: (N,) bool of each slice.
        errors: (N,) of each row.
    """
    count = len(errors)
    large = [i for i, rows in enumerate(inside) if MIN_ROWS <= rows.sum() <= count - MIN_ROWS]
    if not large:
        return (), 1.0
    shares = bool(np.isin(errors, (0.0, 1.0)).all())
    scores = errors if shares else _ranks(errors)
    if not shares:  # a few outliers alone make no slice weak
        errors = np.minimum(errors, np.quantile(errors, 1 - OUTLIERS))
    each = np.stack([np.ones(count), errors, scores, scores**2])  # (4, N)
    whole = each.sum(1)
    own = np.stack([each[:, inside[i]].sum(1) for i in large], 1)  # (4, S)
    largest = np.sort(np.argsort(-own[0], kind="stable")[:MAX_PAIRED])
    i, j, chance = _pair(np.array([inside[large[k]] for k in largest]), each, shares)
    if chance < SIGNIFICANCE:
        return (large[largest[i]], large[largest[j]]), chance
    alone = 2 * len(large) * np.where(_worse(own, whole[:, None]), _chance(own, whole[:, None], shares), 1.0)
    best = int(alone.argmin())
    return (large[best],), float(alone[best])


def _pair(inside: np.ndarray, each: np.ndarray, shares: bool) -> tuple[int, int, float]:
    """The two slices (S, N) of bool with the worst intersection, and a bound on its probability given one of them."""
    whole = each.sum(1)[:, None, None]
    own = np.stack([each[:, rows].sum(1) for rows in inside], 1)  # (4, S)
    if shares:  # scores are errors, 0 or 1
        errors = _common(inside[:, each[1] == 1])
        others = [errors, errors, errors]
    else:
        exact = inside.astype(np.float64)
        others = [(exact * one) @ exact.T for one in each[1:]]
    both = np.stack([_common(inside), *others])  # (4, S, S)
    parents = (own[:, :, None], own[:, None, :])
    fits = np.triu(both[0] >= MIN_ROWS, 1)
    for parent in parents:
        fits &= parent[0] - both[0] >= MIN_ROWS
    if not fits.any():
        return 0, 0, 1.0
    chance = 2 * fits.sum() * np.maximum(*(_chance(both, parent, shares) for parent in parents))
    beyond = fits & (chance < SIGNIFICANCE)
    for other in (*parents, whole):
        beyond &= _worse(both, other)
    evident = np.where(beyond, _chance(both, whole, shares), np.inf)
    i, j = np.unravel_index(int(evident.argmin()), evident.shape)
    return int(i), int(j), float(chance[i, j]) if beyond[i, j] else 1.0


def _common(inside: np.ndarray) -> np.ndarray:
    """The number of rows that two slices (S, N) have in common, (S, S) float64: float32 counts exactly to 2**24."""
    ones = inside.astype(np.float32)
    return (ones @ ones.T).astype(np.float64)


def _worse(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Whether the mean error of a part is at least `MIN_FACTOR` times that of the rest; sums, (4, ...)."""
    rest = np.maximum(whole - part, 0)
    return (part[1] > 0) & (part[1] * rest[0] >= MIN_FACTOR * rest[1] * part[0])


def _chance(part: np.ndarray, whole: np.ndarray, shares: bool) -> np.ndarray:
    """Probability of a mean score so high in a random sample of the whole; sums, (4, ...)."""
    n, m = whole[0], np.maximum(part[0], 1)
    mean, high = whole[2] / n, part[2] / m
    if shares:
        chance = hypergeometric_tail(part[1], m, whole[1], n)
    else:
        from scipy.special import ndtr

        variance = (whole[3] / n - mean**2) * (n - m) / np.maximum(n - 1, 1) / m
        chance = ndtr((mean - high) / np.sqrt(np.maximum(variance, 1e-300)))
    return np.where(high > mean, chance, 1.0)


def hypergeometric_tail(
    errors: np.ndarray, rows: np.ndarray, all_errors: np.ndarray, all_rows: np.ndarray
) -> np.ndarray:
    """Probability that `rows` of `all_rows` rows, chosen at random, have at least `errors` of the `all_errors` errors.

    Valid above the mean, where the terms of its sum fall; all arguments have one shape, or broadcast. The same as
    `scipy.stats.hypergeom.sf`, which takes seconds for all pairs of slices.
    """
    from scipy.special import gammaln

    def log_choose(n: np.ndarray, k: np.ndarray) -> np.ndarray:
        return gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)

    right = all_rows - all_errors
    ways = log_choose(all_errors, errors) + log_choose(right, rows - errors) - log_choose(all_rows, rows)
    term = np.exp(ways)
    total, k = term, errors
    while (term > 1e-9 * total).any():
        ratio = (all_errors - k) * (rows - k) / ((k + 1) * np.maximum(right - rows + k + 1, 1))
        term, k = term * np.clip(ratio, 0, 1), k + 1
        total = total + term
    return np.minimum(total, 1.0)


def _ranks(values: np.ndarray) -> np.ndarray:
    """Relative ranks of the values, from 0 to 1; equal values share theirs."""
    return (pl.Series(values).rank().to_numpy() - 1) / max(len(values) - 1, 1)
