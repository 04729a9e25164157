"""Encoders of sequences (token embeddings, vectors) and the token-wise head."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from deepglass.nn.encoders_heads import VectorEncoder
from deepglass.nn.tokens import Field, Tokens, TokenShape


class TokenEncoder(nn.Module):
    """Token embedding by a learned table; an empty row gets the learned token `missing`.

    Args:
        size: V, vocabulary size.
        dim: the width D of a token.
        drop: share of the tokens replaced by "unknown" (code 0) in training, so that its embedding is trained.

    Shapes:
        field: values (B, T) int, or (B, T, K) for tokens of K codes, whose vectors are added; mask (B, T).
        returns: (B, T, D).

    Source: Bojanowski et al., 2017, arXiv 1607.04606, for the sum over parts of words.
    """

    def __init__(self, size: int, dim: int, drop: float = 0.0) -> None:
        super().__init__()
        self.shape = TokenShape(count=None)
        self.drop = drop
        self.table = nn.Embedding(size, dim)
        self.missing = nn.Parameter(torch.randn(dim))

    def forward(self, field: Field) -> Tokens:
        codes = field.values.long()
        if codes.ndim == 2:
            codes = codes[..., None]
        if self.training and self.drop:
            lost = torch.rand(codes.shape[:2], device=codes.device) < self.drop
            first = codes[..., :1].masked_fill(lost[..., None], 0)
            codes = torch.cat([first, codes[..., 1:]], -1)
        return fill_missing(self.table(codes).sum(2) / math.sqrt(codes.shape[2]), field.mask, self.missing)


class SequenceEncoder(VectorEncoder):
    """Encoder of a sequence of vectors, each as by `VectorEncoder`.

    Shapes:
        field: values (B, T, d) float, NaN = this entry is missing; mask (B, T).
        returns: (B, T, D).
    """

    def __init__(self, rescale: nn.Module, size: int, dim: int) -> None:
        super().__init__(rescale, size, dim)
        self.shape = TokenShape(count=None)

    def forward(self, field: Field) -> Tokens:
        return fill_missing(self.read(field.values), field.mask, self.missing)


def fill_missing(values: Tensor, mask: Tensor, missing: Tensor) -> Tokens:
    """Tokens (B, T, D) with the token `missing` (D,) at index 0 of empty rows, and zero padding."""
    first = torch.arange(mask.shape[1], device=mask.device) == 0
    empty = ~mask.any(1, keepdim=True) & first
    values = torch.where(empty[..., None], missing.to(values.dtype), values * mask[..., None])
    return Tokens(values, mask | empty)


class TokenLogits(NamedTuple):
    """Head output for each token of the sequence that the target is aligned with.

    Shapes:
        values: (B, T, P).
        mask: (B, T) bool.
    """

    values: Tensor
    mask: Tensor


class TokenHead(nn.Module):
    """Linear head for each token of the first sequence.

    Args:
        dim: the width of the tokens.
        size: P, parameters per token.
        start: initial output, the best constant prediction.

    Shapes:
        tokens: (B, all T, D) with grid (T,) -> `TokenLogits` (B, T, P).
    """

    def __init__(self, dim: int, size: int, start: Sequence[float] | None = None) -> None:
        super().__init__()
        self.linear = nn.Linear(dim, size)
        if start is not None:
            with torch.no_grad():
                self.linear.bias.copy_(torch.tensor(start))

    def forward(self, tokens: Tokens) -> TokenLogits:
        T = tokens.grid[0] if tokens.grid is not None and len(tokens.grid) == 1 else tokens.values.shape[1]
        return TokenLogits(self.linear(tokens.values[:, :T]), tokens.mask[:, :T])
