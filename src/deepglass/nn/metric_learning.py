"""Metric learning: embedding head, ArcFace and triplet loss.

unit, cosine = split(EmbeddingHead(dim, 128, classes)(tokens), 128)
loss = arcface(cosine, labels, 0.3, 16)           # or triplet_loss(unit, labels, 0.3)
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from deepglass.nn.tokens import Tokens, pool

EPS = 1e-6
MAP_SIZE = (4, 4)  # of the feature map in the embedding


class EmbeddingHead(nn.Module):
    """Head of a unit embedding and its cosines to class centres.

    The coarsest feature map is flattened, as positions matter (in a face, eyes are above the mouth). A batch norm
    centres the embedding: features that are never negative would all lie in one corner of the sphere.

    Args:
        dim: the width D of the tokens.
        embedding: the length E of the embedding.
        classes: K, number of class centres.
        train_embedding: the loss on the cosines trains the embedding too; False fits the centres alone.
        width: channels of the coarsest map; 0 uses the tokens alone.
        dropout: rate for the features.

    Shapes:
        tokens: (B, T, D), with a pyramid where `width` is given.
        returns: (B, E + K), the embedding and the cosines side by side.

    Example:
        >>> head = EmbeddingHead(64, 16, classes=10)
        >>> unit, cosine = split(head(tokens), 16)

    Source: Deng et al., 2018, arXiv 1801.07698, section 3.2.2 (its option E: the whole map, dropout, a linear map,
    batch norm).
    """

    def __init__(
        self,
        dim: int,
        embedding: int,
        classes: int,
        *,
        train_embedding: bool = True,
        width: int = 0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.train_embedding, self.width = train_embedding, width
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(dim + width * MAP_SIZE[0] * MAP_SIZE[1], embedding, bias=False)
        self.norm = nn.BatchNorm1d(embedding, affine=False)
        self.centres = nn.Parameter(torch.randn(classes, embedding) / math.sqrt(embedding))  # (K, E)

    def forward(self, tokens: Tokens) -> Tensor:
        x = pool(tokens)  # (B, D)
        if self.width:
            assert tokens.pyramid is not None
            x = torch.cat([x, F.adaptive_avg_pool2d(tokens.pyramid[-1], MAP_SIZE).flatten(1)], dim=-1)
        unit = F.normalize(self.norm(self.linear(self.dropout(x)).float()), dim=-1, eps=EPS)
        centres = F.normalize(self.centres, dim=-1, eps=EPS)
        return torch.cat([unit, _cosines(unit if self.train_embedding else unit.detach(), centres)], dim=-1)


def split(params: Tensor, embedding: int) -> tuple[Tensor, Tensor]:
    """Embedding (B, E) and cosines (B, K) of the output of `EmbeddingHead`."""
    return params[:, :embedding], params[:, embedding:]


def arcface(cosine: Tensor, label: Tensor, margin: float, scale: float) -> Tensor:
    """ArcFace: cross-entropy of scaled cosines with an additive angular margin for the true class.

    Beyond an angle of pi - margin the cosine continues linearly, as in the authors' code.

    Args:
        margin: in radians, added to the angle to the true centre; 0 is a softmax of cosines.
        scale: of the logits; the paper's 64 leaves few gradients for a few hundred examples.

    Shapes:
        cosine: (B, K) in [-1, 1]; label: (B,) int64. Returns (B,).

    Source: Deng et al., 2018, arXiv 1801.07698, eq. 3.
    """
    right = cosine.gather(1, label[:, None])
    sine = (1 - right.square()).clamp_min(EPS).sqrt()  # the root's slope at 0 is infinite
    further = right * math.cos(margin) - sine * math.sin(margin)  # cos(angle + margin)
    further = torch.where(right > -math.cos(margin), further, right - margin * math.sin(margin))
    return F.cross_entropy(scale * cosine.scatter(1, label[:, None], further), label, reduction="none")


def triplet_loss(unit: Tensor, label: Tensor, margin: float, sharpness: float = 16.0) -> Tensor:
    """Batch-hard triplet loss: distance to the hardest positive minus distance to the hardest negative, plus the
    margin.

    Rows without a positive or a negative in the batch, and rows with label -1 (unknown), have loss 0.

    Args:
        margin: of the distances on the sphere, 0 to 2.
        sharpness: of the softplus (soft margin).

    Shapes:
        unit: (B, E) of length 1; label: (B,) int64. Returns (B,).

    Source: Schroff et al., 2015, arXiv 1503.03832; the hardest of a batch as in Hermans et al., 2017, arXiv
    1703.07737, eq. 5, with its soft margin (a softplus), whose slope does not vanish.
    """
    labelled = label >= 0
    both, same = labelled[:, None] & labelled, label[:, None] == label  # (B, B)
    positive = both & same & ~torch.eye(len(label), dtype=torch.bool, device=label.device)
    negative = both & ~same
    distance = (2 - 2 * _cosines(unit, unit)).clamp_min(EPS).sqrt()
    possible = positive.any(1) & negative.any(1)
    farthest = torch.where(possible, distance.masked_fill(~positive, -math.inf).amax(1), 0.0)
    nearest = torch.where(possible, distance.masked_fill(~negative, math.inf).amin(1), 0.0)
    return torch.where(possible, F.softplus((farthest - nearest + margin) * sharpness) / sharpness, 0.0)


class KnownCategoryEncoder(nn.Module):
    """Category embedding that maps codes outside its table to code 0.

    Args:
        embedding: codes and mask (B, F) -> `Tokens`.
        count: number of codes of the table.
    """

    def __init__(self, embedding: nn.Module, count: int) -> None:
        super().__init__()
        self.embedding, self.count = embedding, count
        self.shape = embedding.shape

    def forward(self, codes: Tensor, mask: Tensor) -> Tokens:
        valid = mask & (codes < self.count)
        tokens: Tokens = self.embedding(torch.where(valid, codes, 0), valid)
        return tokens


def _cosines(a: Tensor, b: Tensor) -> Tensor:
    """Cosines of unit vectors, (A, E) and (B, E) -> (A, B), in float32: half precision has three digits near 1."""
    with torch.autocast(a.device.type, enabled=False):
        return a.float() @ b.float().T
