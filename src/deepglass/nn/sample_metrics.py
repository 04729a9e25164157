"""How far two heaps of rows are from each other, and how varied one is; for what has been drawn beside what is real."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor

DIRECTIONS = 256
NEIGHBOURS = 5
AT_ONCE = 2_000  # rows between which distances are taken


def sliced_wasserstein(real: Tensor, drawn: Tensor, directions: int = DIRECTIONS, seed: int = 0) -> float:
    """How far drawn rows must be moved along lines in random directions until they lie as the real ones do.

    In units of the real rows' own spread: 0 where both lie alike, 1 where all that is drawn is the real rows' mean.

    Shapes:
        real: (N, D); drawn: (N, D), float.

    Source: Rabin et al., 2011, "Wasserstein barycenter and its application to texture mixing", eq. 13, order 2.
    """
    lines = torch.randn(real.shape[1], directions, generator=Generator().manual_seed(seed)).to(real)
    shift = real.mean(0)
    a, b = ((rows - shift) @ (lines / lines.norm(dim=0)) for rows in (real, drawn))  # (N, directions) each
    moved = (a.sort(0).values - b.sort(0).values).square().mean()
    return math.sqrt(float(moved) / max(float(a.square().mean()), 1e-12))


def covered(real: Tensor, drawn: Tensor, neighbours: int = NEIGHBOURS) -> float:
    """The share of real rows that a drawn one is as near to as their own fifth neighbour among the real ones.

    Shapes:
        real: (N, D); drawn: (M, D), float.

    Source: Naeem et al., 2020, arXiv 2002.09797, eq. 10 (coverage).
    """
    real, drawn = real[:AT_ONCE], drawn[:AT_ONCE]
    k = min(neighbours, len(real) - 1)
    if k < 1 or not len(drawn):
        return math.nan
    reach = torch.cdist(real, real).kthvalue(k + 1, 1).values  # each row is its own nearest
    return float((torch.cdist(real, drawn).amin(1) <= reach).float().mean())


def variety(rows: Tensor) -> float:
    """The mean distance between two different rows; rows: (N, D) float."""
    rows = rows[:AT_ONCE]
    count = len(rows)
    return float(torch.cdist(rows, rows).sum()) / (count * (count - 1)) if count > 1 else math.nan
