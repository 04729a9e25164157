"""Simple recurrent network (Elman network)."""

from deepglass.networks.trunks._recurrent import RecurrentTrunk


class Rnn(RecurrentTrunk):
    """Simple recurrent network: the new state is a layer over the token and the old state.

    It forgets within some dozens of tokens; see docs/memory.md. The settings are those of `RecurrentTrunk`.

    Source: Elman, 1990, Cognitive Science 14, "Finding structure in time".
    """

    cell = "rnn"
