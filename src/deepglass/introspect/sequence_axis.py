"""What stands along a sequence: its words, the seconds of a sound, the steps of a series."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch

from deepglass.data.batches import Batch
from deepglass.introspect.attention import read_words
from deepglass.networks.network import Network
from deepglass.nn.tokens import Tokens
from deepglass.objectives.base import Objective
from deepglass.prepare.prepared_data import PreparedData

WORDS = 60  # that are written along an axis, at most
TICKS = 6


class SequenceAxis(NamedTuple):
    """The names of places along a sequence.

    Args:
        length: T, places of the sequence itself; what may follow are the other inputs' tokens.
        marks: places and their names, in order.
        name: what they are; empty for words.
        others: places and names of the other inputs.
    """

    length: int
    marks: tuple[tuple[float, str], ...]
    name: str = ""
    others: tuple[tuple[float, str], ...] = ()


def sequence_axis(prepared: PreparedData, objective: Objective, batch: Batch, row: int) -> SequenceAxis | None:
    """What stands at the places of the sequence that a network reads; None where it reads none.

    Args:
        row: of the table, the one of the batch.
    """
    with torch.inference_mode():
        tokens = objective.network.embed(batch.inputs)
    if tokens.grid is None or len(tokens.grid) != 1:
        return None
    length = tokens.grid[0]
    return _along(prepared, tokens, length, row)._replace(others=_others(objective.network, tokens, length))


def _others(network: Network, tokens: Tokens, length: int) -> tuple[tuple[float, str], ...]:
    """The inputs beside the sequence that are a token each; none where they are more."""
    encoders: Any = network.encoders
    there = zip(network.groups, encoders, strict=True)
    names = [f.name for group, encoder in there if encoder.shape.count is not None for f in group]
    if len(names) != tokens.mask.shape[1] - length:
        return ()
    return tuple((length + i + 0.5, name) for i, name in enumerate(names))


def _along(prepared: PreparedData, tokens: Tokens, length: int, row: int) -> SequenceAxis:
    if (words := read_words(prepared, np.array([row]), tokens)[0]) is not None:
        step = -(-len(words) // WORDS)
        return SequenceAxis(length, tuple((float(np.mean(places)) + 0.5, word) for word, places in words[::step]))
    sound: Any = next((f for f in prepared.inputs if f.is_audio), None)
    if sound is not None:
        heard = len(sound.encode(prepared.table.take(np.array([row]))[sound.column]).values)
        return _even(length, heard / (sound.rate_ or 1), "seconds")
    return _even(length, length, "steps")


def _even(length: int, end: float, name: str) -> SequenceAxis:
    """Round values from 0 to the end."""
    step = end / TICKS
    power = 10.0 ** np.floor(np.log10(max(step, 1e-9)))
    step = float(next(d * power for d in (1, 2, 5, 10) if d * power >= step * 0.999))
    step = max(step, 1.0) if name == "steps" else step
    values = [i * step for i in range(int(end / step + 1e-9) + 1)]
    return SequenceAxis(length, tuple((v / end * length, f"{v:g}") for v in values), name)
