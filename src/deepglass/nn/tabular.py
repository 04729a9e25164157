"""Parts of networks for tables: embeddings of all numbers or categories at once, and layers of an ensemble.

Nothing here loops over columns: a row costs a dozen tensor operations, whatever the number of columns.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from deepglass.nn.tokens import Tokens, TokenShape


def smooth_clip(x: Tensor, limit: float = 3.0) -> Tensor:
    """Numbers near zero are kept, far ones approach `limit`: x / sqrt(1 + (x / limit)^2).

    Source: Holzmueller et al., 2024, arXiv 2407.04491, section 3 (robust scale and smooth clip).
    """
    return x * torch.rsqrt(1 + (x / limit).square())


class NumberEmbedding(nn.Module):
    """Numbers in the user's units to a token a column.

    A number is seen in three ways at once, and a linear map of its column's own mixes them: its clipped value, how
    far it fills each of the column's quantile bins, and waves of learned frequencies, which resolve what repeats or
    changes over short distances, such as places on a map.

    Args:
        median: of each column, in its own unit.
        scale: of each column, > 0; such as its interquartile range over 1.35.
        edges: of each column's bins, rising; columns may differ in their number, and fewer than two give no bins.
        dim: the width D of a token.
        waves: how many waves a column has.

    Shapes:
        values: (B, F) float; what lies where `mask` is False is ignored, NaN included.
        mask: (B, F) bool; True = present.
        returns: (B, F, D).

    Source: Gorishniy et al., 2022, arXiv 2203.05556 (piecewise linear and periodic embeddings); Holzmueller et al.,
    2024, arXiv 2407.04491 (clipped value and waves side by side).
    """

    def __init__(
        self,
        median: Sequence[float],
        scale: Sequence[float],
        edges: Sequence[Sequence[float]],
        dim: int,
        waves: int = 16,
    ) -> None:
        super().__init__()
        F = len(median)
        self.shape = TokenShape(count=F)
        self.register_buffer("median", torch.tensor(median, dtype=torch.float32))
        self.register_buffer("scale", torch.tensor(scale, dtype=torch.float32))
        bins = max([len(e) - 1 for e in edges] + [0])
        start, slope = torch.zeros(F, bins), torch.zeros(F, bins)
        for f, column in enumerate(edges):
            e = torch.tensor(column, dtype=torch.float64)
            if len(e) > 1:
                start[f, : len(e) - 1] = e[:-1].float()
                slope[f, : len(e) - 1] = (1 / e.diff()).nan_to_num(posinf=0).float()
        self.register_buffer("bin_start", start)
        self.register_buffer("bin_slope", slope)
        self.frequency = nn.Parameter(torch.randn(F, waves).mul(math.log(10)).exp() * 0.3)
        self.phase = nn.Parameter(torch.rand(F, waves) * 2 * math.pi)
        seen = 1 + bins + waves
        self.weight = nn.Parameter(torch.randn(F, seen, dim) / math.sqrt(seen))
        self.bias = nn.Parameter(torch.randn(F, dim) * 0.1)
        self.missing = nn.Parameter(torch.randn(F, dim) * 0.1)

    def forward(self, values: Tensor, mask: Tensor) -> Tokens:
        values = torch.where(mask, values, self.median)
        x = smooth_clip((values - self.median) / self.scale).unsqueeze(-1)
        bins = ((values.unsqueeze(-1) - self.bin_start) * self.bin_slope).clamp(0, 1)
        waves = torch.cos(x * self.frequency + self.phase)
        seen = torch.cat([x, bins, waves], dim=-1)  # (B, F, 1 + bins + waves)
        tokens = torch.einsum("bfs,fsd->bfd", seen, self.weight) + self.bias
        tokens = torch.where(mask.unsqueeze(-1), tokens, self.missing)
        return Tokens(tokens, torch.ones_like(mask))


class CategoryEmbedding(nn.Module):
    """Codes of several categorical columns to a token a column, from one joint table of vectors.

    Args:
        cardinalities: how many codes each column has; code 0 is that of an unknown or missing category.
        dim: the width D of a token.
        forget: share of codes that are taken for unknown in training, so that the unknown one is learned as well.

    Shapes:
        codes: (B, F) int64, below the column's cardinality.
        mask: (B, F) bool; where it is False the code counts as 0.
        returns: (B, F, D).
    """

    def __init__(self, cardinalities: Sequence[int], dim: int, forget: float = 0.02) -> None:
        super().__init__()
        self.shape = TokenShape(count=len(cardinalities))
        self.forget = forget
        sizes = torch.tensor(cardinalities, dtype=torch.int64)
        self.register_buffer("first", sizes.cumsum(0) - sizes)
        self.table = nn.Embedding(int(sizes.sum()), dim)
        nn.init.normal_(self.table.weight, std=0.5)

    def forward(self, codes: Tensor, mask: Tensor) -> Tokens:
        known = mask
        if self.training and self.forget:
            known = mask & (torch.rand(mask.shape, device=mask.device) >= self.forget)
        return Tokens(self.table(codes * known + self.first), torch.ones_like(mask))


class EnsembleLinear(nn.Module):
    """One linear map shared by the members of an ensemble, each with scales and a bias of its own."""

    def __init__(self, in_dim: int, out_dim: int, members: int) -> None:
        super().__init__()
        self.linear = nn.Linear(in_dim, out_dim, bias=False)
        self.scale = nn.Parameter(torch.ones(members, in_dim))
        self.bias = nn.Parameter(torch.zeros(members, out_dim))

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x * self.scale) + self.bias
