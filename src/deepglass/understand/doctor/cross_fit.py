"""A linear head on a frozen embedding, cross-fitted: what each row is taken for by a head that has not seen it.

Source: Northcutt, Jiang and Chuang, 2019, arXiv 1911.00068 (confident learning), section 3.1: out-of-sample
probabilities. Ours come from linear heads on the trained network's embedding, which take seconds, not from networks
trained anew.
"""

from __future__ import annotations

import numpy as np
import torch
from sklearn.utils.extmath import randomized_svd
from torch.nn import functional as F

from deepglass.calibration import apply_temperature, fit_temperature

FOLDS = 5
DECAY = 0.01  # keeps the head from learning single wrong labels by heart
ROUNDS = 40
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


def _standard(embedding: np.ndarray) -> torch.Tensor:
    """The embedding (N, D) in at most WIDEST directions, each of deviation 1."""
    x = np.nan_to_num(embedding.astype(np.float32, copy=False))
    x = (x - x.mean(0)) / (x.std(0) + 1e-6)
    if x.shape[1] > WIDEST and len(x) > WIDEST:
        some = x[np.random.default_rng(0).permutation(len(x))[:SAMPLE]]
        _, _, directions = randomized_svd(some, WIDEST, n_iter=2, random_state=0)
        x = x @ directions.T.astype(np.float32)
        x /= x.std(0) + 1e-6
    return torch.from_numpy(np.ascontiguousarray(x))


def _fit(x: torch.Tensor, y: torch.Tensor, fold_of: torch.Tensor, folds: int, classes: int) -> torch.Tensor:
    """The logits (N, K) of the held-out fold of each row; the heads of all folds are fitted side by side."""
    N, D = x.shape
    weight = torch.zeros(D, folds * classes, requires_grad=True)
    bias = torch.zeros(folds * classes, requires_grad=True)
    held = F.one_hot(fold_of, folds).bool()  # (N, folds)
    seen = (~held).float() / (~held).sum(0)
    optimizer = torch.optim.LBFGS(
        [weight, bias], max_iter=ROUNDS, max_eval=2 * ROUNDS, history_size=10, line_search_fn="strong_wolfe"
    )

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        logits = (x @ weight + bias).view(N, folds, classes)
        losses = F.cross_entropy(logits.flatten(0, 1), y.repeat_interleave(folds), reduction="none").view(N, folds)
        loss = (losses * seen).sum() + 0.5 * DECAY * weight.square().sum()
        loss.backward()
        return loss

    with torch.enable_grad():
        optimizer.step(closure)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        return (x @ weight + bias).view(N, folds, classes)[held]
