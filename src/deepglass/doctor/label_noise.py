"""How likely each label is a mistake, from what its row is taken for: a mixture of what overlaps and of mistakes.

That classes overlap makes labels differ where the probabilities say so. A mistake falls on any other class, or on one
that the class is usually mistaken for, however certain the row. So mistakes show as a floor beneath the probabilities,
and rows that are merely hard are not doubted.

Source: Sukhbaatar et al., 2014, arXiv 1406.2080 (noise as a layer behind the classes), with two rates for all classes
instead of one for each pair. Ours fits them and a temperature by the likelihood of the labels, and keeps only what pays
for its parameters (Schwarz, 1978, Annals of Statistics 6): where little is known, nothing is doubted.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

SAMPLE = 4_000  # rows that the rates are fitted to
RATES = (1e-5, 0.4)  # of mistakes that are looked for
SHARPNESS = (-2.0, 3.0)  # logarithms
TRIED, CLOSER = 9, 3  # values at once, and how often those beside the best are looked at more closely
ROUNDS = 30
TINY = 1e-300


def mistaken(log_probs: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The probability that each label is a mistake, (N,) float64.

    Shapes:
        log_probs: (N, K) float, of rows whose label was not learned from; labels: (N,) int from 0.
    """
    N, K = log_probs.shape
    usual = _usual_mistakes(log_probs, labels)
    some = np.random.default_rng(0).permutation(N)[:SAMPLE]
    found = [_fit(log_probs[some], labels[some], usual, count) for count in ((1, 2, 3) if K > 2 else (1, 2))]
    pair = K * np.log(max(K - 1, 1))  # which class each is mistaken for
    costs = [fit.cost + n * np.log(len(some)) / 2 + (pair if n == 3 else 0.0) for n, fit in enumerate(found, 1)]
    best = found[int(np.argmin(costs))]
    parts = best.shares[:, None] * _parts(log_probs, labels, usual, best.sharpness)[: len(best.shares)]
    return parts[1:].sum(0) / (parts.sum(0) + TINY)


def by_rank(doubt: np.ndarray, known: np.ndarray) -> np.ndarray:
    """For each doubt (n,) the value of `known` (m,) at the same rank: the most doubted get the largest."""
    place = (doubt.argsort(kind="stable").argsort() + 0.5) / len(doubt) * len(known) - 0.5
    return np.interp(place, np.arange(len(known)), np.sort(known))


def _usual_mistakes(log_probs: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(K, K): 1 where the row's class is most often labelled as the column's."""
    K = log_probs.shape[1]
    counts = np.zeros((K, K))
    np.add.at(counts, (log_probs.argmax(1), labels), 1)
    np.fill_diagonal(counts, -1)
    return np.eye(K)[counts.argmax(1)]


class _Fit(NamedTuple):
    """How labels come about: the sharpness of the probabilities, the shares of `_parts`, and what that costs."""

    sharpness: float
    shares: np.ndarray
    cost: float


def _fit(log_probs: np.ndarray, labels: np.ndarray, usual: np.ndarray, count: int) -> _Fit:
    """The likeliest sharpness, looked for more and more closely, with the likeliest shares of the first parts."""
    low, high = SHARPNESS
    for _ in range(CLOSER):
        tried = np.linspace(low, high, TRIED)
        found = [_with(s, _parts(log_probs, labels, usual, float(np.exp(s)))[:count]) for s in tried]
        best = int(np.argmin([f.cost for f in found]))
        low, high = tried[max(best - 1, 0)], tried[min(best + 1, TRIED - 1)]
    return found[best]


def _with(log_sharpness: float, parts: np.ndarray) -> _Fit:
    """The likeliest shares of parts (M, N), by expectation maximisation (Dempster, Laird and Rubin, 1977)."""
    shares = np.array([1.0, 0.02, 0.02])[: len(parts)]
    for _ in range(ROUNDS):
        wrong = (shares[1:] * (parts[1:] / (shares @ parts + TINY)).mean(1)).clip(*RATES)
        shares = np.array([1 - wrong.sum(), *wrong])
    cost = -float(np.log(shares @ parts + TINY).sum()) + log_sharpness**2 / 2
    return _Fit(float(np.exp(log_sharpness)), shares, cost)


def _parts(log_probs: np.ndarray, labels: np.ndarray, usual: np.ndarray, sharpness: float) -> np.ndarray:
    """The probability (3, N) of each given label if it is right, any other one, or the usual mistake."""
    logits = sharpness * log_probs.astype(np.float64)
    probs = np.exp(logits - logits.max(1, keepdims=True))
    probs /= probs.sum(1, keepdims=True)
    rows = np.arange(len(labels))
    given = probs[rows, labels]
    return np.stack([given, (1 - given) / (log_probs.shape[1] - 1), (probs @ usual)[rows, labels]])
