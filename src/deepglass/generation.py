"""Using a generative run: continue a text, sample new rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from deepglass.objectives.next_token import NextToken
from deepglass.run.callbacks.sample_recorder import draw
from deepglass.run.generate import stream
from deepglass.run.predictor import Answers
from deepglass.run.run import Run, open_run


def generate(
    run: str | Path | Run,
    prompt: str = "",
    length: int = 400,
    *,
    temperature: float = 0.8,
    top_k: int | None = None,
    top_p: float | None = None,
    seed: int = 0,
) -> Iterator[str]:
    """Continue a prompt with a language model, piece by piece.

    Args:
        length: tokens, which are characters unless the run learned larger units.
        temperature: >= 0; 1 samples from the learned distribution, 0 takes the most probable token.
        top_k: sample from the k most probable tokens only; >= 1.
        top_p: nucleus sampling: sample from the smallest set of tokens with this total probability, in (0, 1].

    Example:
        print("".join(deepglass.generate("runs/input-1", "ROMEO:", temperature=0.7)))
    """
    predictor = open_run(run).predictor
    return stream(predictor, prompt, length, temperature=temperature, top_k=top_k, top_p=top_p, seed=seed)


def generates_text(run: str | Path | Run) -> bool:
    """Whether a run goes on with texts, as a language model does."""
    return isinstance(open_run(run).objective, NextToken)


def sample(run: str | Path | Run, count: int = 64, *, given: Mapping[str, Any] | None = None, seed: int = 0) -> Answers:
    """New rows that a generating run draws, {COLUMN: {"value": ...}} each.

    Args:
        given: what all of them must be, such as {"label": 7}.

    Raises:
        SpecError: `bad-value` for a run that draws nothing, or a value that it does not know.
    """
    predictor = open_run(run).predictor
    return draw(predictor.objective, (*predictor.inputs, *predictor.outputs), count, seed, given)
