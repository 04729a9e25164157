"""Restricted Boltzmann machine (RBM) with binary hidden units.

    E(v, h) = -b.v - c.h - h W v          p(v, h) is proportional to exp(-E)
    F(v)    = -b.v - sum_j log(1 + exp(c_j + W_j v))     the free energy, hidden states summed out

Source: Smolensky, 1986; Hinton, 2002, Neural Computation 14 (contrastive divergence); Hinton, 2010, UTML TR 2010-003.
"""

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F


class BoltzmannMachine(nn.Module):
    """RBM with binary hidden units and visible units in [0, 1].

    Args:
        visible: number V of visible units.
        hidden: number H of hidden units.
        classes: number of visible units, the last ones, that form a softmax group (one-hot).

    Shapes:
        v: (B, V) -> probabilities of the hidden units, (B, H).
    """

    def __init__(self, visible: int, hidden: int, classes: int = 0) -> None:
        super().__init__()
        self.classes = classes
        self.weight = nn.Parameter(0.01 * torch.randn(hidden, visible))
        self.visible_bias = nn.Parameter(torch.zeros(visible))
        self.hidden_bias = nn.Parameter(torch.zeros(hidden))

    def forward(self, v: Tensor) -> Tensor:
        return torch.sigmoid(F.linear(v, self.weight, self.hidden_bias))

    def down(self, h: Tensor) -> Tensor:
        """Probabilities of the visible units, (B, H) -> (B, V)."""
        logits = F.linear(h, self.weight.t(), self.visible_bias)
        if not self.classes:
            return torch.sigmoid(logits)
        units = logits.shape[1] - self.classes
        return torch.cat([logits[:, :units].sigmoid(), logits[:, units:].softmax(1)], 1)

    def free_energy(self, v: Tensor) -> Tensor:
        """F(v) of each row, (B,)."""
        return -v @ self.visible_bias - F.softplus(F.linear(v, self.weight, self.hidden_bias)).sum(1)

    @torch.no_grad()
    def gibbs(self, v: Tensor, steps: int, generator: Generator | None = None, clamp: Tensor | None = None) -> Tensor:
        """Block Gibbs sampling. Returns the visible probabilities of the last step.

        Args:
            clamp: (B, classes), fixed values of the softmax group; None samples them too.
        """
        for i in range(steps):
            if clamp is not None:
                v = torch.cat([v[:, : -self.classes], clamp], 1)
            v = self.down(torch.bernoulli(self(v), generator=generator))
            if i < steps - 1:
                v = self.sample_visible(v, generator)
        return v

    def sample_visible(self, v: Tensor, generator: Generator | None = None) -> Tensor:
        """Sample visible states from their probabilities."""
        if not self.classes:
            return torch.bernoulli(v, generator=generator)
        units, softmax_group = v[:, : -self.classes], v[:, -self.classes :].clamp_min(1e-9)
        index = torch.multinomial(softmax_group, 1, generator=generator)
        return torch.cat(
            [torch.bernoulli(units, generator=generator), torch.zeros_like(softmax_group).scatter_(1, index, 1.0)], 1
        )

    @torch.no_grad()
    def init_biases(self, mean: Tensor) -> None:
        """Set the visible biases to the log odds of the data means. Source: Hinton 2010, 8.1.

        Shapes:
            mean: (V - classes,) or (V,).
        """
        self.visible_bias[: len(mean)] = torch.logit(mean.clamp(0.01, 0.99))
