"""Masked tokens: choosing them, and the heads that predict them."""

import math

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from deepglass.nn.attention import AttentionBlock
from deepglass.nn.token_ops import sinusoidal_positions
from deepglass.nn.tokens import Field

MASK_SHARE, RANDOM_SHARE = 0.8, 0.1  # of the chosen tokens; the others stay as they are


def choose_tokens(present: Tensor, share: float, generator: Generator | None = None) -> Tensor:
    """A random share of the present tokens, at least one of each row that has any, (B, T) bool.

    Shapes:
        present: (B, T) bool.
    """
    order = torch.rand(present.shape, device=present.device, generator=generator).masked_fill(~present, 2.0)
    rank = order.argsort(1).argsort(1)
    counts = (present.sum(1, keepdim=True) * share).round().clamp_min(1)
    return (rank < counts) & present


def hide_tokens(
    codes: Tensor, chosen: Tensor, size: int, mask_code: int, first: int, generator: Generator | None = None
) -> Tensor:
    """Codes with the chosen tokens hidden: 80 % become the mask, 10 % a random token, 10 % stay.

    Args:
        size: V, number of codes.
        mask_code: of the mask.
        first: the first code that stands for a piece of text.

    Shapes:
        codes: (B, T) int64; chosen: (B, T) bool -> (B, T) int64.

    Source: Devlin et al., 2019, arXiv 1810.04805, section 3.1.
    """
    draw = torch.rand(codes.shape, device=codes.device, generator=generator)
    other = torch.randint(first, max(size, first + 1), codes.shape, device=codes.device, generator=generator)
    hidden = codes.masked_fill(chosen & (draw < MASK_SHARE), mask_code)
    return torch.where(chosen & (draw >= MASK_SHARE) & (draw < MASK_SHARE + RANDOM_SHARE), other, hidden)


def crop_tokens(field: Field, length: int) -> Field:
    """A random window of `length` tokens of each longer row.

    Shapes:
        field: values (B, T), mask (B, T) -> (B, min(T, length)).
    """
    total = field.mask.shape[1]
    if total <= length:
        return field
    spare = (field.mask.sum(1) - length).clamp_min(0)
    start = (torch.rand(len(spare), device=spare.device) * (spare + 1)).long()
    places = start[:, None] + torch.arange(length, device=spare.device)
    return field._replace(values=field.values.gather(1, places), mask=field.mask.gather(1, places))


class TiedTokenHead(nn.Module):
    """Logits of all codes by the table of embeddings: dense layer, GELU, layer norm, product with the table.

    Args:
        dim: D, width of the tokens and of the table.
        size: V, number of codes.

    Shapes:
        x: (N, D); table: (V, D) -> (N, V).

    Source: Press and Wolf, 2017, arXiv 1608.05859 (tied embeddings); Devlin et al., 2019, arXiv 1810.04805.
    """

    def __init__(self, dim: int, size: int) -> None:
        super().__init__()
        self.transform = nn.Sequential(nn.Linear(dim, dim), nn.GELU(), nn.LayerNorm(dim))
        self.bias = nn.Parameter(torch.zeros(size))

    def forward(self, x: Tensor, table: Tensor) -> Tensor:
        return F.linear(self.transform(x), table / math.sqrt(table.shape[1]), self.bias)


class TokenGenerator(nn.Module):
    """Small transformer that fills masked tokens in; it shares the table of embeddings.

    Args:
        dim: D, width of the table.
        width: of its own tokens.
        depth: transformer blocks.
        size: V, number of codes.

    Shapes:
        vectors: (B, T, D), embeddings of the masked tokens; mask, chosen: (B, T) bool; table: (V, D).
        returns: (number of chosen tokens, V).

    Source: Clark et al., 2020, arXiv 2003.10555, sections 2 and 3.2.
    """

    def __init__(self, dim: int, width: int, depth: int, heads: int, size: int) -> None:
        super().__init__()
        self.width = width
        self.narrow = nn.Linear(dim, width)
        self.blocks = nn.ModuleList(AttentionBlock(width, heads) for _ in range(depth))
        self.widen = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, dim))
        self.head = TiedTokenHead(dim, size)

    def forward(self, vectors: Tensor, mask: Tensor, chosen: Tensor, table: Tensor) -> Tensor:
        x = self.narrow(vectors) + sinusoidal_positions(torch.arange(mask.shape[1], device=mask.device), self.width)
        for block in self.blocks:
            x = block(x, mask)
        return self.head(self.widen(x[chosen]), table)
