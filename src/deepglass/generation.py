"""Generation with a trained run: continue a text, sample new rows."""

from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import torch

from deepglass.errors import SpecError
from deepglass.objectives.next_token import NextToken
from deepglass.registry import Modules
from deepglass.run.callbacks.sample_recorder import sample_rows
from deepglass.run.predictor import Predictions
from deepglass.run.run import Run, open_run

_INCOMPLETE = "\ufffd"  # decoded from a character of which bytes are missing


def generate(
    run: str | Path | Run,
    prompt: str = "",
    length: int = 400,
    *,
    temperature: float = 0.8,
    top_k: int | None = None,
    top_p: float | None = None,
    seed: int = 0,
    allow_code: Modules = (),
) -> Iterator[str]:
    """Continue a prompt with a language model, token by token.

    Args:
        length: number of tokens, >= 1; a token is a character unless the run has subword tokens.
        temperature: >= 0; 1 samples from the learned distribution, 0 takes the most probable token.
        top_k: sample from the k most probable tokens only; >= 1.
        top_p: nucleus sampling: sample from the smallest set of tokens with this total probability, in (0, 1].
        allow_code: modules outside the package that the run may name; importing them runs their code.

    Raises:
        SpecError: `bad-value` for a number outside its range, or a run of another objective.

    Example:
        print("".join(deepglass.generate("runs/input-1", "ROMEO:", temperature=0.7)))
    """
    predictor = open_run(run, allow_code).predictor
    objective = predictor.objective
    if not isinstance(objective, NextToken):
        raise SpecError(
            "bad-value", f"generate: expected a run of objective next_token, got {type(objective).__name__}"
        )
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


def generates_text(run: str | Path | Run) -> bool:
    """Whether a run is a language model, which continues texts."""
    return isinstance(open_run(run).objective, NextToken)


def sample(
    run: str | Path | Run,
    count: int = 64,
    *,
    given: Mapping[str, Any] | None = None,
    seed: int = 0,
    allow_code: Modules = (),
) -> Predictions:
    """Sample new rows from a generative run, {COLUMN: {"value": ...}} each.

    Args:
        given: conditions that all rows fulfil, such as {"label": 7}.
        allow_code: modules outside the package that the run may name; importing them runs their code.

    Raises:
        SpecError: `bad-value` for a run that is not generative, or an unknown value.
    """
    predictor = open_run(run, allow_code).predictor
    return sample_rows(predictor.objective, (*predictor.inputs, *predictor.outputs), count, seed, given)


def _pieces(objective: NextToken, codes: Iterator[int]) -> Iterator[str]:
    """Decode tokens to text; an incomplete character waits for its other bytes."""
    pending: list[int] = []
    for code in codes:
        pending.append(code)
        text = objective.feature.piece_of(pending)
        if not text.endswith(_INCOMPLETE) or len(pending) >= 4:
            pending = []
            yield text
    if pending:
        yield objective.feature.piece_of(pending)
