"""Answers that are written a token at a time: the contract of their heads, and the search for the likeliest."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
from torch import Generator, Tensor, nn

from deepglass.nn.tokens import Field, Tokens

State = tuple[Tensor, ...]
"""What a head remembers of each row, rows first, so that a search can reorder it."""


class BeamResult(NamedTuple):
    """Shapes: tokens: (B, T) int64; mask: (B, T) bool; log_prob: (B,), of the whole."""

    tokens: Tensor
    mask: Tensor
    log_prob: Tensor


class DecoderOutput(NamedTuple):
    """The params of a stepwise head: what it says of the target, and the way to an answer of its own."""

    logits: Tensor | None  # (n, V) of the target's tokens that are there, row by row; None without a target
    search: Callable[..., BeamResult]


class AutoregressiveHead(nn.Module, ABC):
    """A head that writes its answer a token at a time; parallel and stepwise logits are equal.

    Args of the class:
        end: the token that ends an answer; length: the most tokens of one.
    """

    end: int
    length: int

    @abstractmethod
    def hidden(self, memory: Tokens, target: Field) -> Tensor:
        """What is known before each target token is written, (B, T, D); the shift is made here."""

    @abstractmethod
    def logits_of(self, hidden: Tensor) -> Tensor:
        """(..., D) -> (..., V)."""

    @abstractmethod
    def start(self, memory: Tokens) -> State: ...

    @abstractmethod
    def step(self, state: State, token: Tensor | None) -> tuple[Tensor, State]:
        """The logits (B, V) of the next token; `token` (B,) is the last one, None at the start."""

    def forward(self, memory: Tokens, target: Field | None = None) -> DecoderOutput:
        logits = None if target is None else self.logits_of(self.hidden(memory, target)[target.mask])
        return DecoderOutput(logits, partial(search, self, memory))


def search(head: AutoregressiveHead, memory: Tokens, beams: int, members: int = 1, penalty: float = 0.6) -> BeamResult:
    """Beam search; one beam is greedy. The probabilities of a row's members are averaged at each step.

    Args:
        penalty: of the beams that are left, the one is taken whose log probability by length ** penalty is greatest;
            without it the shortest would mostly win.

    Source: Wu et al., 2016, arXiv 1609.08144, section 7, for the penalty.
    """
    B, M = len(memory.values) // members, members
    logits, state = head.step(head.start(memory), None)
    step = _mixed(logits, M)  # (B, V)
    V = step.shape[-1]
    score, token = step.topk(min(beams, V), 1)  # (B, W)
    W = score.shape[1]
    rows = torch.arange(B, device=score.device)  # those that are still written
    state = _pick(state, rows.repeat_interleave(W), M)
    tokens, done = token[..., None], token == head.end
    only_end = score.new_full((V,), -torch.inf)
    only_end[head.end] = 0.0
    finished: list[tuple[Tensor, Tensor, Tensor]] = []
    for _ in range(head.length - 1):
        over = done[:, 0]  # beams only lose: the first of a row stays the likeliest
        if bool(over.all()):
            break
        if int(over.sum()) * 4 >= len(over):  # a few long answers must not make all others wait
            finished.append((rows[over], tokens[over], score[over]))
            places = torch.nonzero(~over)[:, 0]
            state = _pick(state, _beams_of(places, W), M)
            rows, tokens, score, token, done = (x[places] for x in (rows, tokens, score, token, done))
        logits, state = head.step(state, token.flatten().repeat_interleave(M))
        step = torch.where(done[..., None], only_end, _mixed(logits, M).view(len(rows), W, V))
        score, best = (score[..., None] + step).flatten(1).topk(W, 1)
        parent, token = best // V, best % V
        state = _pick(state, (torch.arange(len(rows), device=rows.device)[:, None] * W + parent).flatten(), M)
        tokens = torch.cat([tokens.gather(1, parent[..., None].expand_as(tokens)), token[..., None]], -1)
        done = done.gather(1, parent) | (token == head.end)
    finished.append((rows, tokens, score))
    return _likeliest(finished, B, head.end, penalty)


def _likeliest(finished: list[tuple[Tensor, Tensor, Tensor]], count: int, end: int, penalty: float) -> BeamResult:
    """The best beam of each row, from rows (n,), tokens (n, W, T) and scores (n, W) that ended at different times."""
    longest = max(tokens.shape[2] for _, tokens, _ in finished)
    whole = finished[0][1].new_full((count, longest), end)
    log_prob = finished[0][2].new_zeros(count)
    for rows, tokens, score in finished:
        lengths = ((tokens == end).cumsum(-1) == 0).sum(-1) + 1  # (n, W)
        chosen = (score / lengths**penalty).argmax(1)
        places = torch.arange(len(rows), device=rows.device)
        whole[rows, : tokens.shape[2]] = tokens[places, chosen]
        log_prob[rows] = score[places, chosen]
    mask = (whole == end).cumsum(1) == 0
    return BeamResult(whole.masked_fill(~mask, 0), mask, log_prob)


def _beams_of(rows: Tensor, beams: int) -> Tensor:
    """Where the beams of some rows stand among all."""
    return (rows[:, None] * beams + torch.arange(beams, device=rows.device)).flatten()


def sample(
    head: AutoregressiveHead,
    memory: Tokens,
    generator: Generator,
    *,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
) -> BeamResult:
    """An answer drawn for each row; see `choose`."""
    state, token = head.start(memory), None
    B = len(memory.values)
    tokens: list[Tensor] = []
    done = torch.zeros(B, dtype=torch.bool, device=memory.values.device)
    score = torch.zeros(B, device=memory.values.device)
    while len(tokens) < head.length and not bool(done.all()):
        logits, state = head.step(state, token)
        token = choose(logits, generator, temperature=temperature, top_k=top_k, top_p=top_p)
        token = token.masked_fill(done, head.end)
        drawn = logits.float().log_softmax(-1).gather(1, token[:, None])[:, 0]
        score = score + drawn.masked_fill(done, 0.0)
        done = done | (token == head.end)
        tokens.append(token)
    whole = torch.stack(tokens, 1)
    mask = (whole == head.end).cumsum(1) == 0
    return BeamResult(whole.masked_fill(~mask, 0), mask, score)


def choose(
    logits: Tensor,
    generator: Generator,
    *,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
) -> Tensor:
    """A token drawn for each row, (B,) int64.

    Args:
        logits: (B, V).
        temperature: the logits are divided by it; 0 takes the likeliest.
        top_k: only the k likeliest are drawn from.
        top_p: only the likeliest that have this probability together.

    Source: Fan et al., 2018, arXiv 1805.04833 (top k); Holtzman et al., 2020, arXiv 1904.09751 (top p).
    """
    if temperature == 0:
        return logits.argmax(-1)
    probs, order = (logits.float() / temperature).softmax(-1).sort(-1, descending=True)
    if top_k is not None:
        probs[:, top_k:] = 0.0
    if top_p is not None:
        probs[probs.cumsum(-1) - probs >= top_p] = 0.0
    return order.gather(1, torch.multinomial(probs, 1, generator=generator))[:, 0]


def _mixed(logits: Tensor, members: int) -> Tensor:
    log_probs = logits.float().log_softmax(-1)
    return log_probs.view(-1, members, log_probs.shape[-1]).logsumexp(1) - math.log(members)


def _pick(state: State, rows: Tensor, members: int) -> State:
    rows = (rows[:, None] * members + torch.arange(members, device=rows.device)).flatten()
    return tuple(s[rows] for s in state)
