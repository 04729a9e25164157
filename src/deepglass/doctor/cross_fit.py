"""Out-of-sample class probabilities of each row, by a linear head on the frozen embedding with cross-fitting.

Source: Northcutt, Jiang and Chuang, 2019, arXiv 1911.00068 (confident learning), section 3.1: out-of-sample
probabilities. Ours come from linear heads on the trained network's embedding instead of networks trained again, which
takes seconds.
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

NUM_FOLDS = 5
WEIGHT_DECAY = 0.01  # so that the head does not memorise single wrong labels
MAX_ITERATIONS, HISTORY = 40, 10  # of L-BFGS
MIN_STEP, MIN_GAIN = 1e-4, 1e-6  # gain as a share of the loss; less is lost in float32
MAX_DIMS = 64  # principal components of the embedding that the head reads
PCA_ROWS = 4000


def cross_fitted(embedding: np.ndarray, labels: np.ndarray, classes: int, seed: int = 0) -> np.ndarray:
    """Log probabilities of the classes of each row, by a head that was fitted on the other folds.

    Shapes:
        embedding: (N, D) float; labels: (N,) int from 0 to `classes` - 1; returns: (N, K) float32.
    """
    folds = min(NUM_FOLDS, len(labels))
    random = np.random.default_rng(seed)
    order = random.permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]  # stratified folds
    fold_of = np.empty(len(labels), np.int64)
    fold_of[order] = np.arange(len(labels)) % folds
    x = _standard(embedding)
    y = torch.from_numpy(labels.astype(np.int64))
    logits = _fit(x, y, torch.from_numpy(fold_of), folds, classes)
    log_probs = F.log_softmax(logits, 1).numpy()
    return apply_temperature(log_probs, fit_temperature(log_probs, labels).value)


def _standard(embedding: np.ndarray) -> Tensor:
    """The embedding (N, D) standardised and reduced to at most `MAX_DIMS` principal components."""
    x = np.nan_to_num(embedding.astype(np.float32, copy=False))
    x = (x - x.mean(0)) / (x.std(0) + 1e-6)
    if x.shape[1] > MAX_DIMS and len(x) > MAX_DIMS:
        some = x[np.random.default_rng(0).permutation(len(x))[:PCA_ROWS]]
        x = x @ fit_pca(some, MAX_DIMS).directions.T
        x /= x.std(0) + 1e-6
    return torch.from_numpy(np.ascontiguousarray(x))


def _fit(x: Tensor, y: Tensor, fold_of: Tensor, folds: int, classes: int) -> Tensor:
    """The logits (N, K) of the head for which each row is held out; the heads of all folds are fitted together."""
    N, D = x.shape
    held = F.one_hot(fold_of, folds).bool()  # (N, folds)
    weight = ((~held).float() / (~held).sum(0))[..., None]  # (N, folds, 1)
    answers = F.one_hot(y, classes)[:, None]  # (N, 1, K)

    def logits(heads: Tensor) -> Tensor:
        return (x @ heads[:D] + heads[D]).view(N, folds, classes)

    def value_and_gradient(heads: Tensor) -> tuple[float, Tensor]:
        log_probs = logits(heads).log_softmax(2)
        gradient = ((log_probs.exp() - answers) * weight).view(N, -1)
        loss = -(log_probs * answers * weight).sum() + 0.5 * WEIGHT_DECAY * heads[:D].square().sum()
        return float(loss), torch.cat([x.T @ gradient + WEIGHT_DECAY * heads[:D], gradient.sum(0, keepdim=True)])

    with torch.inference_mode():
        heads = _minimize(value_and_gradient, torch.zeros(D + 1, folds * classes))  # weights, then biases
        return logits(heads)[held]


def _minimize(function: Callable[[Tensor], tuple[float, Tensor]], at: Tensor) -> Tensor:
    """The minimum of a smooth convex function, by L-BFGS; importing torch's own takes two seconds.

    Args:
        function: value and gradient.
        at: starting point.

    Source: Nocedal and Wright 2006, "Numerical Optimization", algorithms 7.4 (directions) and 3.1 (steps).
    """
    value, gradient = function(at)
    steps: deque[tuple[Tensor, Tensor]] = deque(maxlen=HISTORY)  # steps and changes of the gradient
    for _ in range(MAX_ITERATIONS):
        direction, alphas = -gradient, []
        for step, change in reversed(steps):
            alphas.append((step * direction).sum() / (step * change).sum())
            direction = direction - alphas[-1] * change
        if steps:
            step, change = steps[-1]
            direction = direction * ((step * change).sum() / change.square().sum())
        for (step, change), share in zip(steps, reversed(alphas), strict=True):
            direction = direction + step * (share - (change * direction).sum() / (step * change).sum())
        length, down = 1.0, float((gradient * direction).sum())
        while (result := function(at + length * direction))[0] > value + 1e-4 * length * down and length > MIN_STEP:
            length /= 2
        if value - result[0] <= MIN_GAIN * abs(value):
            break
        step, change = length * direction, result[1] - gradient
        at, (value, gradient) = at + step, result
        if float((step * change).sum()) <= 0:
            break
        steps.append((step, change))
    return at
