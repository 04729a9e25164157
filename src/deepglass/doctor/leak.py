"""Target leakage: a single input that predicts nearly every label on held-out rows, or a few together.

Checked of each value, and of side information: an image's size, brightness or single pixels, a sound's length, a word
in a text.
"""

from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

import numpy as np
import polars as pl

from deepglass.data.missing import is_null
from deepglass.doctor.base import DataContext, Finding, Target
from deepglass.doctor.joint_leak import joint_leak
from deepglass.formatting import plain_percent

MIN_CLASS_SCORE = 0.92  # share of the constant prediction's errors that the column removes
MIN_NUMBER_SCORE = 0.98  # R2
MIN_LOW = 0.9  # lower confidence bound of the score
MAX_ROWS, MIN_ROWS = 5_000, 30  # labelled rows
NUM_FOLDS = 4
MAX_IMAGES = 1_000  # whose single pixels are checked
MIN_PRECISION, MIN_RECALL = 0.99, 0.9  # of a word for a class


class LeakScore(NamedTuple):
    """Share of the constant prediction's error that a column removes, and its lower confidence bound."""

    score: float
    low: float


def leak(context: DataContext) -> Iterator[Finding]:
    """One finding per leaking input."""
    for target in context.targets:
        labelled = np.flatnonzero(np.isfinite(target.values))
        if len(labelled) < MIN_ROWS or len(np.unique(target.values[labelled])) < 2:
            continue
        if len(labelled) > MAX_ROWS:
            labelled = np.sort(np.random.default_rng(0).choice(labelled, MAX_ROWS, replace=False))
        alone = [*_single(context, target, labelled)]
        yield from alone
        if not alone:
            yield from _together(context, target)
        yield from _missing(context, target, labelled)
        yield from _pixels(context, target, labelled)
        yield from _words(context, target, labelled)


def _single(context: DataContext, target: Target, labelled: np.ndarray) -> Iterator[Finding]:
    """Inputs of which one measure gives away the target."""
    for measure in context.measures:
        numbers = target.classes is None and measure.names is None
        if measure.what == "time" or (numbers and measure.monotonic):  # a smooth target follows it
            continue
        score = leak_score(measure.values[labelled], target.values[labelled], measure.names is not None, target)
        yield from _finding(context, target, measure.column, measure.what, score)


def _together(context: DataContext, target: Target) -> Iterator[Finding]:
    """A few inputs from which the target is computed."""
    joint = joint_leak(context.measures, target.values, target.classes)
    if joint is not None:
        names = f"{', '.join(joint.columns[:-1])} and {joint.columns[-1]}"
        text = f"{names} together give away {target.name}: {joint.how}; are they known before the prediction is made? "
        fix = f"data.ignore=[{', '.join(joint.columns)}]"
        yield context.finding("leak", [], joint.columns, 0.95, f"{text}If not, leave them out", fix)


def leak_score(x: np.ndarray, y: np.ndarray, unordered: bool, target: Target) -> LeakScore:
    """How well a column predicts the target, cross-fitted: the mean of the rows with the same value, or the nearest.

    Shapes:
        x, y: (n,) float; NaN in `x` = missing, which counts as a value.
    """
    n = len(x)
    if target.classes is None:
        predicted = _neighbour_prediction(x, y, unordered)
        errors = [((y - predicted) ** 2).sum()] + ([] if unordered else [((y - _line(x, y)) ** 2).sum()])
        total = max(float(((y - y.mean()) ** 2).sum()), 1e-300)
        score = 1 - float(min(errors)) / total
        return LeakScore(score, score)
    codes = np.unique(y, return_inverse=True)[1]
    baseline = 1 - np.bincount(codes).max() / n
    wrong = float((_neighbour_class(x, codes, unordered) != codes).mean())
    centre, spread = (wrong + 2 / n) / (1 + 4 / n), 2 * np.sqrt(wrong * (1 - wrong) / n + 1 / n**2) / (1 + 4 / n)
    return LeakScore(1 - wrong / baseline, 1 - (centre + spread) / baseline)


