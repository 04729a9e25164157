"""Autoregressive decoders of texts (recurrent with attention, transformer), and a head for sequences of vectors."""

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from deepglass.nn.attention import AttentionBlock
from deepglass.nn.decoding import AutoregressiveHead, State
from deepglass.nn.recurrent import Cell, plain_layer, shift
from deepglass.nn.token_ops import sinusoidal_positions
from deepglass.nn.tokens import Field, Tokens, pool


class TiedEmbedding(nn.Module):
    """Token embedding, shared by input and output.

    Source: Press and Wolf, 2017, arXiv 1608.05859.
    """

    def __init__(self, vocabulary: int, dim: int) -> None:
        super().__init__()
        self.table = nn.Embedding(vocabulary, dim)
        nn.init.normal_(self.table.weight, std=1 / math.sqrt(dim))
        self.start = nn.Parameter(torch.randn(dim) / math.sqrt(dim))
        self.bias = nn.Parameter(torch.zeros(vocabulary))
        self.scale = math.sqrt(dim)

    def embed(self, codes: Tensor) -> Tensor:
        return self.table(codes.long()) * self.scale

    def shifted(self, target: Field) -> Tensor:
        """Embeddings of the previous tokens, (B, T, D)."""
        return shift(self.embed(target.values), self.start * self.scale)

    def last(self, token: Tensor | None, count: int) -> Tensor:
        """Embedding of the last token of each row, (count, D); a start vector at first."""
        return self.embed(token) if token is not None else (self.start * self.scale).expand(count, -1)

    def logits(self, x: Tensor) -> Tensor:
        return F.linear(x, self.table.weight, self.bias)


class TiedDecoder(AutoregressiveHead):
    """Base class of decoders with a tied embedding.

    Args:
        vocabulary: V, size of the vocabulary.
        end: end-of-sequence code.
        length: largest number of codes.
        width: of the embedding.
    """

    def __init__(self, vocabulary: int, end: int, length: int, width: int) -> None:
        super().__init__()
        self.end, self.length = end, length
        self.tied = TiedEmbedding(vocabulary, width)

    def logits_of(self, hidden: Tensor) -> Tensor:
        return self.tied.logits(hidden)


class RecurrentDecoder(TiedDecoder):
    """RNN decoder with Luong attention over the memory.

    Args:
        dim: width of the memory's tokens.
        vocabulary, end, length: as in `TiedDecoder`.
        hidden: state size.

    With `store_weights` set, `attention` (B, T, S) holds the weights of the last parallel pass.

    Source: Luong et al., 2015, arXiv 1508.04025, global attention: the state does not depend on it, so that all target
    tokens are trained in parallel.
    """

    def __init__(
        self,
        dim: int,
        vocabulary: int,
        end: int,
        length: int,
        *,
        cell: Cell = "gru",
        hidden: int = 256,
        dropout: float = 0.2,
    ) -> None:
        super().__init__(vocabulary, end, length, hidden)
        self.cell, self.store_weights, self.attention = cell, False, None
        self.begin = nn.Linear(dim, hidden)
        self.recurrent = plain_layer(cell, hidden, hidden)
        self.query = nn.Linear(hidden, dim, bias=False)
        self.combine = nn.Linear(hidden + dim, hidden)
        self.dropout = nn.Dropout(dropout)

    def hidden(self, memory: Tokens, target: Field) -> Tensor:
        states, _ = self.recurrent(self.dropout(self.tied.shifted(target)), self._begin(memory))
        return self._attend(states, memory.values, memory.mask)

    def start(self, memory: Tokens) -> State:
        first = self._begin(memory)
        parts = first if isinstance(first, tuple) else (first,)
        return (memory.values, memory.mask, *(p[0] for p in parts))

    def step(self, state: State, token: Tensor | None) -> tuple[Tensor, State]:
        values, mask, *parts = state
        x = self.tied.last(token, len(values))
        before = [p[None] for p in parts]
        states, after = self.recurrent(x[:, None], tuple(before) if len(before) > 1 else before[0])
        logits = self.logits_of(self._attend(states, values, mask)[:, 0])
        return logits, (values, mask, *(p[0] for p in (after if isinstance(after, tuple) else (after,))))

    def _begin(self, memory: Tokens) -> Tensor | tuple[Tensor, Tensor]:
        first = torch.tanh(self.begin(pool(memory)))[None]
        return (first, torch.zeros_like(first)) if self.cell == "lstm" else first

    def _attend(self, states: Tensor, values: Tensor, mask: Tensor) -> Tensor:
        weights = self.query(states) @ values.transpose(1, 2) / math.sqrt(values.shape[-1])
        weights = weights.masked_fill(~mask[:, None], -math.inf).softmax(-1)
        self.attention = weights.detach() if self.store_weights else None
        return self.dropout(torch.tanh(self.combine(torch.cat([states, weights @ values], -1))))


class TransformerDecoder(TiedDecoder):
    """Transformer decoder: causal self-attention and cross-attention on the memory.

    Args:
        dim: width of the memory's tokens.
        vocabulary, end, length: as in `TiedDecoder`.
        width: of a token.

    With `store_weights` set, `attention` (B, T, S) holds the cross-attention weights of the last parallel pass, of the
    last block, averaged over heads.

    Source: Vaswani et al., 2017, arXiv 1706.03762, section 3.1.
    """

    def __init__(
        self,
        dim: int,
        vocabulary: int,
        end: int,
        length: int,
        *,
        width: int = 192,
        depth: int = 2,
        heads: int = 4,
        dropout: float = 0.2,
    ) -> None:
        super().__init__(vocabulary, end, length, width)
        self.blocks: Any = nn.ModuleList(
            AttentionBlock(width, heads, dropout=dropout, memory_dim=dim) for _ in range(depth)
        )
        self.norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)

    @property
    def store_weights(self) -> bool:
        return self._last.store_weights

    @store_weights.setter
    def store_weights(self, value: bool) -> None:
        self._last.store_weights = value

    @property
    def attention(self) -> Tensor | None:
        return self._last.weights

    @property
    def _last(self):  # type: ignore[no-untyped-def]
        return self.blocks[-1].memory

    def hidden(self, memory: Tokens, target: Field) -> Tensor:
        x = self.tied.shifted(target)
        x = self.dropout(x + sinusoidal_positions(torch.arange(x.shape[1], device=x.device), x.shape[2]))
        for block in self.blocks:
            x = block(x, None, memory.values, memory.mask, causal=True)
        return self.norm(x)

    def start(self, memory: Tokens) -> State:
        state = [memory.mask]
        for block in self.blocks:
            keys, values = block.memory.cache_kv(memory.values)
            state += [keys, values, keys[:, :, :0], values[:, :, :0]]
        return tuple(state)

    def step(self, state: State, token: Tensor | None) -> tuple[Tensor, State]:
        mask, *parts = state
        position = parts[2].shape[2]
        x = self.tied.last(token, len(mask))
        x = x[:, None] + sinusoidal_positions(torch.tensor([position], device=x.device), x.shape[-1])
        after = [mask]
        for i, block in enumerate(self.blocks):
            keys, values, past_keys, past_values = parts[4 * i : 4 * i + 4]
            x, past = block.step(x, (past_keys, past_values), (keys, values), mask)
            after += [keys, values, *past]
        return self.logits_of(self.norm(x)[:, 0]), tuple(after)


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
