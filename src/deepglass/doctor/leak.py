"""Inputs that give the answer away: one of them alone tells nearly every answer, on rows that it was not learned from.

Asked of each value, and of what a file gives away beside its content: a picture's size, brightness or single pixels, a
sound's length, a word in a text.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import polars as pl

from deepglass.doctor.base import Finding, Target
from deepglass.doctor.base import DataContext
from deepglass.doctor.measures import Measure

CLASSES_LEAST = 0.96  # share of a constant answer's mistakes that a column takes away
NUMBERS_LEAST = 0.99  # r2
BOUND = 0.9  # of the same, by chance no less than this
MOST = 5_000  # labelled rows that are looked at
FEWEST = 30
FOLDS = 4
PIXELS_MOST = 1_000  # pictures whose single pixels are looked at
MARK_PURE, MARK_SHARE = 0.99, 0.9  # a word that marks a class stands in so much of it, and so rarely elsewhere


class Given(NamedTuple):
    """How much of a constant answer's error a column takes away, and the lower bound of that."""

    score: float
    low: float


def leak(case: DataContext) -> list[Finding]:
    found = []
    for target in case.targets:
        known = np.flatnonzero(np.isfinite(target.values))
        if len(known) < FEWEST or len(np.unique(target.values[known])) < 2:
            continue
        if len(known) > MOST:
            known = np.sort(np.random.default_rng(0).choice(known, MOST, replace=False))
        for measure in case.measures:
            if _in_time(measure, target):
                continue
            given = gives_away(measure.values[known], target.values[known], measure.names is not None, target)
            found += _finding(case, target, measure.column, measure.what, given)
        found += _pixels(case, target, known)
        found += _words(case, target, known)
    return found


def gives_away(x: np.ndarray, y: np.ndarray, unordered: bool, target: Target) -> Given:
    """How well a column tells the answer, cross-fitted: by the rows of the same value, or by the nearest values.

    Shapes:
        x, y: (n,) float; NaN in `x` = missing, a value of its own.
    """
    n = len(x)
    if target.classes is None:
        said = _told(x, y[:, None], unordered)[:, 0]
        errors = [((y - said) ** 2).sum()] + ([] if unordered else [((y - _line(x, y)) ** 2).sum()])
        total = max(float(((y - y.mean()) ** 2).sum()), 1e-300)
        score = 1 - float(min(errors)) / total
        return Given(score, score)
    codes = np.unique(y, return_inverse=True)[1]
    K = codes.max() + 1
    said = _told(x, np.eye(K, dtype=np.float32)[codes], unordered).argmax(1)
    usual = 1 - np.bincount(codes).max() / n
    wrong = float((said != codes).mean())
    centre, spread = (wrong + 2 / n) / (1 + 4 / n), 2 * np.sqrt(wrong * (1 - wrong) / n + 1 / n**2) / (1 + 4 / n)
    return Given(1 - wrong / usual, 1 - (centre + spread) / usual)


def _told(x: np.ndarray, y: np.ndarray, unordered: bool) -> np.ndarray:
    """What other folds say of each row: the mean of y (n, K) over the rows of its value, or of its neighbours."""
    n = len(x)
    x = np.where(np.isfinite(x), x, np.nanmin(x) - 1 if np.isfinite(x).any() else 0.0)
    fold_of = np.random.default_rng(0).permutation(n) % FOLDS
    said = np.empty(y.shape, np.float64)
    for fold in range(FOLDS):
        held, others = np.flatnonzero(fold_of == fold), np.flatnonzero(fold_of != fold)
        values, place, counts = np.unique(x[others], return_inverse=True, return_counts=True)
        order = np.argsort(place, kind="stable")
        sums = np.add.reduceat(y[others][order], np.concatenate([[0], np.cumsum(counts)[:-1]]), axis=0)
        at = np.searchsorted(values, x[held]).clip(0, len(values) - 1)
        exact = values[at] == x[held]
        mean = sums / counts[:, None]
        before = (at - 1).clip(0)
        nearer = np.abs(values[before] - x[held]) < np.abs(values[at] - x[held])
        beside = y[others].mean(0)[None] if unordered else mean[np.where(nearer, before, at)]
        if y.shape[1] == 1 and not unordered:  # numbers: along the line between the two neighbours
            width = np.maximum(values[at] - values[before], 1e-300)
            share = np.clip((x[held] - values[before]) / width, 0, 1)[:, None]
            beside = mean[before] * (1 - share) + mean[at] * share
        said[held] = np.where(exact[:, None], mean[at], beside)
    return said


