"""Capsules: vectors whose length is the probability of an entity and whose direction is its pose.

    primary = squash(...)                       # (B, N, E): poses of simple parts
    whole = Routing(N, E, K, D)(primary)        # (B, K, D): poses of the wholes
    evidence(whole)                             # (B, K): log odds of their presence

Source: Sabour, Frosst and Hinton, 2017, arXiv 1710.09829.
"""

import torch
from torch import Tensor, nn

from deepglass.nn.tokens import Tokens, pool

_EPS = 1e-6


def squash(x: Tensor) -> Tensor:
    """Squashing: vectors scaled to the length |x|^2 / (1 + |x|^2), below 1.

    Shapes:
        x: (..., D) -> (..., D), of the same dtype.

    Source: arXiv 1710.09829, equation 1.
    """
    squared = x.float().square().sum(-1, keepdim=True)
    return x * (squared / (1 + squared) * (squared + _EPS).rsqrt()).to(x.dtype)


def lengths(capsules: Tensor) -> Tensor:
    """Length of each capsule, in [0, 1): (..., D) -> (...)."""
    return (capsules.float().square().sum(-1) + _EPS**2).sqrt()


def evidence(capsules: Tensor) -> Tensor:
    """Log odds of each capsule's length: (..., D) -> (...). Its sigmoid is the length."""
    return lengths(capsules).clamp(_EPS, 1 - _EPS).logit()


def margin_loss(
    lengths: Tensor, labels: Tensor, *, m_plus: float = 0.9, m_minus: float = 0.1, down: float = 0.5
) -> Tensor:
    """Margin loss: the true class's capsule longer than `m_plus`, all others shorter than `m_minus`.

    Args:
        down: weight of absent classes, so that the first steps do not shrink all capsules.

    Shapes:
        lengths: (B, K); labels: (B,) int64 -> (B,).

    Source: arXiv 1710.09829, equation 4.
    """
    present = torch.zeros_like(lengths).scatter(1, labels[:, None], 1.0)
    too_short = (m_plus - lengths).clamp_min(0).square()
    too_long = (lengths - m_minus).clamp_min(0).square()
    return (present * too_short + down * (1 - present) * too_long).sum(-1)


class Routing(nn.Module):
    """Dynamic routing by agreement.

    The N x K predictions per row are never stored: both sums over pairs are batched matrix products, one per output
    capsule. Gradients flow through the last iteration only, which saves a third of the time and changes the result
    little.

    Args:
        count: N input capsules.
        size: E, the length of their vectors.
        capsules: K output capsules.
        dim: D, the length of theirs.
        iterations: 1 is without routing; 3 in the paper.

    Shapes:
        u: (B, N, E) -> (B, K, D) float32, each shorter than 1.

    Example:
        >>> Routing(100, 8, 10, 16)(torch.rand(2, 100, 8)).shape
        torch.Size([2, 10, 16])

    Source: arXiv 1710.09829, procedure 1.
    """

    def __init__(self, count: int, size: int, capsules: int, dim: int, iterations: int = 3) -> None:
        super().__init__()
        self.iterations = iterations
        # Equal shares (1 / K each) of N predictions then add up to vectors of about 0.8 before they are squashed.
        self.weight = nn.Parameter(torch.randn(capsules, count * size, dim) * (0.2 * capsules / count**0.5))

    def forward(self, u: Tensor) -> Tensor:
        with torch.no_grad():
            shares = self._shares(u)
        return squash(self._sums(u, shares).float())

    def _shares(self, u: Tensor) -> Tensor | None:
        """Coupling coefficients, (K, B, N), which sum to 1 over K; None: equal."""
        (B, N, E), K = u.shape, len(self.weight)
        logits, shares = u.new_zeros(K, B, N), None
        for _ in range(self.iterations - 1):
            outputs = squash(self._sums(u, shares))  # (B, K, D)
            targets = outputs.transpose(0, 1) @ self.weight.transpose(1, 2)  # (K, B, N * E), inputs of full agreement
            logits = logits + (targets.view(K, B, N, E) * u).sum(-1)
            shares = logits.softmax(0).to(u.dtype)
        return shares

    def _sums(self, u: Tensor, shares: Tensor | None) -> Tensor:
        """Weighted sums of the predictions for each output capsule, (B, K, D)."""
        K, _, D = self.weight.shape
        if shares is None:
            return (u.flatten(1) @ (self.weight.transpose(0, 1).flatten(1) / K)).unflatten(1, (K, D))
        return ((shares.unsqueeze(-1) * u).flatten(2) @ self.weight).transpose(0, 1)


class EvidenceHead(nn.Module):
    """Head whose logits are the capsules' log odds.

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


class CapsuleDecoder(nn.Sequential):
    """Decoder from the masked capsules to pixels.

    Args:
        size: K * D numbers of the capsules.
        pixels: number of pixel values, C * Y * X.

    Shapes:
        x: (B, size) -> (B, pixels).

    Source: arXiv 1710.09829, figure 2.
    """

    def __init__(self, size: int, pixels: int) -> None:
        hidden = (nn.Linear(size, 512), nn.ReLU(), nn.Linear(512, 1024), nn.ReLU())
        super().__init__(*hidden, nn.Linear(1024, pixels), nn.Sigmoid())
