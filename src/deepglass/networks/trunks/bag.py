"""Bag of embeddings: the default network for texts alone."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from deepglass.constraints import Count, NonNegativeInt, Share
from deepglass.features.base import Feature
from deepglass.features.text import Text
from deepglass.hyperparameters import TrainingDefaults
from deepglass.networks.trunks.base import Trunk
from deepglass.nn.bag import BagEmbedding, BagEncoder, inverse_document_frequency
from deepglass.nn.tokens import Tokens, TokenShape, pool

# Chosen on generated texts and on validation rows of news: powers of 1 and more, as in tf-idf, miss frequent words that
# decide, and a power of 0 costs a point where rare words decide.
IDF_POWER = 0.75
BIGRAM_WEIGHT = 0.7
WORD_DROPOUT = 0.1
GAIN, INITIAL_STD = 10.0, 0.001


class Bag(Trunk):
    """Linear model of the summed embeddings, with an optional hidden layer beside it.

    For a few ten thousand texts a linear n-gram model is hard to beat. It is trained by gradient descent with momentum:
    a step for each n-gram grows with the number of its texts, while Adam's are equal, and learn rare n-grams by heart.
    For the same reason the weights of rare n-grams are less than tf-idf's, and those of bigrams less than of words.

    Args:
        dim: width D of the sum.
        hidden: width of the hidden layer; 0 for none, None: 64 with several inputs, none with one.
        dropout: dropout rate for the sum, in [0, 1).

    Shapes:
        tokens: (B, T, D) per input.
        returns: (B, 1, D).

    Source: Joulin et al., 2016, arXiv 1607.01759 (fastText); the layer beside it as in Cheng et al., 2016, arXiv
    1606.07792 (wide and deep).
    """

    training_defaults = TrainingDefaults(
        optimizer="nesterov", learning_rate=0.07, weight_decay=0.0, batch_size=256, epochs=10, clip=1.0
    )

    def __init__(
        self,
        inputs: Sequence[TokenShape],
        *,
        dim: Count = 32,
        hidden: NonNegativeInt | None = None,
        dropout: Share = 0.2,
    ) -> None:
        super().__init__()
        self.dim = self.out_dim = dim
        hidden = (64 if len(inputs) > 1 else 0) if hidden is None else hidden
        self.dropout = nn.Dropout(dropout)
        self.residual = _Residual(dim * len(inputs), hidden, dim) if hidden else None

    @classmethod
    def make_encoder(cls, feature: Feature, dim: int, settings: Mapping[str, Any]) -> nn.Module | None:
        """The bag of a text, with weights and gain for gradient descent."""
        if not isinstance(feature, Text) or not feature.subword_features_:  # not a bag
            return None
        assert feature.counts_ is not None
        assert feature.rows_ is not None
        assert feature.vocabulary_ is not None
        weights = inverse_document_frequency([feature.rows_, *feature.counts_], feature.rows_) ** IDF_POWER
        bigrams = torch.tensor([False, *(" " in gram for gram in feature.vocabulary_)])
        weights = torch.where(bigrams, BIGRAM_WEIGHT * weights, weights)
        return BagEncoder(BagEmbedding(weights, dim, WORD_DROPOUT, GAIN, INITIAL_STD))

    def forward(self, tokens: Sequence[Tokens]) -> Tokens:
        vectors = [pool(t) for t in tokens]
        x = self.dropout(torch.stack(vectors).sum(0))
        if self.residual is not None:
            x = x + self.residual(self.dropout(torch.cat(vectors, dim=-1)))
        return Tokens.of_vector(x)


class _Residual(nn.Sequential):
    """Two-layer residual branch that starts at zero."""

    def __init__(self, size: int, hidden: int, dim: int) -> None:
        first, last = nn.Linear(size, hidden), nn.Linear(hidden, dim)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        super().__init__(first, nn.SiLU(), last)
