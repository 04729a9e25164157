"""How likely each label is a mistake, from what its row is taken for: a mixture of what overlaps and of mistakes.

That classes overlap makes labels differ where the probabilities say so. A mistake falls on any other class, or on one
that the class is usually mistaken for, however certain the row. So mistakes show as a floor beneath the probabilities,
and rows that are merely hard are not doubted.

Source: Sukhbaatar et al., 2014, arXiv 1406.2080 (noise as a layer behind the classes), with two rates for all classes
instead of one for each pair. Ours fits them and a temperature by the likelihood of the labels, and keeps only what pays
for its parameters (Schwarz, 1978, Annals of Statistics 6): where little is known, nothing is doubted.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import minimize
from scipy.special import softmax

SAMPLE = 4_000  # rows that the rates are fitted to
RATES = (1e-5, 0.4)  # of mistakes that are looked for


def mistaken(log_probs: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The probability that each label is a mistake, (N,) float64.

    Shapes:
        log_probs: (N, K) float, of rows whose label was not learned from; labels: (N,) int from 0.
    """
    N, K = log_probs.shape
    usual = _usual_mistakes(log_probs, labels)
    some = np.random.default_rng(0).permutation(N)[:SAMPLE]
    z, y = log_probs[some], labels[some]

    def loss(values: Sequence[float]) -> float:
        right, wrong = _shares(z, y, usual, values)
        return -float(np.log(right + wrong + 1e-300).sum()) + values[0] ** 2 / 2

    starts, bounds = np.log([1.0, 0.02, 0.02]), [(-2.0, 3.0), *2 * [tuple(np.log(RATES))]]
    found = [minimize(loss, starts[:n], method="L-BFGS-B", bounds=bounds[:n]) for n in ((1, 2, 3) if K > 2 else (1, 2))]
    pair = K * np.log(max(K - 1, 1))  # which class each is mistaken for
    costs = [fit.fun + n * np.log(len(some)) / 2 + (pair if n == 2 else 0.0) for n, fit in enumerate(found)]
    right, wrong = _shares(log_probs, labels, usual, found[int(np.argmin(costs))].x)
    return wrong / (right + wrong + 1e-300)


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


def _shares(
    log_probs: np.ndarray, labels: np.ndarray, usual: np.ndarray, values: Sequence[float]
) -> tuple[np.ndarray, np.ndarray]:
    """The probability of each given label, rightly and by mistake.

    Args:
        values: logarithms of the sharpness, the rate of mistakes for any class and that of usual ones, as far as given.
    """
    sharpness, *rates = np.exp(values)
    any_class, usual_one = (*rates, 0.0, 0.0)[:2]
    probs = softmax(sharpness * log_probs.astype(np.float64), 1)  # (N, K)
    rows = np.arange(len(labels))
    given = probs[rows, labels]
    wrong = any_class * (1 - given) / (log_probs.shape[1] - 1)
    if usual_one:
        wrong = wrong + usual_one * (probs @ usual)[rows, labels]
    return (1 - any_class - usual_one) * given, wrong
