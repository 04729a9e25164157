"""Non-autoregressive head for sequences of vectors of variable length."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from deepglass.nn.attention import AttentionBlock
from deepglass.nn.tokens import Tokens


class SequenceParams(NamedTuple):
    """A predicted sequence.

    Shapes:
        values: (B, L, d).
        continue_logits: (B, L) logits that the sequence reaches this position.
    """

    values: Tensor
    continue_logits: Tensor


class SequenceHead(nn.Module):
    """Head with a learned query per position, with self-attention and attention to the tokens.

    All positions are predicted in parallel, so that errors do not accumulate.

    Args:
        dim: the width of the tokens.
        size: d, numbers per position.
        length: L, largest length.
        width: of the queries.

    Shapes:
        tokens: (B, T, dim) -> `SequenceParams` (B, L, d).

    Source: learned queries as in Carion et al., 2020, arXiv 2005.12872.
    """

    def __init__(self, dim: int, size: int, length: int, width: int = 64, depth: int = 2) -> None:
        super().__init__()
        self.queries = nn.Parameter(torch.randn(length, width))
        self.blocks = nn.ModuleList(AttentionBlock(width, 4, memory_dim=dim, activation="gelu") for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.out = nn.Linear(width, size + 1)

    def forward(self, tokens: Tokens) -> SequenceParams:
        x = self.queries.expand(len(tokens.values), -1, -1)
        for block in self.blocks:
            x = block(x, None, tokens.values, tokens.mask)
        out = self.out(self.norm(x))
        return SequenceParams(out[..., :-1], out[..., -1])
