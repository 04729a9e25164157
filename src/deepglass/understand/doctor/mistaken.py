"""How likely each label is a mistake, from what its row is taken for: a mixture of what overlaps and of mistakes.

That classes overlap makes labels differ where the probabilities say so; a mistake falls on any other class, however
certain the row. So mistakes show as a floor beneath the probabilities, and rows that are merely hard are not doubted.

Source: Sukhbaatar et al., 2014, arXiv 1406.2080 (noise as a layer behind the classes), with one rate for all classes.
Ours fits the rate and a temperature by the likelihood of the labels, and keeps mistakes only where they pay for their
parameter (Schwarz, 1978, Annals of Statistics 6). Mistakes between two classes alone look like overlap and are missed
where they are frequent: that is the cautious side.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize
from scipy.special import logsumexp

SAMPLE = 4_000  # rows that the rate is fitted to
RATES = (1e-5, 0.5)  # of mistakes that are looked for


def mistaken(log_probs: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The probability that each label is a mistake, (N,) float64.

    Shapes:
        log_probs: (N, K) float, of rows whose label was not learned from; labels: (N,) int from 0.
    """
    N = len(labels)
    some = np.random.default_rng(0).permutation(N)[:SAMPLE]
    z, y = log_probs[some].astype(np.float64), labels[some]

    def loss(values: np.ndarray) -> float:
        sharpness, rate = np.exp(values)
        return -float(_log_likelihood(_given(z, y, sharpness), rate, z.shape[1]).sum()) + values[0] ** 2 / 2

    found = minimize(loss, np.log([1.0, 0.02]), method="L-BFGS-B", bounds=[(-2.0, 3.0), tuple(np.log(RATES))])
    plain = minimize(lambda v: loss(np.array([v[0], -np.inf])), [0.0], method="L-BFGS-B", bounds=[(-2.0, 3.0)])
    if plain.fun - found.fun < np.log(len(some)) / 2:
        return np.zeros(N)
    sharpness, rate = np.exp(found.x)
    given = _given(log_probs.astype(np.float64), labels, sharpness)
    K = log_probs.shape[1]
    return rate * (1 - given) / (K - 1) / np.exp(_log_likelihood(given, rate, K))


def by_rank(doubt: np.ndarray, known: np.ndarray) -> np.ndarray:
    """For each doubt (n,) the value of `known` (m,) at the same rank: the most doubted get the largest."""
    place = (doubt.argsort(kind="stable").argsort() + 0.5) / len(doubt) * len(known) - 0.5
    return np.interp(place, np.arange(len(known)), np.sort(known))


def _given(log_probs: np.ndarray, labels: np.ndarray, sharpness: float) -> np.ndarray:
    """The probability of each row's given class, sharpened."""
    z = sharpness * log_probs
    return np.exp(z[np.arange(len(z)), labels] - logsumexp(z, 1))


def _log_likelihood(given: np.ndarray, rate: float, classes: int) -> np.ndarray:
    return np.log((1 - rate) * given + rate * (1 - given) / (classes - 1) + 1e-300)
