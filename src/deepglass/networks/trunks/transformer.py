"""Transformer encoder, with a transformer decoder for text outputs."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from deepglass.constraints import Count, Share
from deepglass.features._tokenizers import END
from deepglass.features.base import Feature
from deepglass.features.outputs.text import TextOutput
from deepglass.hyperparameters import TrainingDefaults
from deepglass.networks.trunks.base import Trunk
from deepglass.nn.attention import AttentionBlock
from deepglass.nn.norms import norm as make_norm
from deepglass.nn.sequence_decoders import TransformerDecoder
from deepglass.nn.token_ops import ConcatTokens, OwnNorm, Pool, sinusoidal_positions, summary
from deepglass.nn.tokens import Tokens, TokenShape


class Transformer(Trunk):
    """Transformer over the tokens of all inputs; text outputs get a transformer decoder.

    Positions are sinusoidal, so that longer texts than in training work.

    Args:
        width: width of a token.
        depth: blocks of the encoder, and of a decoder.
        heads: attention heads; must divide `width`.
        dropout: dropout rate for the residual branches.
        norm: "layer", "group" or "none".
        causal: no token depends on a later one.
        pool: vector for heads of one value: "mean", "max" or "last" of the tokens.

    Shapes:
        (B, T, width) per input -> (B, all T, width), with the grid (T,) of the first sequence.

    Source: Vaswani et al., 2017, arXiv 1706.03762; norms before the layers: Xiong et al., 2020, arXiv 2002.04745.
    """

    training_defaults = TrainingDefaults(
        learning_rate=1e-3, weight_decay=0.05, batch_size=64, epochs=20, schedule="cosine", clip=1.0
    )
    ordered = True

    def __init__(
        self,
        inputs: Sequence[TokenShape],
        *,
        width: Count = 128,
        depth: Count = 2,
        heads: Count = 4,
        dropout: Share = 0.1,
        norm: OwnNorm = "layer",
        causal: bool = False,
        pool: Pool = "mean",
    ) -> None:
        super().__init__()
        self.dim = self.out_dim = width
        self.depth, self.heads, self.is_causal, self.pool = depth, heads, causal, pool
        self.join = ConcatTokens(inputs, width)
        self.blocks = nn.ModuleList(AttentionBlock(width, heads, dropout=dropout, norm=norm) for _ in range(depth))
        self.norm = make_norm(norm, width)
        self.dropout = nn.Dropout(dropout)

    @classmethod
    def causal(cls, settings: Mapping[str, Any]) -> dict[str, Any]:
        return {**settings, "causal": True}

    def make_decoder(self, feature: Feature) -> nn.Module | None:
        if not isinstance(feature, TextOutput) or feature.decoding != "autoregressive":
            return None
        return TransformerDecoder(
            self.out_dim,
            feature.size,
            END,
            feature.max_output_length,
            width=self.dim,
            depth=self.depth,
            heads=self.heads,
            dropout=self.dropout.p,
        )

    def forward(self, tokens: Sequence[Tokens]) -> Tokens:
        joined = self.join(tokens)
        positions = sinusoidal_positions(torch.arange(joined.values.shape[1], device=joined.values.device), self.dim)
        if len(tokens) > 1:  # positions count present tokens only, not the padding between inputs
            positions = positions[joined.mask.cumsum(1) - joined.mask.long()]
        x = self.dropout(joined.values + positions)
        for block in self.blocks:
            x = block(x, joined.mask, causal=self.is_causal)
        x = self.norm(x)
        return Tokens(x, joined.mask, joined.grid, summary=summary(x, joined.mask, self.pool))
