"""Parts of agents: the moments of what they see and get, kept as they go on, and how they draw an action."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class Moments(nn.Module):
    """Mean and variance of all values seen so far, column by column.

    Args:
        size: how many columns.

    Source: Chan, Golub and LeVeque, 1979, "Updating formulae and a pairwise algorithm for computing sample variances".
    """

    count: Tensor
    mean: Tensor
    variance: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.register_buffer("count", torch.zeros((), dtype=torch.float64))
        self.register_buffer("mean", torch.zeros(size, dtype=torch.float64))
        self.register_buffer("variance", torch.ones(size, dtype=torch.float64))

    @torch.no_grad()
    def update(self, values: Tensor) -> None:
        """Take in more rows, (B, size)."""
        values = values.double()
        own, more = values.mean(0), float(len(values))
        total = self.count + more
        off = own - self.mean
        spread = self.variance * self.count + values.var(0, unbiased=False) * more
        self.variance.copy_((spread + off.square() * self.count * more / total) / total)
        self.mean.add_(off * (more / total))
        self.count.copy_(total)

    @property
    def deviation(self) -> Tensor:
        """The standard deviation, never 0."""
        return self.variance.sqrt().clamp_min(1e-4)


def normal_log_prob(values: Tensor, mean: Tensor, log_std: Tensor) -> Tensor:
    """The log density of vectors under a normal distribution of independent entries, (B, d) -> (B,)."""
    standard = (values - mean) * torch.exp(-log_std)
    return -(0.5 * standard.square() + log_std + 0.5 * math.log(2 * math.pi)).sum(-1)


def normal_entropy(log_std: Tensor) -> Tensor:
    """The entropy of such a distribution, a scalar."""
    return (log_std + 0.5 * math.log(2 * math.pi * math.e)).sum()


def advantages(
    rewards: Tensor, values: Tensor, following: Tensor, terminated: Tensor, done: Tensor, discount: float, trace: float
) -> Tensor:
    """How much better each action was than expected: a sum of one-step surprises, each further one counting less.

    surprise_t = r_t + discount * V(s_t+1) - V(s_t);  A_t = surprise_t + discount * trace * A_t+1

    A world that is over is worth nothing; one whose time was up is worth what it was worth then.

    Args:
        trace: lambda, from 0 (only the next value is trusted) to 1 (only the rewards are).

    Shapes:
        all: (T, N); `following` are the values of what was seen after the action, before a new episode began.

    Source: Schulman et al., 2016, arXiv 1506.02438, equation 16; time limits: Pardo et al., 2018, arXiv 1712.00378.
    """
    surprise = rewards + discount * following * (~terminated) - values
    keep = discount * trace * (~done)
    found = torch.empty_like(surprise)
    later = torch.zeros_like(surprise[0])
    for t in reversed(range(len(surprise))):
        later = surprise[t] + keep[t] * later
        found[t] = later
    return found
