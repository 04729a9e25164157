"""Layers for tabular data: embeddings of all columns at once, and ensemble layers.

No loop over columns: the number of tensor operations does not depend on it.

B rows, F columns, D width of a token, M members of an ensemble.
"""

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from deepglass.nn.tokens import Tokens, TokenShape, whole_batch

CLIP = 3.0  # robust standard deviations; larger values are compressed


def smooth_clip(x: Tensor, limit: float = CLIP) -> Tensor:
    """Smooth clipping to +-limit: x / sqrt(1 + (x / limit)^2).

    Source: Holzmueller et al., 2024, arXiv 2407.04491, section 3 ("robust scale and smooth clip").
    """
    return x * torch.rsqrt(1 + (x / limit).square())


class NumberEmbedding(nn.Module):
    """Numbers to a token per column.

    A linear map per column of three encodings: the clipped value, piecewise-linear quantile bins, and periodic
    functions of learned frequencies, which resolve repeating and local structure, such as positions on a map.

    Args:
        median: of each column, in its own unit.
        scale: of each column, in its own unit, such as its interquartile range / 1.35; 0 counts as 1.
        edges: of the bins of each column, ascending. Their number may differ; fewer than two give no bins.
        dim: the width D of a token.
        waves: number of periodic functions per column.

    Shapes:
        values: (B, F) float; where `mask` is False they are ignored, NaN included.
        mask: (B, F) bool; True = present.
        returns: (B, F, D).

    Example:
        >>> embedding = NumberEmbedding([30.0], [10.0], [[0.0, 20.0, 40.0, 90.0]], dim=8)
        >>> embedding(torch.tensor([[35.0]]), torch.tensor([[True]])).values.shape
        torch.Size([1, 1, 8])

    Source: Gorishniy et al., 2022, arXiv 2203.05556 (piecewise linear encoding, section 3.2, here flat beyond the
    outer edges; waves, section 3.3); Holzmueller et al., 2024, arXiv 2407.04491 (value and waves side by side).
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
        bins = max((len(e) - 1 for e in edges), default=0)
        empty = (0.0, math.inf)  # a bin of no slope, where a column has fewer bins than another
        pairs = [[*pairwise(e)] + [empty] * (bins - max(len(e) - 1, 0)) for e in edges]
        self.median = nn.Buffer(torch.tensor(median, dtype=torch.float32))
        self.scale = nn.Buffer(torch.tensor([s or 1.0 for s in scale], dtype=torch.float32))
        self.bin_start = nn.Buffer(torch.tensor([[a for a, _ in p] for p in pairs], dtype=torch.float32))
        slopes = [[1 / (b - a) for a, b in p] for p in pairs]
        self.bin_slope = nn.Buffer(torch.tensor(slopes, dtype=torch.float32))
        # Most waves are a few robust deviations long, some a hundredth of one.
        self.frequency = nn.Parameter(0.3 * torch.exp(math.log(10) * torch.randn(F, waves)))
        self.phase = nn.Parameter(2 * math.pi * torch.rand(F, waves))
        fan = torch.tensor([1.0] + [float(max(bins, 1))] * bins + [float(waves)] * waves)
        self.weight = nn.Parameter(torch.randn(F, 1 + bins + waves, dim) / (2 * fan[:, None]).sqrt())
        self.bias = nn.Parameter(torch.zeros(F, dim))
        self.missing = nn.Parameter(0.1 * torch.randn(F, dim))

    def forward(self, values: Tensor, mask: Tensor) -> Tokens:
        values = torch.where(mask, values.to(self.median.dtype), self.median)
        x = smooth_clip((values - self.median) / self.scale).unsqueeze(-1)
        bins = ((values.unsqueeze(-1) - self.bin_start) * self.bin_slope).clamp(0, 1)
        waves = torch.cos(x * self.frequency + self.phase)
        encodings = torch.cat([x, bins, waves], dim=-1)  # (B, F, 1 + bins + waves)
        tokens = torch.einsum("bfs,fsd->bfd", encodings, self.weight) + self.bias
        return Tokens(torch.where(mask.unsqueeze(-1), tokens, self.missing), torch.ones_like(mask))


class CategoryEmbedding(nn.Module):
    """Embedding of several categorical columns, a token each, from one table.

    Args:
        cardinalities: number of codes of each column; code 0 is unknown or missing.
        dim: the width D of a token.
        embedding_dropout: share of the codes replaced by unknown in training, so that its embedding is trained.

    Shapes:
        codes: (B, F) int, below the column's cardinality.
        mask: (B, F) bool; where it is False the code counts as 0.
        returns: (B, F, D).

    Example:
        >>> CategoryEmbedding([3, 5], dim=8)(torch.tensor([[1, 4]]), torch.tensor([[True, True]])).values.shape
        torch.Size([1, 2, 8])
    """

    def __init__(self, cardinalities: Sequence[int], dim: int, embedding_dropout: float = 0.02) -> None:
        super().__init__()
        self.shape = TokenShape(count=len(cardinalities))
        self.embedding_dropout = embedding_dropout
        sizes = torch.tensor(cardinalities, dtype=torch.int64)
        self.first = nn.Buffer(sizes.cumsum(0) - sizes)
        self.table = nn.Embedding(sum(cardinalities), dim)
        nn.init.normal_(self.table.weight, std=0.5)

    def forward(self, codes: Tensor, mask: Tensor) -> Tokens:
        visible = mask
        if self.training and self.embedding_dropout:
            visible = mask & (torch.rand(mask.shape, device=mask.device) >= self.embedding_dropout)
        return Tokens(self.table(codes * visible + self.first), torch.ones_like(mask))


class Dropout(nn.Module):
    """Dropout from one random byte per number, about four times as fast as torch's on a CPU; rates are k / 256.

    Args:
        rate: dropout rate, in [0, 1).

    Source: Srivastava et al., 2014, JMLR 15.
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.dropped = round(256 * rate)

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or not self.dropped:
            return x
        mask = whole_batch().draw(x.shape, lambda shape: random_bytes(shape, x.device) >= self.dropped)
        return x * (mask.to(x.dtype) * (256 / (256 - self.dropped)))