class _Fold(NamedTuple):
    """The held-out rows of a fold, and the other rows by their distinct values.

    Args:
        held: (h,) indices of the held-out rows.
        others: (m,) indices of the other rows by ascending value; starts: (v,) where each distinct value begins.
        values: (v,) the distinct values.
        before, at: (h,) indices in `values` of the neighbours of the held-out rows.
        exact: (h,) whether `at` is the row's own value; nearer: (h,) whether `before` is nearer than `at`.
    """

    held: np.ndarray
    others: np.ndarray
    starts: np.ndarray
    values: np.ndarray
    before: np.ndarray
    at: np.ndarray
    exact: np.ndarray
    nearer: np.ndarray


def _folds(x: np.ndarray) -> Iterator[_Fold]:
    order = np.argsort(x, kind="stable")
    fold_of = _fold_of(len(x))
    for fold in range(NUM_FOLDS):
        held, others = np.flatnonzero(fold_of == fold), order[fold_of[order] != fold]
        ascending, sought = x[others], x[held]
        starts = np.flatnonzero(np.append(True, ascending[1:] != ascending[:-1]))
        values = ascending[starts]
        at = np.searchsorted(values, sought).clip(0, len(values) - 1)
        before = (at - 1).clip(0)
        nearer = np.abs(values[before] - sought) < np.abs(values[at] - sought)
        yield _Fold(held, others, starts, values, before, at, values[at] == sought, nearer)


@cache
def _fold_of(n: int) -> np.ndarray:
    return np.random.default_rng(0).permutation(n) % NUM_FOLDS


def _finite(x: np.ndarray) -> np.ndarray:
    """Missing values as one further value below all others."""
    present = np.isfinite(x)
    return x if present.all() else np.where(present, x, x[present].min() - 1 if present.any() else 0.0)


def _neighbour_prediction(x: np.ndarray, y: np.ndarray, unordered: bool) -> np.ndarray:
    """Out-of-fold prediction (n,): the mean of y over the rows with the same value, or between the nearest values."""
    predicted, x = np.empty(len(x)), _finite(x)
    for fold in _folds(x):
        own = y[fold.others]
        mean = np.add.reduceat(own, fold.starts) / np.diff(np.append(fold.starts, len(own)))
        if unordered:
            beside = np.full(len(fold.held), own.mean())
        else:  # linear interpolation
            width = np.maximum(fold.values[fold.at] - fold.values[fold.before], 1e-300)
            share = np.clip((x[fold.held] - fold.values[fold.before]) / width, 0, 1)
            beside = mean[fold.before] * (1 - share) + mean[fold.at] * share
        predicted[fold.held] = np.where(fold.exact, mean[fold.at], beside)
    return predicted


def _neighbour_class(x: np.ndarray, codes: np.ndarray, unordered: bool) -> np.ndarray:
    """Out-of-fold prediction (n,): the most frequent class of the rows with the same value, or with the nearest one."""
    predicted = np.empty(len(x), np.int64)
    for fold in _folds(_finite(x)):
        own = codes[fold.others]
        classes = own if len(fold.starts) == len(own) else _most_frequent(own, fold.starts)
        beside = np.bincount(own).argmax() if unordered else classes[np.where(fold.nearer, fold.before, fold.at)]
        predicted[fold.held] = np.where(fold.exact, classes[fold.at], beside)
    return predicted


