"""Running statistics, normal policies and generalised advantage estimation for reinforcement learning."""

import math

import torch
from torch import Tensor, nn


class RunningMeanStd(nn.Module):
    """Running mean and variance of each column.

    Args:
        size: number of columns.

    Source: Chan, Golub and LeVeque, 1979, "Updating formulae and a pairwise algorithm for computing sample variances".
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.count = nn.Buffer(torch.zeros((), dtype=torch.float64))
        self.mean = nn.Buffer(torch.zeros(size, dtype=torch.float64))
        self.variance = nn.Buffer(torch.ones(size, dtype=torch.float64))

    @torch.no_grad()
    def update(self, values: Tensor) -> None:
        """Include more rows, (B, size)."""
        values = values.double()
        batch_mean, batch_count = values.mean(0), float(len(values))
        total = self.count + batch_count
        delta = batch_mean - self.mean
        squares = self.variance * self.count + values.var(0, unbiased=False) * batch_count
        self.variance.copy_((squares + delta.square() * self.count * batch_count / total) / total)
        self.mean.add_(delta * (batch_count / total))
        self.count.copy_(total)

    @property
    def std(self) -> Tensor:
        """Standard deviation, at least 1e-4."""
        return self.variance.sqrt().clamp_min(1e-4)


def normal_log_prob(values: Tensor, mean: Tensor, log_std: Tensor) -> Tensor:
    """Log density of a diagonal normal distribution, (B, d) -> (B,)."""
    standard = (values - mean) * torch.exp(-log_std)
    return -(0.5 * standard.square() + log_std + 0.5 * math.log(2 * math.pi)).sum(-1)


def normal_entropy(log_std: Tensor) -> Tensor:
    """Entropy of a diagonal normal distribution, a scalar."""
    return (log_std + 0.5 * math.log(2 * math.pi * math.e)).sum()


def gae(
    rewards: Tensor,
    values: Tensor,
    next_values: Tensor,
    terminated: Tensor,
    done: Tensor,
    *,
    discount: float,
    gae_lambda: float,
) -> Tensor:
    """Generalised advantage estimation (GAE): the discounted sum of TD errors.

    delta_t = r_t + discount * V(s_t+1) - V(s_t);  A_t = delta_t + discount * gae_lambda * A_t+1

    The value after a terminated episode is 0; after a time limit it is V of the last observation.

    Args:
        gae_lambda: from 0 (one-step TD errors) to 1 (Monte Carlo returns).

    Shapes:
        all: (T, N). `next_values` belong to the observations after the actions, before a reset.

    Source: Schulman et al., 2016, arXiv 1506.02438, equation 16; time limits: Pardo et al., 2018, arXiv 1712.00378.
    """
    delta = rewards + discount * next_values * (~terminated) - values
    decay = discount * gae_lambda * (~done)
    advantages = torch.empty_like(delta)
    last = torch.zeros_like(delta[0])
    for t in reversed(range(len(delta))):
        last = delta[t] + decay[t] * last
        advantages[t] = last
    return advantages
