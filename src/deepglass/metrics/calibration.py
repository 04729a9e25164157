"""What the validation rows teach about confidence: a temperature for classes, an interval for numbers, a threshold.

Each of these is learned from answers and truth alone, after training; the network is not touched.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import numpy as np

from deepglass.metrics import ece, log_loss

# -- classes: temperature ------------------------------------------------------------------------------------------


class Temperature(NamedTuple):
    """By what the logits are divided, and what it brought on rows that it was not fitted to."""

    value: float  # 1 where it is not kept
    improves: bool
    log_loss_before: float
    log_loss_after: float
    ece_before: float
    ece_after: float


def apply_temperature(log_probs: np.ndarray, temperature: float) -> np.ndarray:
    """Log probabilities of softmax(logits / temperature), (N, K); above 1 is less sure."""
    if temperature == 1:
        return log_probs
    scaled = log_probs.astype(np.float64) / temperature
    scaled -= scaled.max(1, keepdims=True)
    return (scaled - np.log(np.exp(scaled).sum(1, keepdims=True))).astype(log_probs.dtype)


def fit_temperature(log_probs: np.ndarray, labels: np.ndarray, folds: int = 5, seed: int = 0) -> Temperature:
    """The temperature that makes the log loss least, kept only where it also helps rows that it has not seen.

    The figures are cross-fitted: each fold is judged with the temperature of the others.

    Shapes:
        log_probs: (N, K) float, any logits; labels: (N,) int.

    Source: Guo et al., 2017, arXiv 1706.04599, section 4.2. Ours fits log T, so that T is positive, and draws it
    towards 0 like one more row would, so that a few rows, all answered rightly, do not make the model certain.
    """
    labels = labels.astype(np.int64)
    logits = np.maximum(log_probs.astype(np.float64), -1e4)  # a probability of 0 must not turn into 0 times infinity
    before = _normalised(logits, np.ones(len(labels)))
    unchanged = Temperature(1.0, False, *(2 * [log_loss(labels, before)]), *(2 * [ece(labels, np.exp(before))]))
    folds = min(folds, len(labels))
    if folds < 2 or logits.shape[1] < 2:
        return unchanged
    whole = _log_temperature(logits, labels, 0.0)
    fold_of = np.random.default_rng(seed).permutation(len(labels)) % folds
    fitted = [_log_temperature(logits[fold_of != f], labels[fold_of != f], whole) for f in range(folds)]
    after = _normalised(logits, np.exp(fitted)[fold_of])
    loss, error = log_loss(labels, after), ece(labels, np.exp(after))
    if loss >= unchanged.log_loss_before:
        return unchanged
    return Temperature(math.exp(whole), True, unchanged.log_loss_before, loss, unchanged.ece_before, error)


def _normalised(logits: np.ndarray, temperatures: np.ndarray) -> np.ndarray:
    scaled = logits / temperatures[:, None]
    scaled -= scaled.max(1, keepdims=True)
    return scaled - np.log(np.exp(scaled).sum(1, keepdims=True))


def _log_temperature(logits: np.ndarray, labels: np.ndarray, start: float, steps: int = 30) -> float:
    """Newton's method on s = log T for sum(-log p(label)) + s^2 / 2, its steps no longer than 1."""
    s = start
    chosen = logits[np.arange(len(labels)), labels]
    for _ in range(steps):
        b = math.exp(-s)
        p = np.exp(_normalised(logits, np.full(len(labels), 1 / b)))
        mean = (p * logits).sum(1)
        spread = (p * logits**2).sum(1) - mean**2
        slope = -b * (mean - chosen).sum() + s
        curve = b * b * spread.sum() + b * (mean - chosen).sum() + 1
        step = -slope / curve if curve > 0 else -math.copysign(1.0, slope)
        step = max(-1.0, min(1.0, step))
        s = max(-4.0, min(4.0, s + step))
        if abs(step) < 1e-6:
            break
    return s


# -- two classes: threshold ----------------------------------------------------------------------------------------


