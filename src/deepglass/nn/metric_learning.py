"""Embeddings in which what belongs together lies together: a head, and the two losses that teach it.

unit, cosine = split(EmbeddingHead(dim, 128, classes)(tokens), 128)
loss = arcface(cosine, labels, 0.3, 16)           # or triplet_loss(unit, labels, 0.3)
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from deepglass.nn.tokens import Tokens, pool

TINY = 1e-6
CELLS = (4, 4)  # of the map that an embedding reads


class EmbeddingHead(nn.Module):
    """The mean token, and where there are maps the coarsest of them, to a point on the unit sphere and its cosines.

    The map is kept as cells: in a face, eyes are above the mouth. The point is centred by a batch norm, as features
    that are never negative would all lie in one corner of the sphere.

    Args:
        dim: the width D of the tokens.
        embedding: the length E of the embedding.
        classes: K; each has a centre, to which the cosine is given.
        lead: the centres draw the embedding; where another loss does that, False lets them only follow it.
        width: channels of the coarsest map; 0 reads the tokens alone.
        dropout: share of the features that is left out in training.

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
        self, dim: int, embedding: int, classes: int, *, lead: bool = True, width: int = 0, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.lead, self.width = lead, width
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(dim + width * CELLS[0] * CELLS[1], embedding, bias=False)
        self.norm = nn.BatchNorm1d(embedding, affine=False)
        self.centres = nn.Parameter(torch.randn(classes, embedding) / math.sqrt(embedding))  # (K, E)

    def forward(self, tokens: Tokens) -> Tensor:
        x = pool(tokens)  # (B, D)
        if self.width:
            assert tokens.pyramid is not None
            x = torch.cat([x, F.adaptive_avg_pool2d(tokens.pyramid[-1], CELLS).flatten(1)], dim=-1)
        unit = F.normalize(self.norm(self.linear(self.dropout(x)).float()), dim=-1, eps=TINY)
        centres = F.normalize(self.centres, dim=-1, eps=TINY)
        return torch.cat([unit, _cosines(unit if self.lead else unit.detach(), centres)], dim=-1)


def split(params: Tensor, embedding: int) -> tuple[Tensor, Tensor]:
    """What `EmbeddingHead` gives as embedding (B, E) and cosines (B, K)."""
    return params[:, :embedding], params[:, embedding:]


def arcface(cosine: Tensor, label: Tensor, margin: float, scale: float) -> Tensor:
    """Cross-entropy of the scaled cosines, after the angle to the right centre was made larger by the margin.

    Beyond an angle of pi - margin the larger angle would turn round and be nearer again; there the cosine falls on
    in a straight line, as in the authors' program.

    Args:
        margin: radians that are added to the angle to the right centre; 0 is a plain softmax of cosines.
        scale: of the cosines as logits; the paper's 64 leaves a few hundred examples without a gradient.

    Shapes:
        cosine: (B, K) in [-1, 1]; label: (B,) int64. Returns (B,).

    Source: Deng et al., 2018, arXiv 1801.07698, eq. 3.
    """
    right = cosine.gather(1, label[:, None])
    sine = (1 - right.square()).clamp_min(TINY).sqrt()  # the root's slope at 0 is infinite
    further = right * math.cos(margin) - sine * math.sin(margin)  # cos(angle + margin)
    further = torch.where(right > -math.cos(margin), further, right - margin * math.sin(margin))
    return F.cross_entropy(scale * cosine.scatter(1, label[:, None], further), label, reduction="none")


def triplet_loss(unit: Tensor, label: Tensor, margin: float, sharpness: float = 16.0) -> Tensor:
    """For each row: how much nearer its nearest stranger is than its farthest fellow, past a margin.

    A row that has no fellow or no stranger in the batch costs nothing, nor does one of label -1, who is unknown.

    Args:
        margin: by which a stranger must be farther than a fellow, as a distance on the sphere (0..2).
        sharpness: of the softplus that bends there.

    Shapes:
        unit: (B, E) of length 1; label: (B,) int64. Returns (B,).

    Source: Schroff et al., 2015, arXiv 1503.03832; the hardest of a batch as in Hermans et al., 2017, arXiv
    1703.07737, eq. 5, with its soft margin (a softplus), whose slope does not vanish.
    """
    known = label >= 0
    both, same = known[:, None] & known, label[:, None] == label  # (B, B)
    fellow = both & same & ~torch.eye(len(label), dtype=torch.bool, device=label.device)
    stranger = both & ~same
    distance = (2 - 2 * _cosines(unit, unit)).clamp_min(TINY).sqrt()
    possible = fellow.any(1) & stranger.any(1)
    farthest = torch.where(possible, distance.masked_fill(~fellow, -math.inf).amax(1), 0.0)
    nearest = torch.where(possible, distance.masked_fill(~stranger, math.inf).amin(1), 0.0)
    return torch.where(possible, F.softplus((farthest - nearest + margin) * sharpness) / sharpness, 0.0)


class KnownCategoryEncoder(nn.Module):
    """An embedding of codes in which those beyond the known ones count as unknown, code 0.

    Args:
        embedding: (codes, mask) to `Tokens`.
        count: how many codes it knows.
    """

    def __init__(self, embedding: nn.Module, count: int) -> None:
        super().__init__()
        self.embedding, self.count = embedding, count
        self.shape = embedding.shape

    def forward(self, codes: Tensor, mask: Tensor) -> Tokens:
        known = mask & (codes < self.count)
        tokens: Tokens = self.embedding(torch.where(known, codes, 0), known)
        return tokens


def _cosines(a: Tensor, b: Tensor) -> Tensor:
    """(A, E) and (B, E) of length 1 to (A, B); in full precision, since half of it has three digits near 1."""
    with torch.autocast(a.device.type, enabled=False):
        return a.float() @ b.float().T
