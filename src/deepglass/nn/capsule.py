"""Capsules: small vectors whose length says how surely something is there and whose direction says how it looks.

    primary = squash(...)                       # (B, N, E): what simple parts are seen, and how
    whole = Routing(N, E, K, D)(primary)        # (B, K, D): each part goes to the whole that it agrees with
    evidence(whole)                             # (B, K): the log odds that each whole is there

Source: Sabour, Frosst and Hinton, 2017, arXiv 1710.09829.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from deepglass.nn.tokens import Tokens, pool

_TINY = 1e-6


def squash(x: Tensor) -> Tensor:
    """Vectors shortened to a length m_minus 1, their direction kept: |x|^2 / (1 + |x|^2) long.

    Shapes:
        x: (..., D) -> (..., D), its dtype kept.

    Source: arXiv 1710.09829, equation 1.
    """
    squared = x.float().square().sum(-1, keepdim=True)
    return x * (squared / (1 + squared) * (squared + _TINY).rsqrt()).to(x.dtype)


def lengths(capsules: Tensor) -> Tensor:
    """How long each capsule is, in [0, 1): (..., D) -> (...)."""
    return (capsules.float().square().sum(-1) + _TINY**2).sqrt()


def evidence(capsules: Tensor) -> Tensor:
    """The log odds of each capsule's length: (..., D) -> (...). Its sigmoid is the length again."""
    return lengths(capsules).clamp(_TINY, 1 - _TINY).logit()


def margin_loss(
    lengths: Tensor, labels: Tensor, *, m_plus: float = 0.9, m_minus: float = 0.1, down: float = 0.5
) -> Tensor:
    """The right class's capsule longer than `m_plus`, all the others shorter than `m_minus`.

    Args:
        down: weight of the classes that are absent, so that the first steps don't shrink all capsules.

    Shapes:
        lengths: (B, K); labels: (B,) int64 -> (B,).

    Source: arXiv 1710.09829, equation 4.
    """
    present = torch.zeros_like(lengths).scatter(1, labels[:, None], 1.0)
    missed = (m_plus - lengths).clamp_min(0).square()
    mistaken = (lengths - m_minus).clamp_min(0).square()
    return (present * missed + down * (1 - present) * mistaken).sum(-1)


class Routing(nn.Module):
    """Routing by agreement: each input capsule shares its output among the capsules above that agree.

    A prediction for each pair of capsules (N x K vectors a row) is never held: both sums over pairs are batched matrix
    products, one for each capsule m_plus. Learning goes through the last iteration only; the shares before it count as
    constants, which costs a third and changes the result little.

    Args:
        count: N input capsules.
        size: E, the length of their vectors.
        capsules: K capsules m_plus.
        dim: D, the length of theirs.
        iterations: 1 shares equally, without routing; the paper's is 3.

    Shapes:
        u: (B, N, E) -> (B, K, D) float32, each shorter than 1.

    Example:
        >>> Routing(100, 8, 10, 16)(torch.rand(2, 100, 8)).shape
        torch.Size([2, 10, 16])

    Source: arXiv 1710.09829, procedure 1.
    """

    def __init__(self, count: int, size: int, capsules: int, dim: int, iterations: int = 3) -> None:
        super().__init__()
        if iterations < 1:
            raise ValueError(f"iterations: expected 1 or more, got {iterations}")
        self.iterations = iterations
        # Equal shares (1 / K each) of N predictions then add up to vectors of about 0.8 before they are squashed.
        self.weight = nn.Parameter(torch.randn(capsules, count * size, dim) * (0.2 * capsules / count**0.5))

    def forward(self, u: Tensor) -> Tensor:
        with torch.no_grad():
            shares = self._shares(u)
        return squash(self._sums(u, shares).float())

    def _shares(self, u: Tensor) -> Tensor | None:
        """How much of each input capsule goes to each capsule above, (K, B, N), which sums to 1 over K; None: equal."""
        (B, N, E), K = u.shape, len(self.weight)
        logits, shares = u.new_zeros(K, B, N), None
        for _ in range(self.iterations - 1):
            m_plus = squash(self._sums(u, shares))  # (B, K, D)
            wanted = m_plus.transpose(0, 1) @ self.weight.transpose(1, 2)  # (K, B, N * E), what each input should be
            logits = logits + (wanted.view(K, B, N, E) * u).sum(-1)
            shares = logits.softmax(0).to(u.dtype)
        return shares

    def _sums(self, u: Tensor, shares: Tensor | None) -> Tensor:
        """What the inputs predict for each capsule m_plus, weighted and added up, (B, K, D)."""
        K, _, D = self.weight.shape
        if shares is None:
            return (u.flatten(1) @ (self.weight.transpose(0, 1).flatten(1) / K)).unflatten(1, (K, D))
        return ((shares.unsqueeze(-1) * u).flatten(2) @ self.weight).transpose(0, 1)


class EvidenceHead(nn.Module):
    """Reads nothing but the capsules' lengths: a class's logit is its capsule's evidence.

    Args:
        capsules: K, one a class.

    Shapes:
        tokens: (B, 1, K * D) -> (B, K).
    """

    def __init__(self, capsules: int) -> None:
        super().__init__()
        self.capsules = capsules

    def forward(self, tokens: Tokens) -> Tensor:
        return evidence(pool(tokens).unflatten(-1, (self.capsules, -1)))


class Reconstruction(nn.Sequential):
    """Draws the pixels again from the capsules, of which all but one are blanked.

    Args:
        size: K * D numbers of the capsules.
        pixels: numbers of the picture, in [0, 1].

    Shapes:
        x: (B, size) -> (B, pixels).

    Source: arXiv 1710.09829, figure 2.
    """

    def __init__(self, size: int, pixels: int) -> None:
        hidden = (nn.Linear(size, 512), nn.ReLU(), nn.Linear(512, 1024), nn.ReLU())
        super().__init__(*hidden, nn.Linear(1024, pixels), nn.Sigmoid())
