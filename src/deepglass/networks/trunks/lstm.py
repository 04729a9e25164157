"""Long short-term memory (LSTM)."""

from deepglass.networks.trunks._recurrent import RecurrentTrunk


class Lstm(RecurrentTrunk):
    """Long short-term memory (LSTM): a cell state with input, forget and output gates.

    The settings are those of `RecurrentTrunk`.

    Source: Hochreiter and Schmidhuber, 1997, Neural Computation 9; forget gate: Gers et al., 2000.
    """

    cell = "lstm"