def _line(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The straight line through all rows; two numbers cannot learn a table by heart."""
    known = np.isfinite(x)
    if known.sum() < 3 or x[known].std() == 0:
        return np.full(len(y), y.mean())
    slope, start = np.polyfit((x[known] - x[known].mean()) / x[known].std(), y[known], 1)
    filled = np.where(known, (x - x[known].mean()) / x[known].std(), 0.0)
    return start + slope * filled


def _in_time(measure: Measure, target: Target) -> bool:
    """Whether a column only says when: a smooth answer is told by the time, with no leak."""
    if measure.what == "time":
        return True
    if target.classes is not None or measure.names is not None:
        return False
    steps = np.diff(measure.values[np.isfinite(measure.values)])
    return len(steps) > 0 and bool((steps >= 0).all() or (steps <= 0).all())


def _finding(case: DataContext, target: Target, column: str, what: str, given: Given) -> list[Finding]:
    least = NUMBERS_LEAST if target.classes is None else CLASSES_LEAST
    if given.score < least or given.low < BOUND:
        return []
    name = f"{column}: its {what} alone" if what else f"{column} alone"
    tells = "explains" if target.classes is None else "tells"
    share = f"{given.score:.1%} of what there is to know" if target.classes is None else "nearly every answer"
    text = f"{name} {tells} {share} of {target.name}; is it known before the answer is?"
    fix = f"data.ignore=[{column}]" if not what else ""
    return [case.finding("leak", [], [column], min(given.score, 1.0), text, fix)]


def _pixels(case: DataContext, target: Target, known: np.ndarray) -> list[Finding]:
    """A mark in a corner of the pictures."""
    found: list[Finding] = []
    for column, small in case.small.items():
        rows = np.intersect1d(small.rows, known)[:PIXELS_MOST]
        if "seconds" in small.facts or len(rows) < FEWEST or target.classes is None:
            continue
        at = np.searchsorted(small.rows, rows)
        y = target.values[rows]
        if len(np.unique(y)) < 2:
            continue
        varied = np.flatnonzero(small.values[at].std(0) > 0)
        given = [gives_away(small.values[at, p].astype(np.float64), y, False, target) for p in varied]
        if given:
            best = max(range(len(given)), key=lambda i: given[i].score)
            side = round(np.sqrt(small.values.shape[1]))
            top, left = divmod(int(varied[best]), max(side, 1))
            where = f"brightness at {top / side:.0%} from the top and {left / side:.0%} from the left"
            found += _finding(case, target, column, where, given[best])
    return found


def _words(case: DataContext, target: Target, known: np.ndarray) -> list[Finding]:
    """Words that mark a class."""
    found: list[Finding] = []
    if target.classes is None:
        return found
    codes = target.values[known].astype(np.int64)
    sizes = np.bincount(codes, minlength=len(target.classes))
    for feature in case.inputs:
        raw = case.table[feature.column]
        if feature.kind != "text" or not isinstance(raw, pl.Series) or raw.dtype != pl.String:
            continue
        words = raw.gather(known).fill_null("").str.to_lowercase().str.extract_all(r"[^\s]+").list.unique()
        frame = pl.DataFrame({"row": np.arange(len(known)), "class": codes, "word": words}).explode("word").drop_nulls()
        counts = frame.group_by("word", "class").len().with_columns(all=pl.col("len").sum().over("word"))
        size = pl.Series(sizes).gather(counts["class"])
        marks = counts.filter((pl.col("len") >= MARK_PURE * pl.col("all")) & (pl.col("len") >= MARK_SHARE * size))
        if not len(marks):
            continue
        marked = frame.join(marks.select("word", said="class"), on="word").unique("row")
        said = np.full(len(known), -1)
        said[marked["row"].to_numpy()] = marked["said"].to_numpy()
        rest = codes[said < 0]
        said[said < 0] = np.bincount(rest).argmax() if len(rest) else 0
        score = 1 - float((said != codes).mean()) / (1 - sizes.max() / len(codes))
        word = marks.sort("len", "word", descending=[True, False])["word"][0]
        found += _finding(case, target, feature.column, f"words, such as {word!r},", Given(score, score))
    return found
