"""A linear head on a frozen embedding, cross-fitted: what each row is taken for by a head that has not seen it.

Source: Northcutt, Jiang and Chuang, 2019, arXiv 1911.00068 (confident learning), section 3.1: out-of-sample
probabilities. Ours come from linear heads on the trained network's embedding, which take seconds, not from networks
trained anew.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from deepglass.metrics.calibration import apply_temperature, fit_temperature
from deepglass.nn.pca import fit_pca

FOLDS = 5
DECAY = 0.01  # keeps the head from learning single wrong labels by heart
ROUNDS, HISTORY = 40, 10
SHORTEST, LEAST = 1e-4, 1e-6  # of a step; of a step's gain, as a share of the value: less is lost in float32
WIDEST = 64  # directions of the embedding that a head reads, those along which the rows differ most
SAMPLE = 4000  # rows from which these directions are found


def cross_fitted(embedding: np.ndarray, labels: np.ndarray, classes: int, seed: int = 0) -> np.ndarray:
    """The log probabilities of each row's classes, by a head that was fitted without it.

    Shapes:
        embedding: (N, D) float; labels: (N,) int from 0 to `classes` - 1; returns: (N, K) float32.
    """
    folds = min(FOLDS, len(labels))
    random = np.random.default_rng(seed)
    order = random.permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]  # each fold gets its share of each class
    fold_of = np.empty(len(labels), np.int64)
    fold_of[order] = np.arange(len(labels)) % folds
    x = _standard(embedding)
    y = torch.from_numpy(labels.astype(np.int64))
    logits = _fit(x, y, torch.from_numpy(fold_of), folds, classes)
    log_probs = F.log_softmax(logits, 1).numpy()
    return apply_temperature(log_probs, fit_temperature(log_probs, labels).value)


def _standard(embedding: np.ndarray) -> Tensor:
    """The embedding (N, D) in at most WIDEST directions, each of deviation 1."""
    x = np.nan_to_num(embedding.astype(np.float32, copy=False))
    x = (x - x.mean(0)) / (x.std(0) + 1e-6)
    if x.shape[1] > WIDEST and len(x) > WIDEST:
        some = x[np.random.default_rng(0).permutation(len(x))[:SAMPLE]]
        x = x @ fit_pca(some, WIDEST).directions.T
        x /= x.std(0) + 1e-6
    return torch.from_numpy(np.ascontiguousarray(x))


def _fit(x: Tensor, y: Tensor, fold_of: Tensor, folds: int, classes: int) -> Tensor:
    """The logits (N, K) of the held-out fold of each row; the heads of all folds are fitted side by side."""
    N, D = x.shape
    held = F.one_hot(fold_of, folds).bool()  # (N, folds)
    seen = ((~held).float() / (~held).sum(0))[..., None]  # (N, folds, 1)
    answers = F.one_hot(y, classes)[:, None]  # (N, 1, K)

    def logits(heads: Tensor) -> Tensor:
        return (x @ heads[:D] + heads[D]).view(N, folds, classes)

    def slope(heads: Tensor) -> tuple[float, Tensor]:
        log_probs = logits(heads).log_softmax(2)
        gradient = ((log_probs.exp() - answers) * seen).view(N, -1)
        loss = -(log_probs * answers * seen).sum() + 0.5 * DECAY * heads[:D].square().sum()
        return float(loss), torch.cat([x.T @ gradient + DECAY * heads[:D], gradient.sum(0, keepdim=True)])

    with torch.inference_mode():
        heads = _downhill(slope, torch.zeros(D + 1, folds * classes))  # weights, and the biases below them
        return logits(heads)[held]


def _downhill(slope: Callable[[Tensor], tuple[float, Tensor]], at: Tensor) -> Tensor:
    """Where a smooth convex function is least, by L-BFGS; torch's own loads torch's compiler, two seconds of work.

    Args:
        slope: the function's value and its gradient.
        at: where to begin.

    Source: Nocedal and Wright 2006, "Numerical Optimization", algorithms 7.4 (directions) and 3.1 (steps).
    """
    value, gradient = slope(at)
    steps: deque[tuple[Tensor, Tensor]] = deque(maxlen=HISTORY)  # what was gone, and how the gradient changed
    for _ in range(ROUNDS):
        direction, passed = -gradient, []
        for gone, change in reversed(steps):
            passed.append((gone * direction).sum() / (gone * change).sum())
            direction = direction - passed[-1] * change
        if steps:
            gone, change = steps[-1]
            direction = direction * ((gone * change).sum() / change.square().sum())
        for (gone, change), share in zip(steps, reversed(passed), strict=True):
            direction = direction + gone * (share - (change * direction).sum() / (gone * change).sum())
        length, down = 1.0, float((gradient * direction).sum())
        while (found := slope(at + length * direction))[0] > value + 1e-4 * length * down and length > SHORTEST:
            length /= 2
        if value - found[0] <= LEAST * abs(value):
            break
        gone, change = length * direction, found[1] - gradient
        at, (value, gradient) = at + gone, found
        if float((gone * change).sum()) <= 0:
            break
        steps.append((gone, change))
    return at
