"""Which test rows a report shows."""

from collections.abc import Sequence

import numpy as np

MAX_WORST, MAX_TYPICAL = 12, 6
MAX_MISTAKES = 60
ROWS_PER_CELL = 4  # of one pair of true and predicted class
MAX_CELL_ROWS = 240  # beside the mistakes, of all cells together


def worst_and_typical(score: np.ndarray, labelled: np.ndarray, max_worst: int = MAX_WORST) -> list[tuple[int, bool]]:
    """The rows of lowest score, then some around the median: (index, whether it is one of the typical ones).

    Where neighbours score alike, as frames of a film do, the rows are kept apart, so that not one scene is shown a
    dozen times.

    Args:
        score: of each row, higher is better.
        labelled: whether a row has a true value.
        max_worst: number of the rows of lowest score.

    Shapes:
        score: (N,) float. labelled: (N,) bool.
    """
    order = np.flatnonzero(labelled)
    gap = len(order) // (2 * max_worst) if _is_autocorrelated(score[order]) else 0
    order = order[np.argsort(score[order], kind="stable")]
    worst = _spaced(order, min(max_worst, max(len(order) - MAX_TYPICAL, (len(order) + 1) // 2)), gap)
    rest = np.array([i for i in order if i not in worst], int)
    near_median = rest[np.argsort(np.abs(score[rest] - np.median(score[order])), kind="stable")]
    return [*((i, False) for i in worst), *((i, True) for i in _spaced(near_median, MAX_TYPICAL, gap))]


def _is_autocorrelated(score: np.ndarray) -> bool:
    if len(score) < 3 * MAX_WORST or score.std() < 1e-9:
        return False
    centred = score - score.mean()
    return bool((centred[1:] * centred[:-1]).mean() > 0.5 * centred.var())


def _spaced(order: np.ndarray, count: int, gap: int) -> list[int]:
    """The first `count` rows that are more than `gap` from each other; nearer ones where there are not enough."""
    chosen: list[int] = []
    for least in (gap, 0):
        for i in map(int, order):
            if len(chosen) < count and i not in chosen and all(abs(i - c) > least for c in chosen):
                chosen.append(i)
    return chosen


def evenly_spaced(rows: np.ndarray, count: int) -> np.ndarray:
    """At most `count` of the rows, from the first to the last."""
    return rows[np.unique(np.linspace(0, len(rows) - 1, min(count, len(rows))).astype(int))]


def random_rows(rows: Sequence[int], count: int) -> list[int]:
    """At most `count` of these rows, drawn with a fixed seed, in ascending order."""
    if not rows:
        return []
    return sorted(np.random.default_rng(0).choice(rows, min(count, len(rows)), replace=False).tolist())


# -- cells of a confusion matrix -------------------------------------------------------------------------------------


def confident_mistakes(
    labels: np.ndarray, predicted: np.ndarray, confidence: np.ndarray, labelled: np.ndarray
) -> list[int]:
    """The most confident mistakes, at most `ROWS_PER_CELL` of each pair of classes.

    Shapes:
        labels, predicted: (N,) int, class indices. confidence: (N,) float. labelled: (N,) bool.
    """
    wrong = np.flatnonzero(labelled & (predicted != labels))
    counts: dict[tuple[int, int], int] = {}
    chosen: list[int] = []
    for i in wrong[np.argsort(-confidence[wrong], kind="stable")]:
        pair = (int(labels[i]), int(predicted[i]))
        counts[pair] = counts.get(pair, 0) + 1
        if counts[pair] <= ROWS_PER_CELL and len(chosen) < MAX_MISTAKES:
            chosen.append(int(i))
    return chosen


def cell_rows(
    mistakes: list[int], labels: np.ndarray, predicted: np.ndarray, confidence: np.ndarray, labelled: np.ndarray
) -> list[int]:
    """More rows, so that each cell has a few: the largest cells first, in each from the least to the most confident.

    Args:
        mistakes: rows that are shown already.

    Shapes:
        As in `confident_mistakes`.
    """
    cells: dict[tuple[int, int], list[int]] = {}
    for i in np.flatnonzero(labelled):
        cells.setdefault((int(labels[i]), int(predicted[i])), []).append(int(i))
    listed = set(mistakes)
    chosen: list[int] = []
    for rows in sorted(cells.values(), key=len, reverse=True):
        rest = sorted((i for i in rows if i not in listed), key=lambda i: confidence[i])
        count = min(ROWS_PER_CELL - sum(i in listed for i in rows), len(rest), MAX_CELL_ROWS - len(chosen))
        chosen += [rest[int(k)] for k in np.linspace(0, len(rest) - 1, max(count, 0))]
    return chosen
