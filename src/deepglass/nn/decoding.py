"""Autoregressive decoding: contract of the heads, beam search and sampling."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
from torch import Generator, Tensor, nn

from deepglass.nn.tokens import Field, Tokens

State = tuple[Tensor, ...]
"""State of the decoder, rows first, so that beam search can reorder it."""


class BeamResult(NamedTuple):
    """Decoded sequences. Shapes: tokens (B, T) int64; mask (B, T) bool; log_prob (B,), of the whole."""

    tokens: Tensor
    mask: Tensor
    log_prob: Tensor


class DecoderOutput(NamedTuple):
    """Output of an autoregressive head: logits of the target tokens, and the search for an output."""

    logits: Tensor | None  # (n, V) of the present target tokens, row by row; None without a target
    search: Callable[..., BeamResult]


class AutoregressiveHead(nn.Module, ABC):
    """Base class of heads that decode token by token. Parallel and stepwise logits are equal.

    Attributes:
        end: end-of-sequence token.
        length: largest number of tokens.
    """

    end: int
    length: int

    @abstractmethod
    def hidden(self, memory: Tokens, target: Field) -> Tensor:
        """States before each target token, (B, T, D). The shift by one is made here."""

    @abstractmethod
    def logits_of(self, hidden: Tensor) -> Tensor:
        """(..., D) -> (..., V)."""

    @abstractmethod
    def start(self, memory: Tokens) -> State: ...

    @abstractmethod
    def step(self, state: State, token: Tensor | None) -> tuple[Tensor, State]:
        """Logits (B, V) of the next token. `token` (B,) is the previous one, None at the start."""

    def forward(self, memory: Tokens, target: Field | None = None) -> DecoderOutput:
        logits = None if target is None else self.logits_of(self.hidden(memory, target)[target.mask])
        return DecoderOutput(logits, partial(search, self, memory))


def search(head: AutoregressiveHead, memory: Tokens, beams: int, members: int = 1, penalty: float = 0.6) -> BeamResult:
    """Beam search; one beam is greedy decoding. Ensemble members' probabilities are averaged at each step.

    Args:
        penalty: length penalty: the best beam has the largest log probability / length ** penalty.

    Source: Wu et al., 2016, arXiv 1609.08144, section 7, for the penalty.
    """
    B, M = len(memory.values) // members, members
    logits, state = head.step(head.start(memory), None)
    step = _average_members(logits, M)  # (B, V)
    V = step.shape[-1]
    score, token = step.topk(min(beams, V), 1)  # (B, W)
    W = score.shape[1]
    rows = torch.arange(B, device=score.device)  # unfinished rows
    state = _select_rows(state, rows.repeat_interleave(W), M)
    tokens, done = token[..., None], token == head.end
    only_end = score.new_full((V,), -torch.inf)
    only_end[head.end] = 0.0
    finished: list[tuple[Tensor, Tensor, Tensor]] = []
    for _ in range(head.length - 1):
        finished_rows = done[:, 0]  # scores only fall: the first beam of a row stays the best
        if bool(finished_rows.all()):
            break
        if int(finished_rows.sum()) * 4 >= len(finished_rows):  # finished rows leave the batch
            finished.append((rows[finished_rows], tokens[finished_rows], score[finished_rows]))
            indices = torch.nonzero(~finished_rows)[:, 0]
            state = _select_rows(state, _repeat_indices(indices, W), M)
            rows, tokens, score, token, done = (x[indices] for x in (rows, tokens, score, token, done))
        logits, state = head.step(state, token.flatten().repeat_interleave(M))
        step = torch.where(done[..., None], only_end, _average_members(logits, M).view(len(rows), W, V))
        score, best = (score[..., None] + step).flatten(1).topk(W, 1)
        parent, token = best // V, best % V
        state = _select_rows(state, (torch.arange(len(rows), device=rows.device)[:, None] * W + parent).flatten(), M)
        tokens = torch.cat([tokens.gather(1, parent[..., None].expand_as(tokens)), token[..., None]], -1)
        done = done.gather(1, parent) | (token == head.end)
    finished.append((rows, tokens, score))
    return _best_beams(finished, B, head.end, penalty)


def _best_beams(finished: list[tuple[Tensor, Tensor, Tensor]], count: int, end: int, penalty: float) -> BeamResult:
    """Best beam of each row, from rows (n,), tokens (n, W, T) and scores (n, W) that ended at different steps."""
    longest = max(tokens.shape[2] for _, tokens, _ in finished)
    whole = finished[0][1].new_full((count, longest), end)
    log_prob = finished[0][2].new_zeros(count)
    for rows, tokens, score in finished:
        lengths = ((tokens == end).cumsum(-1) == 0).sum(-1) + 1  # (n, W)
        chosen = (score / lengths**penalty).argmax(1)
        indices = torch.arange(len(rows), device=rows.device)
        whole[rows, : tokens.shape[2]] = tokens[indices, chosen]
        log_prob[rows] = score[indices, chosen]
    mask = (whole == end).cumsum(1) == 0
    return BeamResult(whole.masked_fill(~mask, 0), mask, log_prob)


def choose(
    logits: Tensor,
    generator: Generator,
    *,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
) -> Tensor:
    """Sample a token for each row, (B,) int64.

    Args:
        logits: (B, V).
        temperature: divides the logits; 0 is greedy.
        top_k: sample from the k most likely tokens.
        top_p: nucleus sampling: the smallest set of tokens with this total probability.

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


def _average_members(logits: Tensor, members: int) -> Tensor:
    log_probs = logits.float().log_softmax(-1)
    return log_probs.view(-1, members, log_probs.shape[-1]).logsumexp(1) - math.log(members)


def _select_rows(state: State, rows: Tensor, members: int) -> State:
    rows = _repeat_indices(rows, members)
    return tuple(s[rows] for s in state)


def _repeat_indices(rows: Tensor, count: int) -> Tensor:
    """Indices of `count` consecutive rows for each of the given ones, such as the beams of texts."""
    return (rows[:, None] * count + torch.arange(count, device=rows.device)).flatten()
