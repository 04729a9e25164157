"""Gated recurrent unit (GRU)."""

from deepglass.networks.trunks._recurrent import RecurrentTrunk


class Gru(RecurrentTrunk):
    """Gated recurrent unit (GRU): update and reset gates.

    The settings are those of `RecurrentTrunk`.

    Source: Cho et al., 2014, arXiv 1406.1078.
    """

    cell = "gru"
