"""Permutation importance of inputs, of places in images, and of times in sequences and sounds.

What is permuted keeps its distribution and loses its relation to the row. Inputs that tell the same as others lose
little by it.

Source: Breiman, 2001, Machine Learning 45 (permutation importance).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from deepglass.explain.global_rows import GlobalRows
from deepglass.features.base import Column
from deepglass.features.outputs.base import PredictionArrays

REPEATS = 5
GRID = 8  # patches along a side of an image
NUM_TIMES = 8  # segments of a sequence
MIN_TURNED = 0.4  # share of images that a place turns into another class, to be told
MIN_IMAGES = 5  # of a class
CHANCE = 0.025  # that noise is told as important
MAX_NOISE = 3.5  # standard errors that one of the 64 places of a map reaches by chance in 2 % of maps


class Estimate(NamedTuple):
    """A value and its standard error."""

    value: float
    error: float

    def is_clear(self, among: int = 1) -> bool:
        """Whether it is larger than its error allows by chance, in 1 of 40 cases.

        Args:
            among: estimates of which the largest is looked at (Bonferroni).
        """
        return self.value > NormalDist().inv_cdf(1 - CHANCE / max(among, 1)) * self.error and self.value > 1e-9


class PatchImportance(NamedTuple):
    """What is lost when a patch of the images is permuted.

    Args:
        input: name of the images.
        loss: of the main metric, (GRID, GRID).
        by_class: class -> mean fall of the log probability of the true class, (GRID, GRID).
        clear: classes with a place whose mean fall is larger than `MAX_NOISE` of its standard errors; without classes
            empty.
        window: top, left, bottom, right of the most important place, in patches; its area is one patch or four.
        turned: class -> share of the images predicted as another class that are predicted as this one when the place
            is taken from an image of it; classes whose images are most alike there come first, as with a mark.
    """

    input: str
    loss: np.ndarray
    by_class: Mapping[str, np.ndarray]
    clear: frozenset[str]
    window: tuple[int, int, int, int]
    turned: Mapping[str, float]


class Importance(NamedTuple):
    """What is lost when the values of an input are permuted.

    Args:
        loss: rise of the rows' mean loss, see `GlobalRows.row_losses`; its error is that of the mean over the rows.
        fall: of the main metric.
    """

    loss: Estimate
    fall: float


def permutation_importance(rows: GlobalRows, seed: int = 0) -> dict[str, Importance]:
    """Input name -> what is lost when its values are permuted, mean of `REPEATS` permutations."""
    random = np.random.default_rng(seed)
    result = {}
    for name, column in rows.columns.items():
        predictions = [rows.predict({name: _permuted(column, random)}) for _ in range(REPEATS)]
        fall = rows.plain_quality - float(np.mean([rows.quality(p) for p in predictions]))
        result[name] = Importance(rise_of_loss(rows, predictions), fall)
    return result


def rise_of_loss(rows: GlobalRows, predictions: Sequence[PredictionArrays]) -> Estimate:
    """The mean over rows by which the loss of these predictions is larger than that of the plain ones."""
    return estimate(np.mean([rows.row_losses(p) for p in predictions], 0) - rows.plain_losses)


def estimate(values: Sequence[float] | np.ndarray) -> Estimate:
    """The mean of independent measurements."""
    return Estimate(float(np.mean(values)), float(np.std(values, ddof=1) / len(values) ** 0.5))


def lead_over_constant(rows: GlobalRows) -> Estimate:
    """The mean over rows by which the best constant prediction loses more."""
    return estimate(rows.constant_losses - rows.plain_losses)


def alone(rows: GlobalRows, name: str, seed: int = 0) -> float:
    """The main metric with all inputs but one permuted together: what that one tells alone."""
    order = np.random.default_rng(seed).permutation(len(rows))
    return rows.quality(rows.predict({n: c.take(order) for n, c in rows.columns.items() if n != name}))


def all_permuted(rows: GlobalRows, seed: int = 0) -> Importance:
    """What is lost when whole rows are permuted: what all inputs together tell."""
    order = np.random.default_rng(seed).permutation(len(rows))
    predictions = rows.predict({name: c.take(order) for name, c in rows.columns.items()})
    return Importance(rise_of_loss(rows, [predictions]), rows.plain_quality - rows.quality(predictions))


def _permuted(column: Column, random: np.random.Generator) -> Column:
    return column.take(random.permutation(len(column)))


def patch_importance(rows: GlobalRows, name: str, seed: int = 0) -> PatchImportance | None:
    """The importance of each patch of the images; None for images of several sizes.

    Args:
        name: the input.
    """
    column = rows.columns[name]
    values = column.values  # (N, C, Y, X)
    if column.offsets is not None or values.ndim != 4 or min(values.shape[2:]) < GRID:
        return None
    own = rows.true_log_probs(rows.plain) if rows.output.has_classes else None
    classes = [k for k in np.unique(rows.labels) if k >= 0] if own is not None else []
    random = np.random.default_rng(seed)
    loss = np.zeros((GRID, GRID))
    by_class = {rows.output.class_names[k]: np.zeros((GRID, GRID)) for k in classes}
    clear: set[str] = set()
    ends = [np.linspace(0, side, GRID + 1).astype(int) for side in values.shape[2:]]
    for i in range(GRID):
        for j in range(GRID):
            patch = np.s_[:, :, ends[0][i] : ends[0][i + 1], ends[1][j] : ends[1][j + 1]]
            changed = values.copy()
            changed[patch] = values[random.permutation(len(values))][patch]
            predictions = rows.predict({name: replace(column, values=changed)})
            loss[i, j] = rows.plain_quality - rows.quality(predictions)
            if own is not None:
                fall = own - rows.true_log_probs(predictions)
                for k in classes:
                    of_class, class_name = fall[rows.labels == k], rows.output.class_names[k]
                    by_class[class_name][i, j] = mean = of_class.mean()
                    if mean > MAX_NOISE * of_class.std() / max(len(of_class) - 1, 1) ** 0.5 + 1e-6:
                        clear.add(class_name)
    top, left = (int(v) for v in np.unravel_index(int(loss.argmax()), loss.shape))
    patch_window = (top, left, top + 1, left + 1)
    window = patch_window
    turned: dict[str, float] = {}
    if own is not None:
        for window in (patch_window, _largest_square(loss)):
            turned = _turned(rows, name, tuple(ends[k % 2][window[k]] for k in range(4)), random)
            if max(turned.values(), default=0.0) >= MIN_TURNED:
                break
    return PatchImportance(name, loss, by_class, frozenset(clear), window, turned)


def _largest_square(loss: np.ndarray) -> tuple[int, int, int, int]:
    """The two by two patches with the largest sum."""
    sums = loss[:-1, :-1] + loss[1:, :-1] + loss[:-1, 1:] + loss[1:, 1:]
    i, j = np.unravel_index(int(sums.argmax()), sums.shape)
    return int(i), int(j), int(i) + 2, int(j) + 2


def _turned(rows: GlobalRows, name: str, place: Sequence[int], random: np.random.Generator) -> dict[str, float]:
    """Class -> share of other images that are predicted as it with its place pasted in.

    Args:
        place: top, left, bottom, right in pixels.
    """
    column = rows.columns[name]
    top, left, bottom, right = place
    before = rows.output.predicted_classes(rows.plain, rows.calibration)
    turned = {}
    classes = np.unique(rows.labels[rows.labels >= 0]).tolist()
    places = column.values[:, :, top:bottom, left:right].astype(np.float64)
    for k in sorted(classes, key=lambda k: float(places[rows.labels == k].std(0).mean())):
        sources, others = np.flatnonzero(rows.labels == k), np.flatnonzero(before != k)
        if len(sources) < MIN_IMAGES or len(others) < MIN_IMAGES:
            continue
        changed = column.values.copy()
        chosen = column.values[random.choice(sources, len(others))]
        changed[others, :, top:bottom, left:right] = chosen[:, :, top:bottom, left:right]
        after = rows.output.predicted_classes(rows.predict({name: replace(column, values=changed)}), rows.calibration)
        turned[rows.output.class_names[k]] = float((after[others] == k).mean())
    return turned


def time_importance(rows: GlobalRows, name: str, seed: int = 0) -> list[Estimate] | None:
    """Rise of the loss for each of `NUM_TIMES` equal parts of a sequence or sound, in order; None for short ones."""
    column = rows.columns[name]
    if column.offsets is None or not column.mask.all():
        return None
    lengths = np.diff(column.offsets)
    if not len(lengths) or lengths.min() < NUM_TIMES:
        return None
    random = np.random.default_rng(seed)
    result = []
    for t in range(NUM_TIMES):
        predictions = []
        for _ in range(2):
            order = random.permutation(len(column))
            changed = column.values.copy()
            for i, other in enumerate(order):
                start, end = _segment(column.offsets[i], lengths[i], t)
                from_, _ = _segment(column.offsets[other], lengths[other], t)
                length = min(end - start, int(column.offsets[other + 1]) - from_)
                changed[start : start + length] = column.values[from_ : from_ + length]
            predictions.append(rows.predict({name: replace(column, values=changed)}))
        result.append(rise_of_loss(rows, predictions))
    return result


def _segment(start: int, length: int, t: int) -> tuple[int, int]:
    return int(start + length * t // NUM_TIMES), int(start + length * (t + 1) // NUM_TIMES)
