"""A plain recurrent network: one layer over the token and the state before it."""

from __future__ import annotations

from typing import ClassVar

from deepglass.networks.trunks._recurrent import RecurrentTrunk
from deepglass.nn.recurrent import Cell


class Rnn(RecurrentTrunk):
    """A plain recurrent network: the new state is one layer over the token and the old state.

    It forgets within some dozens of tokens; see docs/memory.md. The settings are those of `RecurrentTrunk`.

    Source: Elman, 1990, Cognitive Science 14, "Finding structure in time".
    """

    cell: ClassVar[Cell] = "rnn"
