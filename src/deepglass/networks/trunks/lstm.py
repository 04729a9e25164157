"""A recurrent network with a memory that gates write to, keep and read."""

from __future__ import annotations

from typing import ClassVar

from deepglass.networks.trunks._recurrent import RecurrentTrunk
from deepglass.nn.recurrent import Cell


class Lstm(RecurrentTrunk):
    """A recurrent network with a memory that gates write to, keep and read.

    The settings are those of `RecurrentTrunk`.

    Source: Hochreiter and Schmidhuber, 1997, Neural Computation 9; the gate that forgets: Gers et al., 2000.
    """

    cell: ClassVar[Cell] = "lstm"
