"""What a report tells of rows without an answer: plain data, as in `facts`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Guessed:
    """How a network answered unlabelled rows itself, an entry an evaluation.

    Args:
        name: the output.
        classes: their names, K.
        labels: training rows with an answer.
        unlabelled: training rows without one.
        asked: of these, so many were counted.
        steps: of the evaluations, E.
        sure: share of the rows that were learned from, E.
        right: share of true guesses among these, E; NaN where no truth is known.
        all_right: among all guesses, E.
        thresholds: confidence from which on a class is learned from, (E, K).
    """

    name: str
    classes: tuple[str, ...]
    labels: int
    unlabelled: int
    asked: int
    steps: tuple[int, ...]
    sure: tuple[float, ...]
    right: tuple[float, ...]
    all_right: tuple[float, ...]
    thresholds: tuple[tuple[float, ...], ...]
