"""Interpolated n-gram language model (Witten-Bell), by counting.

Source: Witten and Bell, 1991, IEEE Transactions on Information Theory 37 (how shorter contexts join in); Mikolov et
al., 2011, ASRU, "Strategies for training large scale neural network language models" (a network beside n-grams).
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

MAX_COUNTS = 4_000_000  # of one context length; longer contexts are left out
TABLES = ("keys", "starts", "next", "counts")


class NgramTable(nn.Module):
    """Sparse table of counts: how often each token follows each context of a fixed length.

    Args:
        context: length of the contexts in tokens.
        size: V.
    """

    keys: Tensor  # (R,) int64, the contexts as numbers, ascending
    starts: Tensor  # (R + 1,) int64, where the row of each begins
    next: Tensor  # (P,) int32, what follows, ascending within a row
    counts: Tensor  # (P,) int32

    def __init__(self, context: int, size: int) -> None:
        super().__init__()
        self.context, self.size = context, size
        for name in TABLES:
            self.register_buffer(name, torch.zeros(0, dtype=torch.int32 if name in TABLES[2:] else torch.int64))

    def fit(self, tokens: Tensor) -> bool:
        """Count in a text, (N,) int64. False for more than `MAX_COUNTS` entries."""
        keys, pair_counts = torch.unique(self.key(tokens[:-1]) * self.size + tokens[self.context :], return_counts=True)
        if len(keys) > MAX_COUNTS:
            return False
        self.keys, lengths = torch.unique_consecutive(keys // self.size, return_counts=True)
        self.starts = torch.cat([lengths.new_zeros(1), lengths.cumsum(0)])
        self.next, self.counts = (keys % self.size).int(), pair_counts.int()
        return True

    def key(self, tokens: Tensor) -> Tensor:
        """Contexts that end at each position from `context` - 1 on, as numbers; (..., T) -> (..., T - context + 1)."""
        T = tokens.shape[-1]
        if not self.context:
            return tokens.new_zeros(*tokens.shape[:-1], T + 1)
        key = tokens.new_zeros(*tokens.shape[:-1], T - self.context + 1)
        for i in range(self.context):
            key = key * self.size + tokens[..., i : T - self.context + 1 + i]
        return key

    def rows(self, keys: Tensor) -> Tensor:
        """Counts of the next tokens, (M, V) float; zero for unseen contexts."""
        at = torch.searchsorted(self.keys, keys).clamp_max(len(self.keys) - 1)
        present = self.keys[at] == keys
        lengths = torch.where(present, self.starts[at + 1] - self.starts[at], 0)
        ends = lengths.cumsum(0)
        row = torch.repeat_interleave(torch.arange(len(keys), device=keys.device), lengths)
        index = torch.arange(len(row), device=keys.device) - (ends - lengths)[row] + self.starts[at][row]
        counts = torch.zeros(len(keys), self.size, device=keys.device)
        counts[row, self.next[index].long()] = self.counts[index].float()
        return counts

    def _load_from_state_dict(self, state: Mapping[str, Any], prefix: str, *args: Any) -> None:
        """Resizes the tables to the stored lengths."""
        for name in TABLES:
            if (stored := state.get(prefix + name)) is not None:
                setattr(self, name, torch.empty_like(stored, device=getattr(self, name).device))
        super()._load_from_state_dict(state, prefix, *args)  # type: ignore[arg-type]


class NgramModel(nn.Module):
    """Witten-Bell smoothed n-gram model: longer contexts are interpolated with shorter ones.

    Args:
        size: V.
        context: longest context in tokens; V ** (context + 1) must fit 63 bits.

    Shapes:
        tokens (B, T) int64 -> log-probabilities of the token after each, (B, T, V).
    """

    def __init__(self, size: int, context: int) -> None:
        super().__init__()
        self.size = size
        self.tables: Any = nn.ModuleList(NgramTable(k, size) for k in range(context + 1))

    def fit(self, tokens: Tensor) -> None:
        for i, table in enumerate(self.tables):
            if len(tokens) <= i + 1 or not table.fit(tokens):
                self.tables = self.tables[:i]
                return

    def forward(self, tokens: Tensor, next_tokens: Tensor | None = None) -> Tensor:
        """Log probabilities of the next token at each position.

        Args:
            next_tokens: (B, T), the true next tokens of training data: their own counts are left out.
        """
        B, T = tokens.shape
        probability = torch.full((B, T, self.size), 1 / self.size, device=tokens.device)
        for table in self.tables:
            if table.context > T or not len(table.keys):
                break
            keys = table.key(tokens)
            first = max(table.context - 1, 0)
            keys = keys[:, 1:] if not table.context else keys
            counts = table.rows(keys.flatten()).view(B, T - first, self.size)
            if next_tokens is not None:
                own = next_tokens[:, first:, None].long()
                counts = counts.scatter_add(2, own, torch.full_like(own, -1, dtype=counts.dtype)).clamp_min(0)
            distinct = (counts > 0).sum(2, keepdim=True)
            shorter = probability[:, first:]
            mixed = (counts + distinct * shorter) / (counts.sum(2, keepdim=True) + distinct).clamp_min(1)
            mixed = torch.where(distinct > 0, mixed, shorter)
            probability = torch.cat([probability[:, :first], mixed], 1)
        return probability.clamp_min(1e-9).log()
