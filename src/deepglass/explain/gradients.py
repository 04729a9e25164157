"""Integrated gradients at the input layers of a network.

Source: Sundararajan, Taly and Yan, 2017, arXiv 1703.01365. Ours integrates by Gauss-Legendre quadrature and doubles the
number of steps until the attributions add up.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from deepglass.explain.checks import Completeness
from deepglass.explain.input_layers import InputLayer, replaced
from deepglass.nn.frozen import frozen

DEFAULT_STEPS, MAX_STEPS = 32, 512  # of the path from the baseline to the row
MAX_GAP = 0.02  # completeness gap, as a share of score - baseline
MAX_VALUES = 6_000_000  # input values of one forward pass

Scores = Callable[[int], Tensor]
"""Number of copies of the row -> the targets of each, (B, Q), with a graph."""


class Attributions(NamedTuple):
    """Attributions of Q targets to the values of each input layer.

    Args:
        values: one array (Q, ...) per input layer.
        completeness: of their sums.
        steps: of the path.
    """

    values: list[np.ndarray]
    completeness: Completeness
    steps: int


@contextmanager
def frozen_weights(objective: torch.nn.Module) -> Iterator[None]:
    """Evaluation mode without gradients of the weights; without cuDNN, whose recurrent layers need training mode."""
    training = objective.training
    objective.eval()
    try:
        with frozen(objective), torch.backends.cudnn.flags(enabled=False), torch.enable_grad():
            yield
    finally:
        objective.train(training)


def integrated_gradients(
    scores: Scores, layers: Sequence[Sequence[InputLayer]], *, steps: int = DEFAULT_STEPS, max_steps: int = MAX_STEPS
) -> Attributions:
    """Integrated gradients; the steps are doubled until the gap is below `MAX_GAP` or `max_steps` are reached."""
    while True:
        result = _integrate(scores, layers, steps)
        if 2 * steps > max_steps or float(result.completeness.relative_gap.max(initial=0.0)) <= MAX_GAP:
            return result
        steps *= 2


def midpoint_gradient(scores: Scores, layers: Sequence[Sequence[InputLayer]], score: Tensor) -> Attributions:
    """Integrated gradients of one step, at the middle of the path: one forward and one backward pass.

    Args:
        score: (Q,) of the row.
    """
    path = _Path(layers, torch.full((1,), 0.5))
    with replaced(layers, path.replace):
        out = scores(1)
    gradients = path.gradients(out, torch.ones(1))
    values = [_times(path.differences[i], g) for i, g in gradients.items()]
    unknown = np.full(len(score), np.nan)
    return Attributions(values, Completeness(score.double().cpu().numpy(), unknown, unknown), 1)


def _integrate(scores: Scores, layers: Sequence[Sequence[InputLayer]], steps: int) -> Attributions:
    nodes, weights = np.polynomial.legendre.leggauss(steps)
    shares = torch.tensor(np.concatenate([[1.0, 0.0], (nodes + 1) / 2]), dtype=torch.float32)
    weight = torch.tensor(np.concatenate([[0.0, 0.0], weights / 2]), dtype=torch.float32)
    size = 2
    start, ends = 0, None
    total: dict[int, Tensor] = {}
    differences: dict[int, Tensor] = {}
    while start < len(shares):
        part = slice(start, start + size)
        path = _Path(layers, shares[part])
        with replaced(layers, path.replace):
            out = scores(len(shares[part]))
        if ends is None:
            ends = out[:2].detach().double().cpu().numpy()
            differences = path.differences
        else:
            for i, gradient in path.gradients(out, weight[part]).items():
                total[i] = total[i] + gradient if i in total else gradient
        start += size
        size = max(1, min(steps, MAX_VALUES // max(sum(d.numel() for d in differences.values()), 1)))
    assert ends is not None
    values = [_times(differences[i], g) for i, g in total.items()]
    sums = np.sum([v.reshape(len(v), -1).sum(1) for v in values], axis=0)
    return Attributions(values, Completeness(ends[0], ends[1], ends[0] - ends[1] - sums), steps)


def _times(difference: Tensor, gradient: Tensor) -> np.ndarray:
    return (gradient.double() * difference.double()).cpu().numpy()


class _Path:
    """Points on the straight line from the baseline (share 0) to the row (share 1)."""

    def __init__(self, layers: Sequence[Sequence[InputLayer]], shares: Tensor) -> None:
        self.layers, self.shares = layers[0], shares
        self.leaves: dict[int, Tensor] = {}
        self.differences: dict[int, Tensor] = {}

    def replace(self, i: int, values: Tensor) -> Tensor:
        values = values.detach()
        baseline = self.layers[i].baseline(values).detach()
        share = self.shares.to(values).view(-1, *(1 for _ in values.shape[1:]))
        self.differences[i] = (values - baseline)[:1].nan_to_num()
        self.leaves[i] = leaf = (baseline + share * (values - baseline)).nan_to_num().requires_grad_()
        return torch.where(values.isnan(), values, leaf)

    def gradients(self, out: Tensor, weight: Tensor) -> dict[int, Tensor]:
        """The weighted sum of each target's gradients over the points, (Q, ...) per input layer."""
        leaves = [self.leaves[i] for i in sorted(self.leaves)]
        weight = weight.to(out)
        if not out.requires_grad:  # a prediction that does not depend on the inputs
            return {i: x.new_zeros(out.shape[1], *x.shape[1:]) for i, x in self.leaves.items()}
        by_target = []
        for q in range(out.shape[1]):
            keep = q + 1 < out.shape[1]
            gradients = torch.autograd.grad((out[:, q] * weight).sum(), leaves, retain_graph=keep, allow_unused=True)
            by_target.append([torch.zeros_like(x[0]) if g is None else g.sum(0) for g, x in zip(gradients, leaves)])
        return {
            i: torch.stack(column) for i, column in zip(sorted(self.leaves), zip(*by_target, strict=True), strict=True)
        }
