"""Answers that are written a token at a time: the contract of their heads, and the search for the likeliest."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from deepglass.nn.tokens import Field, Tokens

State = tuple[Tensor, ...]
"""What a head remembers of each row, rows first, so that a search can reorder it."""


class Found(NamedTuple):
    """Shapes: tokens: (B, T) int64; mask: (B, T) bool; log_prob: (B,), of the whole."""

    tokens: Tensor
    mask: Tensor
    log_prob: Tensor


class Written(NamedTuple):
    """The params of a stepwise head: what it says of the target, and the way to an answer of its own."""

    logits: Tensor | None  # (B, T, V); None without a target
    search: Callable[..., Found]


class Stepwise(nn.Module, ABC):
    """A head that writes its answer a token at a time; parallel and stepwise logits are equal.

    Args of the class:
        end: the token that ends an answer; length: the most tokens of one.
    """

    end: int
    length: int

    @abstractmethod
    def logits(self, memory: Tokens, target: Field) -> Tensor:
        """The logits (B, T, V) of each target token given those before it; the shift is made here."""

    @abstractmethod
    def start(self, memory: Tokens) -> State: ...

    @abstractmethod
    def step(self, state: State, token: Tensor | None) -> tuple[Tensor, State]:
        """The logits (B, V) of the next token; `token` (B,) is the last one, None at the start."""

    def forward(self, memory: Tokens, target: Field | None = None) -> Written:
        logits = None if target is None else self.logits(memory, target)
        return Written(logits, partial(search, self, memory))


def search(head: Stepwise, memory: Tokens, beams: int, members: int = 1) -> Found:
    """Beam search; one beam is greedy. The probabilities of a row's members are averaged at each step."""
    B, M = len(memory.values) // members, members
    logits, state = head.step(head.start(memory), None)
    step = _mixed(logits, M)  # (B, V)
    V = step.shape[-1]
    score, token = step.topk(min(beams, V), 1)  # (B, W)
    W = score.shape[1]
    rows = torch.arange(B, device=score.device)
    state = _pick(state, rows.repeat_interleave(W), M)
    tokens, done = token[..., None], token == head.end
    only_end = score.new_full((V,), -torch.inf)
    only_end[head.end] = 0.0
    for _ in range(head.length - 1):
        if bool(done.all()):
            break
        logits, state = head.step(state, token.flatten().repeat_interleave(M))
        step = torch.where(done[..., None], only_end, _mixed(logits, M).view(B, W, V))
        score, best = (score[..., None] + step).flatten(1).topk(W, 1)
        parent, token = best // V, best % V
        state = _pick(state, (rows[:, None] * W + parent).flatten(), M)
        tokens = torch.cat([tokens.gather(1, parent[..., None].expand_as(tokens)), token[..., None]], -1)
        done = done.gather(1, parent) | (token == head.end)
    tokens = tokens[:, 0]
    mask = (tokens == head.end).cumsum(1) == 0
    return Found(tokens.masked_fill(~mask, 0), mask, score[:, 0])


def _mixed(logits: Tensor, members: int) -> Tensor:
    log_probs = logits.float().log_softmax(-1)
    return log_probs.view(-1, members, log_probs.shape[-1]).logsumexp(1) - math.log(members)


def _pick(state: State, rows: Tensor, members: int) -> State:
    rows = (rows[:, None] * members + torch.arange(members, device=rows.device)).flatten()
    return tuple(s[rows] for s in state)