def best_threshold(
    prob: np.ndarray, label: np.ndarray, metric: Literal["f1_macro", "f1", "balanced_accuracy"] = "f1_macro"
) -> float:
    """From which probability on to say "positive"; of equally good thresholds the one nearest to one half.

    Shapes:
        prob: (N,) float of the positive class; label: (N,) int, 1 = positive.
    """
    order = np.argsort(-prob, kind="stable")
    p, y = prob[order].astype(np.float64), label[order] == 1
    P, N = y.sum(), len(y) - y.sum()
    if P == 0 or N == 0:
        return 0.5
    # Cut i says "positive" to the first i rows; only between two different probabilities can one cut.
    tp, fp = np.append(0, np.cumsum(y)), np.append(0, np.cumsum(~y))
    edges = np.concatenate([[1.0], p, [0.0]])
    cut = (edges[:-1] + edges[1:]) / 2
    possible = np.append(True, np.append(p[1:] < p[:-1], True))
    fn, tn = P - tp, N - fp
    if metric == "balanced_accuracy":
        figure = (tp / P + tn / N) / 2
    elif metric == "f1":
        figure = 2 * tp / (2 * tp + fp + fn)
    else:
        figure = (2 * tp / (2 * tp + fp + fn) + 2 * tn / (2 * tn + fp + fn)) / 2
    figure = np.where(possible, figure, -1)
    best = np.flatnonzero(figure >= figure.max() - 1e-12)
    return float(cut[best[np.argmin(np.abs(cut[best] - 0.5))]])


# -- pairs: from a similarity to a probability ---------------------------------------------------------------------


class Logistic(NamedTuple):
    """p = 1 / (1 + exp(-(slope * x + offset)))."""

    slope: float
    offset: float

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(1 / (1 + np.exp(-np.clip(self.slope * x.astype(np.float64) + self.offset, -50, 50))))

    @property
    def threshold(self) -> float:
        """The x at which p is one half."""
        return -self.offset / self.slope


def fit_logistic(x: np.ndarray, label: np.ndarray, evidence: int | None = None) -> Logistic | None:
    """The probability of "positive" as a function of one score, both labels weighing the same; None if it falls.

    Args:
        evidence: how many independent cases there are of each label at most; None: all. Pairs made of a few pictures
            hold no more than these, and must not make the model certain.

    Shapes:
        x: (N,) float; label: (N,) int, 1 = positive.

    Source: Platt, 1999, with its targets a little inside 0 and 1, by Newton's method as in Lin et al., 2007. Ours
    weighs the labels alike: of all pairs of pictures nearly all are of two people, of those asked about they are not.
    """
    positive = label == 1
    P, N = int(positive.sum()), int((~positive).sum())
    if not P or not N:
        return None
    most = evidence or len(x)
    target = np.where(positive, 1 - 1 / (min(P, most) + 2), 1 / (min(N, most) + 2))
    weight = np.where(positive, 0.5 / P, 0.5 / N) * (P + N)
    mean, spread = float(x.mean()), float(x.std()) or 1.0
    design = np.stack([(x.astype(np.float64) - mean) / spread, np.ones(len(x))], 1)  # (N, 2)
    coefficients = np.zeros(2)
    for _ in range(50):
        p = 1 / (1 + np.exp(-np.clip(design @ coefficients, -50, 50)))
        slope = design.T @ (weight * (p - target)) + 1e-3 * coefficients
        curve = (design * (weight * p * (1 - p))[:, None]).T @ design + 1e-3 * np.eye(2)
        step = np.linalg.solve(curve, slope)
        step *= min(1.0, 2 / max(float(np.abs(step).max()), 1e-12))  # Newton overshoots where p is flat
        coefficients -= step
        if np.abs(step).max() < 1e-8:
            break
    if coefficients[0] <= 0:
        return None
    return Logistic(float(coefficients[0] / spread), float(coefficients[1] - coefficients[0] * mean / spread))


# -- numbers: conformal intervals ----------------------------------------------------------------------------------


def conformal(residuals: np.ndarray, level: float = 0.9) -> float:
    """The half width of an interval that holds a new row's truth with at least this probability.

    Holds for rows that are drawn like those of `residuals` and were not trained on; infinite when there are too few.

    Args:
        residuals: (N,) of truth minus prediction, of either sign.

    Source: Vovk et al., 2005; Lei et al., 2018, arXiv 1604.04173, algorithm 2 (split conformal, absolute residuals).
    """
    n = len(residuals)
    place = math.ceil((n + 1) * level)
    if place > n:
        return math.inf
    return float(np.partition(np.abs(residuals), place - 1)[place - 1])
