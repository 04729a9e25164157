"""The probability that each label is wrong, by a mixture model of overlapping classes and label noise.

Where classes overlap, labels follow the predicted probabilities. A wrong label is any other class, or the class that
this one is usually confused with, however certain the prediction. So noise shows as a floor beneath the probabilities,
and rows that are merely difficult are not suspected.

Source: Sukhbaatar et al., 2014, arXiv 1406.2080 (a noise layer behind the classes). Ours has two noise rates for all
classes instead of one per pair, fits them and a temperature by maximum likelihood, and selects the number of components
by the BIC (Schwarz, 1978, Annals of Statistics 6), so that few labels raise no suspicion.
"""

from typing import NamedTuple

import numpy as np

FIT_ROWS = 4_000
NOISE_RATES = (1e-5, 0.4)  # bounds
LOG_SHARPNESS = (-2.0, 3.0)  # bounds of the logarithm of the inverse temperature
GRID_SIZE, NUM_REFINEMENTS = 9, 3  # of the grid search for the sharpness
EM_ITERATIONS = 30
TINY = 1e-300


def noise_probability(log_probs: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The probability that each label is wrong, (N,) float64.

    Shapes:
        log_probs: (N, K) float, out of sample; labels: (N,) int from 0.
    """
    N, K = log_probs.shape
    confused = _confusions(log_probs, labels)
    some = np.random.default_rng(0).permutation(N)[:FIT_ROWS]
    fits = [_fit(log_probs[some], labels[some], confused, count) for count in ((1, 2, 3) if K > 2 else (1, 2))]
    pair = K * np.log(max(K - 1, 1))  # the confused class of each
    costs = [fit.cost + n * np.log(len(some)) / 2 + (pair if n == 3 else 0.0) for n, fit in enumerate(fits, 1)]
    best = fits[int(np.argmin(costs))]
    joint = best.shares[:, None] * _likelihoods(log_probs, labels, confused, best.sharpness)[: len(best.shares)]
    return joint[1:].sum(0) / (joint.sum(0) + TINY)


def match_ranks(scores: np.ndarray, values: np.ndarray) -> np.ndarray:
    """For each score (n,) the value (m,) of the same relative rank."""
    rank = (scores.argsort(kind="stable").argsort() + 0.5) / len(scores) * len(values) - 0.5
    return np.interp(rank, np.arange(len(values)), np.sort(values))


def _confusions(log_probs: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(K, K): 1 for the class that each predicted class is most often labelled as, itself excluded."""
    K = log_probs.shape[1]
    counts = np.zeros((K, K))
    np.add.at(counts, (log_probs.argmax(1), labels), 1)
    np.fill_diagonal(counts, -1)
    return np.eye(K)[counts.argmax(1)]


class _Fit(NamedTuple):
    """A fitted mixture: sharpness, shares of the components, negative log likelihood."""

    sharpness: float
    shares: np.ndarray
    cost: float


def _fit(log_probs: np.ndarray, labels: np.ndarray, confused: np.ndarray, count: int) -> _Fit:
    """Maximum likelihood fit of the first components: a refined grid search over the sharpness, EM for the shares."""
    low, high = LOG_SHARPNESS
    for _ in range(NUM_REFINEMENTS):
        grid = np.linspace(low, high, GRID_SIZE)
        fits = [_fit_shares(s, _likelihoods(log_probs, labels, confused, float(np.exp(s)))[:count]) for s in grid]
        best = int(np.argmin([f.cost for f in fits]))
        low, high = grid[max(best - 1, 0)], grid[min(best + 1, GRID_SIZE - 1)]
    return fits[best]


def _fit_shares(log_sharpness: float, parts: np.ndarray) -> _Fit:
    """The shares of components with likelihoods (M, N), by EM (Dempster, Laird and Rubin, 1977)."""
    shares = np.array([1.0, 0.02, 0.02])[: len(parts)]
    for _ in range(EM_ITERATIONS):
        wrong = (shares[1:] * (parts[1:] / (shares @ parts + TINY)).mean(1)).clip(*NOISE_RATES)
        shares = np.array([1 - wrong.sum(), *wrong])
    cost = -float(np.log(shares @ parts + TINY).sum()) + log_sharpness**2 / 2
    return _Fit(float(np.exp(log_sharpness)), shares, cost)


def _likelihoods(log_probs: np.ndarray, labels: np.ndarray, confused: np.ndarray, sharpness: float) -> np.ndarray:
    """Likelihood (3, N) of each label if it is correct, a random other class, or the confused class."""
    logits = sharpness * log_probs.astype(np.float64)
    probs = np.exp(logits - logits.max(1, keepdims=True))
    probs /= probs.sum(1, keepdims=True)
    rows = np.arange(len(labels))
    own = probs[rows, labels]
    return np.stack([own, (1 - own) / (log_probs.shape[1] - 1), (probs @ confused)[rows, labels]])
