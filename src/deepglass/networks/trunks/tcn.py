"""Temporal convolutional network (TCN): dilated convolutions over a sequence."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from torch import nn

from deepglass.constraints import Count, Ge, Share
from deepglass.hyperparameters import TrainingDefaults
from deepglass.networks.trunks.base import Trunk
from deepglass.nn.norms import norm as make_norm
from deepglass.nn.temporal import TemporalBlock
from deepglass.nn.token_ops import ConcatTokens, OwnNorm, Pool, gather, pack_left, summary
from deepglass.nn.tokens import Tokens, TokenShape


class Tcn(Trunk):
    """TCN over the tokens of all inputs.

    Args:
        width: units of a token.
        depth: blocks; the receptive field is about 2 ** depth * kernel tokens.
        kernel: width of a convolution, at least 2.
        dropout: dropout rate for the residual branches.
        norm: "layer", "group" or "none".
        causal: no token depends on a later one.
        pool: vector for heads of one value: "mean", "max" or "last" of the tokens.

    Shapes:
        (B, T, width) per input -> (B, all T, width), with the grid (T,) of the first sequence.

    Source: Bai et al., 2018, arXiv 1803.01271.
    """

    training_defaults = TrainingDefaults(
        learning_rate=2e-3, weight_decay=0.05, batch_size=64, epochs=40, schedule="cosine", clip=1.0, augment=True
    )
    ordered = True

    def __init__(
        self,
        inputs: Sequence[TokenShape],
        *,
        width: Count = 128,
        depth: Count = 3,
        kernel: Annotated[int, Ge(2)] = 3,
        dropout: Share = 0.1,
        norm: OwnNorm = "layer",
        causal: bool = False,
        pool: Pool = "mean",
    ) -> None:
        super().__init__()
        self.dim = self.out_dim = width
        self.pool = pool
        self.join = ConcatTokens(inputs, width)
        self.blocks = nn.ModuleList(
            TemporalBlock(width, kernel, 2**i, causal=causal, dropout=dropout, norm=norm) for i in range(depth)
        )
        self.norm = make_norm(norm, width)

    @classmethod
    def causal(cls, settings: Mapping[str, Any]) -> dict[str, Any]:
        return {**settings, "causal": True}

    def forward(self, tokens: Sequence[Tokens]) -> Tokens:
        joined = self.join(tokens)
        x, mask = joined.values * joined.mask[..., None], joined.mask
        several = len(tokens) > 1
        if several:  # how far two inputs lie apart must not depend on the padding between them
            order, back = pack_left(mask)
            x, mask = gather(x, order), mask.gather(1, order)
        for block in self.blocks:
            x = block(x, mask)
        x = self.norm(gather(x, back) if several else x)
        return Tokens(x, joined.mask, joined.grid, summary=summary(x, joined.mask, self.pool))
