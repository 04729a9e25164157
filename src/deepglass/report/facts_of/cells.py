"""Which rows of a confusion matrix are shown: the most confident mistakes, and a few rows of each cell."""

from __future__ import annotations

import numpy as np

MISTAKES = 60
A_CELL = 4  # rows shown of one pair of a true class and an answer
ITEMS = 240  # beside the mistakes, of all cells together


def worst_of(labels: np.ndarray, said: np.ndarray, confidence: np.ndarray, known: np.ndarray) -> list[int]:
    """The most confident mistakes, a few of each pair of classes.

    Args:
        labels: (N,) int, the true classes; said: (N,) int, those answered; confidence: (N,) of the answers.
        known: (N,) bool, whether a row has a true class.
    """
    wrong = np.flatnonzero(known & (said != labels))
    seen: dict[tuple[int, int], int] = {}
    shown: list[int] = []
    for i in wrong[np.argsort(-confidence[wrong], kind="stable")]:
        pair = (int(labels[i]), int(said[i]))
        seen[pair] = seen.get(pair, 0) + 1
        if seen[pair] <= A_CELL and len(shown) < MISTAKES:
            shown.append(int(i))
    return shown


def beside(
    worst: list[int], labels: np.ndarray, said: np.ndarray, confidence: np.ndarray, known: np.ndarray
) -> list[int]:
    """More rows, so that each cell has a few: the largest cells first, in each from the least to the most confident."""
    cells: dict[tuple[int, int], list[int]] = {}
    for i in np.flatnonzero(known):
        cells.setdefault((int(labels[i]), int(said[i])), []).append(int(i))
    taken = set(worst)
    shown: list[int] = []
    for rows in sorted(cells.values(), key=len, reverse=True):
        rest = sorted((i for i in rows if i not in taken), key=lambda i: confidence[i])
        wanted = min(A_CELL - sum(i in taken for i in rows), len(rest), ITEMS - len(shown))
        shown += [rest[int(k)] for k in np.linspace(0, len(rest) - 1, max(wanted, 0))]
    return shown
