"""The probability that each label is wrong, by a mixture model of overlapping classes and label noise.

Where classes overlap, labels follow the probabilities of the true class. A wrong label is any other class, or one with
which the true class is mixed up more often than with others, however certain the prediction. So noise shows as a floor
beneath the probabilities, and rows that are merely difficult are not suspected.

Source: Sukhbaatar et al., 2014, arXiv 1406.2080 (a noise layer behind the classes); Northcutt, Jiang and Chuang, 2019,
arXiv 1911.00068 (noise rates of pairs of classes). Ours fits rates and a temperature by maximum likelihood, and selects
the pairs by the BIC (Schwarz, 1978, Annals of Statistics 6), so that few labels raise no suspicion.
"""

from typing import NamedTuple

import numpy as np

from deepglass.doctor.cross_fit import CrossFit

FIT_ROWS = 3_000
MIN_HELD_OUT = 1_000  # rows for the first fit; with fewer, rows that the embedding was trained on serve too
MAX_NOISE = 0.45  # rate of a pair, or of all random labels
ASSUMED_NOISE = 0.05  # rate of random labels for the first fit of the heads
MAX_PAIR_CLASSES = 50  # with more classes all pairs have one rate
MIN_PAIR_ROWS = 3.0  # expected wrong labels of a pair that count as none
LOG_SHARPNESS = (-2.0, 2.5)  # bounds of the logarithm of the inverse temperature
GRID_SIZE, NUM_REFINEMENTS = 5, 3  # of the grid search for the sharpness
EM_ITERATIONS = 8  # of each grid point, which goes on from the best one
FIRST_ITERATIONS, FURTHER_ITERATIONS = 30, 15  # of the heads
MISFIT = 0.01  # gain of the likelihood by noise, in nats a label, of which half is put down to an imperfect head
TINY = 1e-300


class NoiseModel(NamedTuple):
    """A fitted mixture.

    Args:
        sharpness: inverse temperature of the probabilities.
        transition: (K, K) probability of each label (column) given the true class (row).
        trust: factor of the odds of an error: near 1 where noise explains far more than an imperfect head does.
        cost: negative log likelihood, with the penalty for the number of rates.
    """

    sharpness: float
    transition: np.ndarray
    trust: float
    cost: float

    @property
    def is_noisy(self) -> bool:
        """Whether any label can be wrong."""
        return bool(np.diag(self.transition).min() < 1)


class NoiseEstimate(NamedTuple):
    """What out-of-sample probabilities say about each label.

    Args:
        log_probs: of the true class without the row's own label, (N, K).
        probability: that the label is wrong, (N,) float64.
        suggestion: the most probable other class, (N,) int.
    """

    log_probs: np.ndarray
    probability: np.ndarray
    suggestion: np.ndarray


def estimate_noise(embedding: np.ndarray, labels: np.ndarray, classes: int, held_out: np.ndarray) -> NoiseEstimate:
    """The probability that each label is wrong, from embeddings.

    Args:
        held_out: (n,) rows by which the noise is estimated: those that the embedding was not trained on.

    Shapes:
        embedding: (N, D) float; labels: (N,) int from 0 to `classes` - 1.
    """
    every = _sample(np.arange(len(labels)))
    some = _sample(held_out) if len(held_out) >= MIN_HELD_OUT else every
    fit = CrossFit(embedding, labels, classes)
    votes = fit.neighbour_votes()
    assumed = _transition(ASSUMED_NOISE, np.zeros((classes, classes)))
    heads = fit.fit(assumed, FIRST_ITERATIONS)
    pooled = _pooled(heads, votes)
    alone, first = (_fit(p[some], labels[some], classes <= MAX_PAIR_CLASSES) for p in (heads, pooled))
    if _gain(heads[some], labels[some], alone) > _gain(pooled[some], labels[some], first):
        votes, first = np.zeros_like(votes), alone  # the heads tell noise from overlap better without the neighbours
    log_probs = _pooled(fit.fit(first.transition, FURTHER_ITERATIONS), votes)
    some = _sample(held_out)
    model = select_noise(log_probs[some], labels[some])
    if len(held_out) < len(labels) and not model.is_noisy:  # too few for the noise of single classes
        model = select_noise(log_probs[every], labels[every])
    return _judge(log_probs, labels, model)


def _sample(rows: np.ndarray) -> np.ndarray:
    """At most `FIT_ROWS` of the rows."""
    return rows[np.random.default_rng(0).permutation(len(rows))[:FIT_ROWS]]


def select_noise(log_probs: np.ndarray, labels: np.ndarray) -> NoiseModel:
    """No noise, random labels, or pairs of classes too: what explains the labels best.

    Shapes:
        log_probs: (N, K) float, out of sample; labels: (N,) int from 0.
    """
    N, K = log_probs.shape
    clean = _fit_clean(log_probs, labels)
    noisy = min((_fit(log_probs, labels, pairs) for pairs in {False, K <= MAX_PAIR_CLASSES}), key=lambda m: m.cost)
    if noisy.cost >= clean.cost:
        return clean
    return noisy._replace(trust=1 / (1 + MISFIT * N / (clean.cost - noisy.cost)))


def match_ranks(scores: np.ndarray, values: np.ndarray) -> np.ndarray:
    """For each score (n,) the value (m,) of the same relative rank."""
    rank = (scores.argsort(kind="stable").argsort() + 0.5) / len(scores) * len(values) - 0.5
    return np.interp(rank, np.arange(len(values)), np.sort(values))