def random_bytes(shape: torch.Size, device: torch.device) -> Tensor:
    """Uniform random bytes."""
    words = torch.empty(-(-shape.numel() // 8), dtype=torch.int64, device=device).random_(-(2**63), None)
    return words.view(torch.uint8)[: shape.numel()].view(shape)


class EnsembleLinear(nn.Module):
    """BatchEnsemble linear layer: members share the weights and have their own biases and, optionally, input scales.

    Args:
        in_dim, out_dim: the widths.
        members: M.
        scaled: whether each member scales the inputs. The scales start as random signs, which makes members differ;
            only the first layer of an ensemble needs that.

    Shapes:
        x: (B, M, in_dim), or (B, 1, in_dim) for all members the same.
        returns: (B, M, out_dim).

    Source: Wen et al., 2020, arXiv 2002.06715 (BatchEnsemble); Gorishniy et al., 2024, arXiv 2410.24210, section 3.3
    (scales on the first layer's inputs do most of the work).
    """

    def __init__(self, in_dim: int, out_dim: int, members: int, scaled: bool = False) -> None:
        super().__init__()
        self.linear = nn.Linear(in_dim, out_dim, bias=False)
        nn.init.normal_(self.linear.weight, std=math.sqrt(2 / in_dim))
        self.bias = nn.Parameter(torch.empty(members, out_dim).uniform_(-1, 1) / math.sqrt(in_dim))
        signs = torch.where(torch.rand(members, in_dim) < 0.5, 1.0, -1.0)
        self.scale = nn.Parameter(signs) if scaled else None

    def forward(self, x: Tensor) -> Tensor:
        if self.scale is not None:
            x = x * self.scale.to(x.dtype)
        x = self.linear(x)
        return x + self.bias.to(x.dtype)  # in training's precision: a sum with float32 would bring all back to it
