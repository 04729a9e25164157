"""Base class of the recurrent trunks."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from torch import nn

from deepglass.constraints import Count, Share
from deepglass.errors import SpecError
from deepglass.features._tokenizers import END
from deepglass.features.base import Feature
from deepglass.features.outputs.text import TextOutput
from deepglass.hyperparameters import TrainingDefaults
from deepglass.networks.trunks.base import Trunk
from deepglass.nn.recurrent import Cell, Recurrent
from deepglass.nn.sequence_decoders import RecurrentDecoder
from deepglass.nn.token_ops import ConcatTokens, Pool, summary
from deepglass.nn.tokens import Tokens, TokenShape


class RecurrentTrunk(Trunk):
    """Stacked recurrent layers over the tokens of all inputs; inputs with a fixed number of tokens come last.

    Args:
        width: width D of a token.
        hidden: state size per direction; None: `width`.
        depth: layers.
        bidirectional: a second state runs from the end to the start.
        layer_norm: layer normalisation in the cell; about a fifth slower on a CPU.
        dropout: dropout rate for tokens and states.
        pool: vector for heads of one value: the "last" state of each direction, or the "mean" or "max" of states.
        expected_lag: longest time lag that matters, in steps: sets the first gate biases of gru and lstm.

    Shapes:
        (B, T, width) per input -> (B, all T, hidden * directions), with the grid (T,) of the first sequence.
    """

    # The clip keeps the rare step whose gradient explodes over time from undoing the others (Pascanu et al., 2013).
    training_defaults = TrainingDefaults(
        learning_rate=2e-3, weight_decay=0.05, batch_size=64, epochs=20, schedule="cosine", clip=1.0
    )
    ordered = True
    cell: ClassVar[Cell]

    def __init__(
        self,
        inputs: Sequence[TokenShape],
        *,
        width: Count = 128,
        hidden: Count | None = None,
        depth: Count = 1,
        bidirectional: bool = True,
        layer_norm: bool = False,
        dropout: Share = 0.2,
        pool: Pool = "last",
        expected_lag: Count | None = None,
    ) -> None:
        super().__init__()
        self.dim, self.pool = width, pool
        self.join = ConcatTokens(inputs, width)
        self.recurrent = Recurrent(
            self.cell,
            width,
            hidden or width,
            depth,
            bidirectional=bidirectional,
            layer_norm=layer_norm,
            dropout=dropout,
            expected_lag=expected_lag,
        )
        self.out_dim = self.recurrent.out_dim
        self.dropout = nn.Dropout(dropout)

    @classmethod
    def causal(cls, settings: Mapping[str, Any]) -> dict[str, Any]:
        if settings.get("bidirectional"):
            raise SpecError(
                "bad-value", "network.bidirectional: the objective needs a causal network; leave the setting out"
            )
        return {**settings, "bidirectional": False}

    def make_decoder(self, feature: Feature) -> nn.Module | None:
        if not isinstance(feature, TextOutput) or feature.decoding != "autoregressive":
            return None
        hidden = max(self.out_dim, 64)
        return RecurrentDecoder(
            self.out_dim,
            feature.size,
            END,
            feature.max_output_length,
            cell=self.cell,
            hidden=hidden,
            dropout=self.dropout.p,
        )

    def forward(self, tokens: Sequence[Tokens]) -> Tokens:
        joined = self.join(tokens)
        values, last = self.recurrent(self.dropout(joined.values), joined.mask, packed=len(tokens) == 1)
        values = self.dropout(values)
        vector = self.dropout(last) if self.pool == "last" else summary(values, joined.mask, self.pool)
        return Tokens(values, joined.mask, joined.grid, summary=vector)
