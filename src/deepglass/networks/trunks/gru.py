"""Gated recurrent unit (GRU)."""

from typing import ClassVar

from deepglass.networks.trunks._recurrent import RecurrentTrunk
from deepglass.nn.recurrent import Cell


class Gru(RecurrentTrunk):
    """Gated recurrent unit (GRU): update and reset gates.

    The settings are those of `RecurrentTrunk`.

    Source: Cho et al., 2014, arXiv 1406.1078.
    """

    cell: ClassVar[Cell] = "gru"
