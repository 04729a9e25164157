"""Which test rows are shown, and the picture of each."""

from __future__ import annotations

import numpy as np

WORST, TYPICAL = 12, 6


def cases(score: np.ndarray, known: np.ndarray) -> list[tuple[int, bool]]:
    """The worst rows, then some around the median: (row, whether it is one of these).

    Where neighbours score alike, as frames of a film do, they are kept apart, so that not one scene is shown a dozen
    times.
    """
    order = np.flatnonzero(known)
    gap = len(order) // (2 * WORST) if _alike(score[order]) else 0
    order = order[np.argsort(score[order], kind="stable")]
    worst = _apart(order, min(WORST, max(len(order) - TYPICAL, (len(order) + 1) // 2)), gap)
    rest = np.array([i for i in order if i not in worst], int)
    near_median = rest[np.argsort(np.abs(score[rest] - np.median(score[order])), kind="stable")]
    return [*((i, False) for i in worst), *((i, True) for i in _apart(near_median, TYPICAL, gap))]


def _alike(score: np.ndarray) -> bool:
    """Whether the scores of neighbours go together."""
    if len(score) < 3 * WORST or score.std() < 1e-9:
        return False
    centred = score - score.mean()
    return bool((centred[1:] * centred[:-1]).mean() > 0.5 * centred.var())


def _apart(order: np.ndarray, count: int, gap: int) -> list[int]:
    """The first so many that are more than `gap` from each other; nearer ones where there are not enough."""
    chosen: list[int] = []
    for least in (gap, 0):
        for i in map(int, order):
            if len(chosen) < count and i not in chosen and all(abs(i - c) > least for c in chosen):
                chosen.append(i)
    return chosen