def _pooled(log_probs: np.ndarray, votes: np.ndarray) -> np.ndarray:
    """The logarithmic pool of heads and neighbours."""
    both = log_probs + votes
    both -= both.max(1, keepdims=True)
    return np.asarray(both - np.log(np.exp(both).sum(1, keepdims=True)))


def _judge(log_probs: np.ndarray, labels: np.ndarray, model: NoiseModel) -> NoiseEstimate:
    rows = np.arange(len(labels))
    joint = model.transition.T[labels] * _sharpened(log_probs, model.sharpness)  # of true class and label, (N, K)
    correct = joint[rows, labels]
    wrong = model.trust * (joint.sum(1) - correct)
    joint += TINY * np.exp(log_probs)  # without noise the suggestion is the most probable class
    joint[rows, labels] = -1
    return NoiseEstimate(log_probs, wrong / (correct + wrong + TINY), joint.argmax(1))


def _fit_clean(log_probs: np.ndarray, labels: np.ndarray) -> NoiseModel:
    """The fit of the sharpness alone."""
    rows = np.arange(len(labels))

    def cost(log_sharpness: float) -> float:
        own = _sharpened(log_probs, float(np.exp(log_sharpness)))[rows, labels]
        return -float(np.log(own + TINY).sum()) + log_sharpness**2 / 2

    low, high = LOG_SHARPNESS
    for _ in range(NUM_REFINEMENTS):
        grid = np.linspace(low, high, 2 * GRID_SIZE)
        costs = [cost(s) for s in grid]
        best = int(np.argmin(costs))
        low, high = grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)]
    penalty = np.log(len(labels)) / 2
    return NoiseModel(float(np.exp(grid[best])), np.eye(log_probs.shape[1]), 1.0, costs[best] + penalty)


def _fit(log_probs: np.ndarray, labels: np.ndarray, pairs: bool) -> NoiseModel:
    """Maximum likelihood fit: a refined grid search over the sharpness, EM for the rates.

    Args:
        pairs: whether pairs of classes have rates of their own.
    """
    N, K = log_probs.shape
    start = np.full((K, K), 0.02 if pairs else 0.0)
    np.fill_diagonal(start, 0)
    best = (np.inf, 0.0, 0.02, start)  # cost, log sharpness, rate of random labels, rates of pairs
    low, high = LOG_SHARPNESS
    for _ in range(NUM_REFINEMENTS):
        grid = np.linspace(low, high, GRID_SIZE)
        _, _, random, rates = best
        fits = []
        for s in grid:
            cost, *fitted = _fit_rates(_sharpened(log_probs, float(np.exp(s))), labels, random, rates)
            fits.append((cost + s**2 / 2, float(s), *fitted))
        at = min(range(GRID_SIZE), key=lambda i: fits[i][0])
        best = fits[at]
        low, high = grid[max(at - 1, 0)], grid[min(at + 1, GRID_SIZE - 1)]
    cost, log_sharpness, random, rates = best
    number = int((rates > 0).sum())
    choice = number * np.log(max(K * (K - 1) / max(number, 1), 1))  # which pairs
    penalty = (2 + number) * np.log(N) / 2 + choice
    return NoiseModel(float(np.exp(log_sharpness)), _transition(random, rates), 1.0, cost + penalty)


def _fit_rates(
    probs: np.ndarray, labels: np.ndarray, random: float, rates: np.ndarray
) -> tuple[float, float, np.ndarray]:
    """Negative log likelihood, rate of random labels, and rates of pairs, by EM (Dempster, Laird and Rubin, 1977).

    Shapes:
        probs: (N, K) of the true class; rates: (K, K), true class x label.
    """
    K, rows = len(rates), np.arange(len(labels))
    for _ in range(EM_ITERATIONS):
        transition = _transition(random, rates)
        joint = transition.T[labels] * probs
        share = 1 / (joint.sum(1) + TINY)
        if rates.any():  # a rate of 0 stays 0, and the product takes rows x classes x classes
            expected = (probs * share[:, None]).T @ np.eye(K)[labels] * rates  # wrong labels of each pair
            true = np.maximum((joint * share[:, None]).sum(0), 1)  # rows of each class
            rates = (np.maximum(expected - MIN_PAIR_ROWS, 0) / true[:, None]).clip(0, MAX_NOISE)
        random = float(np.clip((random / (K - 1) * (1 - probs[rows, labels]) * share).mean(), 1e-6, MAX_NOISE))
    likelihood = (_transition(random, rates).T[labels] * probs).sum(1)
    return -float(np.log(likelihood + TINY).sum()), random, rates


def _transition(random: float, rates: np.ndarray) -> np.ndarray:
    """The transition matrix of random labels and pairs of classes."""
    matrix = random / max(len(rates) - 1, 1) + rates
    np.fill_diagonal(matrix, 0)
    matrix /= np.maximum(matrix.sum(1, keepdims=True) / (2 * MAX_NOISE), 1)  # a class is never all noise
    np.fill_diagonal(matrix, 1 - matrix.sum(1))
    return np.asarray(matrix)


def _gain(log_probs: np.ndarray, labels: np.ndarray, model: NoiseModel) -> float:
    """What noise explains beyond overlapping classes, in nats."""
    return _fit_clean(log_probs, labels).cost - model.cost


def _sharpened(log_probs: np.ndarray, sharpness: float) -> np.ndarray:
    logits = sharpness * log_probs.astype(np.float64)
    probs = np.exp(logits - logits.max(1, keepdims=True))
    return np.asarray(probs / probs.sum(1, keepdims=True))
