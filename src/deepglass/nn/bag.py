"""Bag of n-grams: a text as one vector, the weighted sum of its n-gram embeddings."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from deepglass.nn.tokens import Field, Tokens, TokenShape


def inverse_document_frequency(counts: Sequence[int], rows: int) -> Tensor:
    """Inverse document frequency of n-grams: log((1 + rows) / (1 + count)) + 1.

    Shapes:
        returns: (V,) float.

    Source: Spärck Jones, 1972; smoothed as in scikit-learn.
    """
    return torch.log((1 + rows) / (1 + torch.tensor(counts, dtype=torch.float32))) + 1


class BagEmbedding(nn.Module):
    """Weighted sum of n-gram embeddings.

    The weights of a row are scaled to length 1, so that long texts have no longer vectors. An empty row gives the
    learned vector `missing`.

    Args:
        weights: of each n-gram, >= 0.
        dim: the width D of the vector.
        drop: n-gram dropout rate in training, in [0, 1).
        gain: factor of the sum, > 0; a step of gradient descent changes the sum by its square.
        std: of the initial embeddings' length.

    Shapes:
        ids: (B, T) int; `mask`: (B, T) bool.
        returns: (B, D).

    Example:
        >>> bag = BagEmbedding(torch.ones(3), dim=8)
        >>> bag(torch.tensor([[0, 2]]), torch.tensor([[True, True]])).shape
        torch.Size([1, 8])

    Source: Joulin et al., 2016, arXiv 1607.01759 (fastText), with Iyyer et al., 2015 (word dropout), and tf-idf
    weights instead of equal ones.
    """

    def __init__(self, weights: Tensor, dim: int, drop: float = 0.0, gain: float = 1.0, std: float = 0.2) -> None:
        super().__init__()
        self.scale = nn.Buffer(weights.float(), persistent=False)
        # Small, so that n-grams too rare to learn from stay near zero.
        self.weight = nn.Parameter(torch.randn(len(weights), dim) * (std / math.sqrt(dim)))
        self.missing = nn.Parameter(torch.randn(dim) * (0.2 / math.sqrt(dim)))
        self.drop, self.gain = drop, gain

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        ids = ids.long()
        weights = self.weights_of(ids, mask)
        if self.training and self.drop:
            weights = weights * (torch.rand_like(weights) >= self.drop) / (1 - self.drop)
        B, T = ids.shape
        starts = torch.arange(B, device=ids.device) * T  # explicit, as torch's 2-D form cannot be exported for one row
        bag = F.embedding_bag(ids.flatten(), self.weight, starts, per_sample_weights=weights.flatten(), mode="sum")
        return torch.where(mask.any(1, keepdim=True), bag, self.missing)

    def weights_of(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Weights of the n-grams in the sum, without dropout, (B, T)."""
        weights = self.scale[ids] * mask
        weights = weights / weights.norm(dim=1, keepdim=True).clamp_min(1e-6)
        return weights if self.gain == 1 else self.gain * weights


class BagEncoder(nn.Module):
    """Encoder of a ragged `Field` of n-grams, as one token.

    Shapes:
        field: values and mask (B, T).
        returns: (B, 1, D).
    """

    def __init__(self, bag: BagEmbedding) -> None:
        super().__init__()
        self.shape = TokenShape(count=1)
        self.bag = bag

    def forward(self, field: Field) -> Tokens:
        return Tokens.of_vector(self.bag(field.values, field.mask))
