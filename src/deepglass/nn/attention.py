"""Multi-head attention and the transformer block.

Masked tokens are never attended to. Each row needs at least one present token.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from deepglass.nn.activations import activation as make_activation
from deepglass.nn.norms import Norm
from deepglass.nn.norms import norm as make_norm

KVCache = tuple[Tensor, Tensor]
"""Keys and values of tokens, (B, H, S, D / H) each."""


class Attention(nn.Module):
    """Multi-head scaled dot-product attention.

    Args:
        dim: width D of the tokens.
        heads: H, each of width D / H.
        dropout: rate for the attention weights.
        memory_dim: width of the memory; None: `dim`.
        fused: torch's fused kernel, which does not store the (T, S) weights: for a thousand tokens and more. On a CPU
            its backward pass is seven times slower for 49 tokens, and slower up to about 500.

    Shapes:
        x: (B, T, D); memory: (B, S, memory_dim), the keys and values; None: x.
        mask: (B, S) bool, True = may be attended to; or (B, T, S), for each query.
        returns: (B, T, D).

    With `store_weights` set, `weights` (B, T, S) holds the weights of the last pass, averaged over heads (not `fused`).

    Raises:
        ValueError: if the heads do not divide the width.

    Example:
        >>> Attention(32, 4)(torch.rand(2, 7, 32), torch.ones(2, 7, dtype=torch.bool)).shape
        torch.Size([2, 7, 32])

    Source: Vaswani et al., 2017, arXiv 1706.03762, section 3.2.
    """

    def __init__(
        self, dim: int, heads: int, *, dropout: float = 0.0, memory_dim: int | None = None, fused: bool = False
    ) -> None:
        super().__init__()
        if heads < 1 or dim % heads:
            raise ValueError(f"heads: expected a number that divides the width {dim}, got {heads}")
        self.heads, self.fused = heads, fused
        self.store_weights = False
        self.weights: Tensor | None = None
        self.dropout = nn.Dropout(dropout)
        self.query = nn.Linear(dim, dim)
        self.key_value = nn.Linear(memory_dim or dim, 2 * dim)
        self.out = nn.Linear(dim, dim)

    def forward(
        self, x: Tensor, mask: Tensor | None = None, memory: Tensor | None = None, *, causal: bool = False
    ) -> Tensor:
        """`causal`: token t attends to tokens 0 to t only."""
        return self.read(x, self.cache_kv(x if memory is None else memory), mask, causal=causal)

    def cache_kv(self, memory: Tensor) -> KVCache:
        """Keys and values of the memory, for repeated use."""
        key, value = self.key_value(memory).chunk(2, -1)
        return self._split(key), self._split(value)

    def read(self, x: Tensor, cache: KVCache, mask: Tensor | None = None, *, causal: bool = False) -> Tensor:
        """`forward` with cached keys and values."""
        query, (key, value) = self._split(self.query(x)), cache
        if mask is not None:
            mask = mask[:, None, None, :] if mask.ndim == 2 else mask[:, None]  # (B, 1, 1 or T, S)
        if causal:
            T, S = query.shape[2], key.shape[2]
            causal_mask = torch.ones(T, S, dtype=torch.bool, device=x.device).tril(S - T)
            mask = causal_mask if mask is None else mask & causal_mask
        if self.fused:
            rate = self.dropout.p if self.training else 0.0
            out = F.scaled_dot_product_attention(query, key, value, mask, rate)
        else:
            weights = (query * query.shape[-1] ** -0.5) @ key.transpose(-2, -1)  # (B, H, T, S)
            if mask is not None:
                weights = weights.masked_fill(~mask, -math.inf)
            weights = weights.softmax(-1)
            self.weights = weights.detach().mean(1) if self.store_weights else None
            out = self.dropout(weights).to(value.dtype) @ value
        return self.out(out.transpose(1, 2).flatten(2))

    def _split(self, x: Tensor) -> Tensor:
        """(B, T, D) -> (B, H, T, D / H)."""
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)


class AttentionBlock(nn.Module):
    """Transformer block: attention and a two-layer MLP, pre-norm, with residual connections.

    Args:
        hidden: width of the MLP; None: 4 * dim.
        norm: a name in `nn.norms`.
        dropout: rate for the residual branches and the attention weights.
        memory_dim: width of a memory for cross-attention; None: self-attention only.

    Shapes:
        x: (B, T, dim), mask: (B, T) or (B, T, T); memory: (B, S, memory_dim), memory_mask: (B, S) -> (B, T, dim).

    Source: Vaswani et al., 2017, arXiv 1706.03762; norms before the layers as in Xiong et al., 2020, arXiv 2002.04745.
    """

    def __init__(
        self,
        dim: int,
        heads: int,
        *,
        hidden: int | None = None,
        norm: Norm = "layer",
        activation: str = "gelu",
        dropout: float = 0.0,
        memory_dim: int | None = None,
    ) -> None:
        super().__init__()
        hidden = hidden or 4 * dim
        self.norm = make_norm(norm, dim)
        self.attention = Attention(dim, heads, dropout=dropout)
        self.memory_norm = None if memory_dim is None else make_norm(norm, dim)
        self.memory = None if memory_dim is None else Attention(dim, heads, dropout=dropout, memory_dim=memory_dim)
        self.mlp = nn.Sequential(
            make_norm(norm, dim), nn.Linear(dim, hidden), make_activation(activation), nn.Linear(hidden, dim)
        )
        self.dropout = nn.Dropout(dropout)

    def forward(
        self,
        x: Tensor,
        mask: Tensor | None = None,
        memory: Tensor | None = None,
        memory_mask: Tensor | None = None,
        *,
        causal: bool = False,
    ) -> Tensor:
        x = x + self.dropout(self.attention(self.norm(x), mask, causal=causal))
        if self.memory is not None and self.memory_norm is not None:
            assert memory is not None
            x = x + self.dropout(self.memory(self.memory_norm(x), memory_mask, memory))
        return x + self.dropout(self.mlp(x))

    def step(
        self, x: Tensor, past: KVCache, memory: KVCache | None = None, memory_mask: Tensor | None = None
    ) -> tuple[Tensor, KVCache]:
        """The causal `forward` for one more token, and the cache with it.

        Shapes:
            x: (B, 1, dim); past: of the T tokens before it, T = 0 at first; memory: cached keys and values.
        """
        normed = self.norm(x)
        key, value = self.attention.cache_kv(normed)
        past = torch.cat([past[0], key], 2), torch.cat([past[1], value], 2)
        x = x + self.dropout(self.attention.read(normed, past))
        if self.memory is not None and self.memory_norm is not None:
            assert memory is not None
            x = x + self.dropout(self.memory.read(self.memory_norm(x), memory, memory_mask))
        return x + self.dropout(self.mlp(x)), past
