"""Attributions by gradients, at the entries of a network.

Source: Sundararajan, Taly and Yan, 2017, arXiv 1703.01365 (integrated gradients: what the parts add up to is the
difference between the answer and that to nothing).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from deepglass.explain.input_layers import Entry, changed

STEPS, MOST_STEPS = 32, 512  # of the way from nothing to the row
TOLERANCE = 0.02  # of the difference, which the parts may miss
AT_ONCE = 6_000_000  # numbers that enter together

Scores = Callable[[int], Tensor]
"""How many copies of the row -> the figures of each, (B, Q), with a graph behind them."""


@dataclass(frozen=True)
class Attributed:
    """What each number that enters adds to the answer.

    Args:
        values: an array (Q, ...) an entry.
        score: (Q,) of the row; base: (Q,) of nothing, NaN where it was not asked for.
        gap: (Q,) the difference of the two less the sum of the values.
        steps: of the way.
    """

    values: list[np.ndarray]
    score: np.ndarray
    base: np.ndarray
    gap: np.ndarray
    steps: int

    @property
    def relative_gap(self) -> np.ndarray:
        """The gap as a share of the difference, (Q,)."""
        return relative_gap(self.gap, self.score, self.base)


def relative_gap(gap: np.ndarray, score: np.ndarray, base: np.ndarray) -> np.ndarray:
    """A gap as a share of the difference that is explained; of a small one, as a share of the figures themselves."""
    return np.abs(gap) / np.maximum(np.abs(score - base), 0.05 * (np.abs(score) + np.abs(base)) + 1e-6)


@contextmanager
def quiet(objective: torch.nn.Module) -> Iterator[None]:
    """While it lasts weights need no gradient and nothing is random; recurrent layers give gradients on any device."""
    learned = [p for p in objective.parameters() if p.requires_grad]
    training = objective.training
    if training:
        objective.eval()
    for parameter in learned:
        parameter.requires_grad_(False)
    try:
        with torch.backends.cudnn.flags(enabled=False), torch.enable_grad():
            yield
    finally:
        for parameter in learned:
            parameter.requires_grad_(True)
        if training:
            objective.train()


def integrated(
    scores: Scores, places: Sequence[Sequence[Entry]], *, steps: int = STEPS, most: int = MOST_STEPS
) -> Attributed:
    """Integrated gradients by Gauss's rule, with twice as many steps until the parts add up or `most` are reached."""
    while True:
        found = _integrate(scores, places, steps)
        if 2 * steps > most or float(found.relative_gap.max(initial=0.0)) <= TOLERANCE:
            return found
        steps *= 2


def quick(scores: Scores, places: Sequence[Sequence[Entry]], score: Tensor) -> Attributed:
    """Integrated gradients of a single step, half way between nothing and the row: one pass each way.

    Args:
        score: (Q,) the row's own figures.
    """
    way = _Way(places, torch.full((1,), 0.5))
    with changed(places, way.change):
        out = scores(1)
    gradients = way.gradients(out, torch.ones(1))
    values = [_times(way.differences[i], g) for i, g in gradients.items()]
    unknown = np.full(len(score), np.nan)
    return Attributed(values, score.double().cpu().numpy(), unknown, unknown, 1)


def _integrate(scores: Scores, places: Sequence[Sequence[Entry]], steps: int) -> Attributed:
    nodes, weights = np.polynomial.legendre.leggauss(steps)
    shares = torch.tensor(np.concatenate([[1.0, 0.0], (nodes + 1) / 2]), dtype=torch.float32)
    weight = torch.tensor(np.concatenate([[0.0, 0.0], weights / 2]), dtype=torch.float32)
    size = 2
    start, ends = 0, None
    total: dict[int, Tensor] = {}
    differences: dict[int, Tensor] = {}
    while start < len(shares):
        part = slice(start, start + size)
        way = _Way(places, shares[part])
        with changed(places, way.change):
            out = scores(len(shares[part]))
        if ends is None:
            ends = out[:2].detach().double().cpu().numpy()
            differences = way.differences
        else:
            for i, gradient in way.gradients(out, weight[part]).items():
                total[i] = total[i] + gradient if i in total else gradient
        start += size
        size = max(1, min(steps, AT_ONCE // max(sum(d.numel() for d in differences.values()), 1)))
    assert ends is not None
    values = [_times(differences[i], g) for i, g in total.items()]
    sums = np.sum([v.reshape(len(v), -1).sum(1) for v in values], axis=0)
    return Attributed(values, ends[0], ends[1], ends[0] - ends[1] - sums, steps)


def _times(difference: Tensor, gradient: Tensor) -> np.ndarray:
    return (gradient.double() * difference.double()).cpu().numpy()


class _Way:
    """Points between nothing and the row, a share of the way each."""

    def __init__(self, places: Sequence[Sequence[Entry]], shares: Tensor) -> None:
        self.entries, self.shares = places[0], shares
        self.leaves: dict[int, Tensor] = {}
        self.differences: dict[int, Tensor] = {}

    def change(self, i: int, values: Tensor) -> Tensor:
        values = values.detach()
        nothing = self.entries[i].nothing(values).detach()
        share = self.shares.to(values).view(-1, *(1 for _ in values.shape[1:]))
        self.differences[i] = (values - nothing)[:1].nan_to_num()
        self.leaves[i] = leaf = (nothing + share * (values - nothing)).nan_to_num().requires_grad_()
        return torch.where(values.isnan(), values, leaf)

    def gradients(self, out: Tensor, weight: Tensor) -> dict[int, Tensor]:
        """The weighted sum over the points of each question's gradients, (Q, ...) an entry."""
        leaves = [self.leaves[i] for i in sorted(self.leaves)]
        weight = weight.to(out)
        if not out.requires_grad:  # an answer that does not depend on what was read
            return {i: x.new_zeros(out.shape[1], *x.shape[1:]) for i, x in self.leaves.items()}
        found = []
        for q in range(out.shape[1]):
            keep = q + 1 < out.shape[1]
            gradients = torch.autograd.grad((out[:, q] * weight).sum(), leaves, retain_graph=keep, allow_unused=True)
            found.append([torch.zeros_like(x[0]) if g is None else g.sum(0) for g, x in zip(gradients, leaves)])
        return {i: torch.stack(column) for i, column in zip(sorted(self.leaves), zip(*found, strict=True), strict=True)}
