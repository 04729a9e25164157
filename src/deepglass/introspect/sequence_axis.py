"""Labels of the positions of a sequence: words, seconds of audio, or steps."""

from typing import Any, NamedTuple

import numpy as np
import torch

from deepglass.data.batches import Batch
from deepglass.introspect.attention import read_words
from deepglass.networks.network import Network
from deepglass.nn.tokens import Tokens
from deepglass.objectives.base import Objective
from deepglass.prepare.prepared_data import PreparedData

MAX_WORDS = 60  # along an axis
NUM_TICKS = 6


class SequenceAxis(NamedTuple):
    """Labels along a sequence of tokens.

    Args:
        length: T, tokens of the sequence itself; those of other inputs may follow.
        marks: positions and their labels, in order.
        name: unit of the labels; empty for words.
        others: positions and names of the other inputs.
    """

    length: int
    marks: tuple[tuple[float, str], ...]
    name: str = ""
    others: tuple[tuple[float, str], ...] = ()


def sequence_axis(prepared: PreparedData, objective: Objective, batch: Batch, row: int) -> SequenceAxis | None:
    """The axis of the sequence that a network reads; None without one.

    Args:
        batch: of one row.
        row: its index in the table.
    """
    with torch.inference_mode():
        tokens = objective.network.embed(batch.inputs)
    if tokens.grid is None or len(tokens.grid) != 1:
        return None
    length = tokens.grid[0]
    return _axis(prepared, tokens, length, row)._replace(others=_others(objective.network, tokens, length))


def _others(network: Network, tokens: Tokens, length: int) -> tuple[tuple[float, str], ...]:
    """Positions and names of the other inputs, where each is one token."""
    encoders: Any = network.encoders
    groups = zip(network.groups, encoders, strict=True)
    names = [f.name for group, encoder in groups if encoder.shape.count is not None for f in group]
    if len(names) != tokens.mask.shape[1] - length:
        return ()
    return tuple((length + i + 0.5, name) for i, name in enumerate(names))


def _axis(prepared: PreparedData, tokens: Tokens, length: int, row: int) -> SequenceAxis:
    if (words := read_words(prepared, np.array([row]), tokens)[0]) is not None:
        step = -(-len(words) // MAX_WORDS)
        return SequenceAxis(length, tuple((float(np.mean(indices)) + 0.5, word) for word, indices in words[::step]))
    audio: Any = next((f for f in prepared.inputs if f.is_audio), None)
    if audio is not None:
        samples = len(audio.encode(prepared.table.take(np.array([row]))[audio.column]).values)
        return _even(length, samples / (audio.rate_ or 1), "seconds")
    return _even(length, length, "steps")


def _even(length: int, end: float, name: str) -> SequenceAxis:
    """Ticks at round values from 0 to `end`."""
    step = end / NUM_TICKS
    power = 10.0 ** np.floor(np.log10(max(step, 1e-9)))
    step = float(next(d * power for d in (1, 2, 5, 10) if d * power >= step * 0.999))
    step = max(step, 1.0) if name == "steps" else step
    values = [i * step for i in range(int(end / step + 1e-9) + 1)]
    return SequenceAxis(length, tuple((v / end * length, f"{v:g}") for v in values), name)
