"""Out-of-sample class probabilities of each row: linear heads on the frozen embedding, fitted through label noise.

Heads that are fitted to wrong labels learn the noise too: their probabilities never fall below its rate, and a class
whose labels are often turned into another one looks like an overlap of both. So the heads predict the true class, and a
transition matrix, fixed during a fit, turns its probabilities into those of the labels.

Source: Northcutt, Jiang and Chuang, 2019, arXiv 1911.00068 (confident learning), section 3.1: out-of-sample
probabilities; Patrini et al., 2017, arXiv 1609.03683, section 3: the forward correction of the loss. Ours are linear
heads on the trained network's embedding instead of networks trained again, which takes seconds.
"""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from deepglass.nn.pca import fit_pca

NUM_FOLDS = 5
WEIGHT_DECAY = 0.01
MIN_LOSS_GAIN = 1e-6  # of L-BFGS; a smaller gain, as a share of the loss, is lost in float32
MAX_DIMS = 64  # principal components of the embedding that the heads read
PCA_ROWS = 4000
NUM_NEIGHBOURS, NUM_COMPARED = 10, 1000  # rows whose labels vote, and rows among which these are searched
VOTE_PRIOR = 2.0  # votes that are spread over all classes


class CrossFit:
    """Heads of `NUM_FOLDS` stratified folds, all fitted together; a further fit goes on from the last one.

    Args:
        labels: class codes from 0 to `classes` - 1.

    Shapes:
        embedding: (N, D) float; labels: (N,) int.
    """

    def __init__(self, embedding: np.ndarray, labels: np.ndarray, classes: int, seed: int = 0) -> None:
        self.x, self.classes = _standard(embedding), classes
        self.labels = torch.from_numpy(labels.astype(np.int64))
        self.folds = min(NUM_FOLDS, len(labels))
        random = np.random.default_rng(seed)
        order = random.permutation(len(labels))
        order = order[np.argsort(labels[order], kind="stable")]  # stratified folds
        fold_of = np.empty(len(labels), np.int64)
        fold_of[order] = np.arange(len(labels)) % self.folds
        self.held_out = F.one_hot(torch.from_numpy(fold_of), self.folds).bool()  # (N, folds)
        self.heads = np.zeros((self.x.shape[1] + 1) * self.folds * classes)

    def fit(self, transition: np.ndarray, iterations: int) -> np.ndarray:
        """Log probabilities of the true class of each row, (N, K) float32, by the head that has not seen the row.

        Args:
            transition: (K, K) probability of each label (column) given the true class (row).
        """
        x, (N, D) = self.x, self.x.shape
        weight = ((~self.held_out).float() / (~self.held_out).sum(0))[..., None]  # (N, folds, 1)
        log_label = torch.from_numpy(transition.T.astype(np.float32)).clamp_min(1e-12).log()[self.labels][:, None]

        def log_probs(heads: Tensor) -> Tensor:
            return (x @ heads[:D] + heads[D]).view(N, self.folds, self.classes).log_softmax(2)

        def value_and_gradient(flat: np.ndarray) -> tuple[float, np.ndarray]:
            heads = torch.from_numpy(flat.astype(np.float32)).view(D + 1, -1)  # weights, then biases
            log_class = log_probs(heads)
            joint = log_class + log_label  # of true class and label, (N, folds, K)
            log_likelihood = joint.logsumexp(2, keepdim=True)
            posterior = joint.sub_(log_likelihood).exp_()  # of the true class given the label
            gradient = log_class.exp_().sub_(posterior).mul_(weight).view(N, -1)
            loss = -(log_likelihood * weight).sum() + 0.5 * WEIGHT_DECAY * heads[:D].square().sum()
            whole = torch.cat([x.T @ gradient + WEIGHT_DECAY * heads[:D], gradient.sum(0, keepdim=True)])
            return float(loss), whole.double().numpy().ravel()

        from scipy.optimize import minimize  # takes 0.3 s to import

        options = {"maxiter": iterations, "ftol": MIN_LOSS_GAIN}
        with torch.inference_mode():  # torch.optim takes two seconds to import
            self.heads = minimize(value_and_gradient, self.heads, jac=True, method="L-BFGS-B", options=options).x
            return log_probs(torch.from_numpy(self.heads.astype(np.float32)).view(D + 1, -1))[self.held_out].numpy()

    def neighbour_votes(self, seed: int = 0) -> np.ndarray:
        """Log of the shares of the labels of each row's nearest other rows, (N, K) float32.

        Classes of several groups, which a linear head cannot separate, are told by their neighbours.
        """
        some = torch.from_numpy(np.sort(np.random.default_rng(seed).permutation(len(self.x))[:NUM_COMPARED]))
        count = min(NUM_NEIGHBOURS, len(some) - 1)
        with torch.inference_mode():
            others = self.x[some]
            distances = others.square().sum(1) - 2 * self.x @ others.T  # and what is the same for all others
            distances[some, torch.arange(len(some))] = torch.inf
            nearest = self.labels[some][distances.topk(count, 1, largest=False, sorted=False).indices]
            votes = torch.full((len(self.x), self.classes), VOTE_PRIOR / self.classes)
            votes.scatter_add_(1, nearest, torch.ones_like(nearest, dtype=votes.dtype))
            return (votes / (count + VOTE_PRIOR)).log().numpy()


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
