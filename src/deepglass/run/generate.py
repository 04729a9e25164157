"""Text generation by a trained language model, streamed."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import torch

from deepglass.errors import SpecError
from deepglass.objectives.next_token import NextToken
from deepglass.run.predictor import Predictor

_UNFINISHED = "\ufffd"  # how a character looks of which not all bytes are there


def stream(
    predictor: Predictor,
    prompt: str = "",
    length: int = 400,
    *,
    temperature: float = 0.8,
    top_k: int | None = None,
    top_p: float | None = None,
    seed: int = 0,
) -> Iterator[str]:
    """Continue a prompt, piece by piece.

    Args:
        length: tokens, which are characters unless the run learned from larger pieces.
        temperature: >= 0; 1 draws as often as the network finds likely, 0 takes the likeliest.
        top_k: only the k likeliest tokens are drawn from; >= 1.
        top_p: only the likeliest tokens that have this probability together, in (0, 1].

    Raises:
        SpecError: `bad-value` for a number outside its range, or a run that learned no text.
    """
    objective = predictor.objective
    if not isinstance(objective, NextToken):
        raise SpecError("bad-value", "generate: expected a run of objective next_token, which generates text")
    if length < 1:
        raise SpecError("bad-value", f"--length: expected at least 1, got {length}")
    if temperature < 0:
        raise SpecError("bad-value", f"--temperature: expected at least 0, got {temperature}")
    if top_k is not None and top_k < 1:
        raise SpecError("bad-value", f"--top-k: expected at least 1, got {top_k}")
    if top_p is not None and not 0 < top_p <= 1:
        raise SpecError("bad-value", f"--top-p: expected above 0 and at most 1, got {top_p}")
    generator = torch.Generator(predictor.device).manual_seed(seed)
    codes = objective.generate(prompt, generator, temperature=temperature, top_k=top_k, top_p=top_p)
    return _pieces(objective, islice(codes, length))


def _pieces(objective: NextToken, codes: Iterator[int]) -> Iterator[str]:
    """Decode tokens to text; an incomplete character waits for its other bytes."""
    pending: list[int] = []
    for code in codes:
        pending.append(code)
        text = objective.feature.piece_of(pending)
        if not text.endswith(_UNFINISHED) or len(pending) >= 4:
            pending = []
            yield text
    if pending:
        yield objective.feature.piece_of(pending)