def _most_frequent(codes: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """The most frequent code of each group of neighbouring rows, the smallest of several.

    Shapes:
        codes: (m,) int from 0; starts: (v,) where each group begins; returns: (v,).
    """
    group = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, len(codes))))
    width = int(codes.max()) + 1
    pairs, counts = np.unique(group * width + codes, return_counts=True)  # by group, then code
    order = np.lexsort((-counts, pairs // width))
    first = np.searchsorted((pairs // width)[order], np.arange(len(starts)))
    return pairs[order][first] % width


def _line(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The least-squares line through all rows; its two parameters cannot memorise a table."""
    present = np.isfinite(x)
    if present.sum() < 3 or x[present].std() == 0:
        return np.full(len(y), y.mean())
    own = y[present]
    standard = np.where(present, (x - x[present].mean()) / x[present].std(), 0.0)
    return own.mean() + standard * float((standard[present] * own).mean())


def _finding(context: DataContext, target: Target, column: str, what: str, score: LeakScore) -> Iterator[Finding]:
    minimum = MIN_NUMBER_SCORE if target.classes is None else MIN_CLASS_SCORE
    if score.score < minimum or score.low < MIN_LOW:
        return
    text = f"{column}: its {what} alone" if what else f"{column} alone"
    if target.classes is None:
        text += f" explains {plain_percent(score.score)} of the variance of {target.name}"
    else:
        text += (
            f" tells {plain_percent(score.score, 0)} of the labels of {target.name} that the most frequent one does not"
        )
    text += "; is it known before the prediction is made? If not, leave it out"
    fix = f"data.ignore=[{column}]" if not what else ""
    yield context.finding("leak", [], [column], min(score.score, 1.0), text, fix)


def _missing(context: DataContext, target: Target, labelled: np.ndarray) -> Iterator[Finding]:
    """Inputs that have a value for some labels only, such as a date of leaving."""
    for column in (f.column for f in context.inputs):
        missing = is_null(context.table[column])[labelled].astype(np.float64)
        if 0 < missing.mean() < 1:
            score = leak_score(missing, target.values[labelled], True, target)
            yield from _finding(context, target, column, "being missing", score)


def _pixels(context: DataContext, target: Target, labelled: np.ndarray) -> Iterator[Finding]:
    """A mark in a corner of the images."""
    for column, summary in context.media.items():
        rows = np.intersect1d(summary.rows, labelled)[:MAX_IMAGES]
        if summary.is_audio or len(rows) < MIN_ROWS or target.classes is None:
            continue
        at = np.searchsorted(summary.rows, rows)
        y = target.values[rows]
        if len(np.unique(y)) < 2:
            continue
        pixels = np.flatnonzero(summary.values[at].std(0) > 0)
        scores = [leak_score(summary.values[at, p].astype(np.float64), y, False, target) for p in pixels]
        if scores:
            best = max(range(len(scores)), key=lambda i: scores[i].score)
            side = round(np.sqrt(summary.values.shape[1]))
            top, left = divmod(int(pixels[best]), max(side, 1))
            where = (
                f"brightness at {plain_percent(top / side, 0)} from the top and "
                f"{plain_percent(left / side, 0)} from the left"
            )
            yield from _finding(context, target, column, where, scores[best])


def _words(context: DataContext, target: Target, labelled: np.ndarray) -> Iterator[Finding]:
    """Words that occur in nearly all texts of a class and hardly elsewhere."""
    if target.classes is None:
        return
    codes = target.values[labelled].astype(np.int64)
    sizes = np.bincount(codes, minlength=len(target.classes))
    for feature, raw in context.texts([f for f in context.inputs if f.is_text]):
        words = raw.gather(labelled).fill_null("").str.to_lowercase().str.extract_all(r"[^\s]+").list.unique()
        frame = pl.DataFrame({"row": np.arange(len(labelled)), "class": codes, "word": words})
        frame = frame.explode("word").drop_nulls()
        counts = frame.group_by("word", "class").len().with_columns(all=pl.col("len").sum().over("word"))
        size = pl.Series(sizes).gather(counts["class"])
        marks = counts.filter((pl.col("len") >= MIN_PRECISION * pl.col("all")) & (pl.col("len") >= MIN_RECALL * size))
        if not len(marks):
            continue
        marked = frame.join(marks.select("word", predicted="class"), on="word").unique("row")
        predicted = np.full(len(labelled), -1)
        predicted[marked["row"].to_numpy()] = marked["predicted"].to_numpy()
        rest = codes[predicted < 0]
        predicted[predicted < 0] = np.bincount(rest).argmax() if len(rest) else 0
        score = 1 - float((predicted != codes).mean()) / (1 - sizes.max() / len(codes))
        word = marks.sort("len", "word", descending=[True, False])["word"][0]
        yield from _finding(context, target, feature.column, f"words, such as {word!r},", LeakScore(score, score))
