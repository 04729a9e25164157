"""What usually follows the last few tokens, by counting: a model of sequences that is there before anything is learned.

A network beside it only has to learn what counting cannot see.

Source: Witten and Bell, 1991, IEEE Transactions on Information Theory 37 (how shorter contexts join in); Mikolov et
al., 2011, ASRU, "Strategies for training large scale neural network language models" (a network beside n-grams).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

MOST = 4_000_000  # counts kept of one length of context; longer contexts are left out
TABLES = ("keys", "starts", "next", "counts")


class NgramTable(nn.Module):
    """How often each token follows each context of so many tokens: rows of a sparse table.

    Args:
        context: how many tokens.
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
        """Count in a text, (N,) int64; False where there would be more than `MOST` counts."""
        keys, pair_counts = torch.unique(self.key(tokens[:-1]) * self.size + tokens[self.context :], return_counts=True)
        if len(keys) > MOST:
            return False
        self.keys, lengths = torch.unique_consecutive(keys // self.size, return_counts=True)
        self.starts = torch.cat([lengths.new_zeros(1), lengths.cumsum(0)])
        self.next, self.counts = (keys % self.size).int(), pair_counts.int()
        return True

    def key(self, tokens: Tensor) -> Tensor:
        """The contexts that end at each place from `context` - 1 on, as numbers; (..., T) -> (..., T - context + 1)."""
        T = tokens.shape[-1]
        if not self.context:
            return tokens.new_zeros(*tokens.shape[:-1], T + 1)
        key = tokens.new_zeros(*tokens.shape[:-1], T - self.context + 1)
        for i in range(self.context):
            key = key * self.size + tokens[..., i : T - self.context + 1 + i]
        return key

    def rows(self, keys: Tensor) -> Tensor:
        """The counts of what follows, (M, V) float; zeros for contexts that were never met."""
        at = torch.searchsorted(self.keys, keys).clamp_max(len(self.keys) - 1)
        met = self.keys[at] == keys
        lengths = torch.where(met, self.starts[at + 1] - self.starts[at], 0)
        ends = lengths.cumsum(0)
        row = torch.repeat_interleave(torch.arange(len(keys), device=keys.device), lengths)
        place = torch.arange(len(row), device=keys.device) - (ends - lengths)[row] + self.starts[at][row]
        found = torch.zeros(len(keys), self.size, device=keys.device)
        found[row, self.next[place].long()] = self.counts[place].float()
        return found

    def _load_from_state_dict(self, state: Mapping[str, Any], prefix: str, *args: Any) -> None:
        """The tables take the lengths that they come with."""
        for name in TABLES:
            if (stored := state.get(prefix + name)) is not None:
                setattr(self, name, torch.empty_like(stored, device=getattr(self, name).device))
        super()._load_from_state_dict(state, prefix, *args)  # type: ignore[arg-type]


class NgramModel(nn.Module):
    """The probability of each token given the last few, longer contexts leaning on shorter ones.

    Args:
        size: V.
        context: the longest context in tokens; V ** (context + 1) must fit 63 bits.

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
        """Of the token after each.

        Args:
            next_tokens: (B, T), the tokens that do follow, where these were counted themselves: each is then judged by
                the others, as if its own place were not in the text.
        """
        B, T = tokens.shape
        probability = torch.full((B, T, self.size), 1 / self.size, device=tokens.device)
        for table in self.tables:
            if table.context > T or not len(table.keys):
                break
            keys = table.key(tokens)
            first = max(table.context - 1, 0)
            keys = keys[:, 1:] if not table.context else keys
            found = table.rows(keys.flatten()).view(B, T - first, self.size)
            if next_tokens is not None:
                own = next_tokens[:, first:, None].long()
                found = found.scatter_add(2, own, torch.full_like(own, -1, dtype=found.dtype)).clamp_min(0)
            kinds = (found > 0).sum(2, keepdim=True)
            shorter = probability[:, first:]
            mixed = (found + kinds * shorter) / (found.sum(2, keepdim=True) + kinds).clamp_min(1)
            mixed = torch.where(kinds > 0, mixed, shorter)
            probability = torch.cat([probability[:, :first], mixed], 1)
        return probability.clamp_min(1e-9).log()
