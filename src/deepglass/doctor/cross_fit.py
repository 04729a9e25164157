"""Out-of-sample class probabilities of each row, by a linear head on the frozen embedding with cross-fitting.

Source: Northcutt, Jiang and Chuang, 2019, arXiv 1911.00068 (confident learning), section 3.1: out-of-sample
probabilities. Ours come from linear heads on the trained network's embedding instead of networks trained again, which
takes seconds.
"""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from deepglass.metrics.calibration import apply_temperature, fit_temperature
from deepglass.nn.pca import fit_pca

NUM_FOLDS = 5
WEIGHT_DECAY = 0.01  # so that the head does not memorise single wrong labels
OPTIONS = {"maxiter": 40, "ftol": 1e-6}  # of L-BFGS; a smaller gain, as a share of the loss, is lost in float32
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
    x = torch.from_numpy(embedding.astype(np.float32, copy=False)).nan_to_num()
    deviation, mean = torch.std_mean(x, 0, correction=0)
    x = (x - mean) / (deviation + 1e-6)
    if x.shape[1] > MAX_DIMS and len(x) > MAX_DIMS:
        some = x[np.random.default_rng(0).permutation(len(x))[:PCA_ROWS]]
        x = x @ torch.from_numpy(fit_pca(some.numpy(), MAX_DIMS).directions).T
        x /= x.std(0, correction=0) + 1e-6
    return x.contiguous()


def _fit(x: Tensor, y: Tensor, fold_of: Tensor, folds: int, classes: int) -> Tensor:
    """The logits (N, K) of the head for which each row is held out; the heads of all folds are fitted together."""
    N, D = x.shape
    held_out = F.one_hot(fold_of, folds).bool()  # (N, folds)
    weight = ((~held_out).float() / (~held_out).sum(0))[..., None]  # (N, folds, 1)
    targets = F.one_hot(y, classes).float()[:, None]  # (N, 1, K)

    def logits(heads: Tensor) -> Tensor:
        return (x @ heads[:D] + heads[D]).view(N, folds, classes)

    def value_and_gradient(flat: np.ndarray) -> tuple[float, np.ndarray]:
        heads = torch.from_numpy(flat.astype(np.float32)).view(D + 1, -1)  # weights, then biases
        log_probs = logits(heads).log_softmax(2)
        gradient = log_probs.exp().sub_(targets).mul_(weight).view(N, -1)
        loss = -log_probs.mul_(targets).mul_(weight).sum() + 0.5 * WEIGHT_DECAY * heads[:D].square().sum()
        whole = torch.cat([x.T @ gradient + WEIGHT_DECAY * heads[:D], gradient.sum(0, keepdim=True)])
        return float(loss), whole.double().numpy().ravel()

    from scipy.optimize import minimize  # takes 0.3 s to import

    start = np.zeros((D + 1) * folds * classes)
    with torch.inference_mode():  # torch.optim takes two seconds to import
        best = minimize(value_and_gradient, start, jac=True, method="L-BFGS-B", options=OPTIONS).x
        return logits(torch.from_numpy(best.astype(np.float32)).view(D + 1, -1))[held_out]
