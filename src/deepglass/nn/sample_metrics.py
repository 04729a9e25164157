"""Quality metrics of generated samples: sliced Wasserstein distance, coverage, mean distance."""

import math

import torch
from torch import Generator, Tensor

NUM_DIRECTIONS = 256
NUM_NEIGHBOURS = 5
MAX_ROWS = 2_000  # of a matrix of pairwise distances


def sliced_wasserstein(real: Tensor, samples: Tensor, directions: int = NUM_DIRECTIONS, seed: int = 0) -> float:
    """Sliced Wasserstein distance of order 2, relative to the standard deviation of the real rows.

    0 for equal distributions, 1 if all samples are the mean of the real rows.

    Shapes:
        real: (N, D); samples: (N, D), float.

    Source: Rabin et al., 2011, "Wasserstein barycenter and its application to texture mixing", eq. 13, order 2.
    """
    projections = torch.randn(real.shape[1], directions, generator=Generator().manual_seed(seed)).to(real)
    mean = real.mean(0)
    a, b = ((rows - mean) @ (projections / projections.norm(dim=0)) for rows in (real, samples))  # (N, directions) each
    squared = (a.sort(0).values - b.sort(0).values).square().mean()
    return math.sqrt(float(squared) / max(float(a.square().mean()), 1e-12))


def density_coverage(real: Tensor, samples: Tensor, neighbours: int = NUM_NEIGHBOURS) -> float:
    """Coverage: share of real rows with a sample within the distance of their k-th real neighbour.

    Shapes:
        real: (N, D); samples: (M, D), float.

    Source: Naeem et al., 2020, arXiv 2002.09797, eq. 10 (coverage).
    """
    real, samples = real[:MAX_ROWS], samples[:MAX_ROWS]
    k = min(neighbours, len(real) - 1)
    if k < 1 or not len(samples):
        return math.nan
    radius = torch.cdist(real, real).kthvalue(k + 1, 1).values  # the nearest is the row itself
    return float((torch.cdist(real, samples).amin(1) <= radius).float().mean())


def mean_distance(rows: Tensor) -> float:
    """Mean distance between two different rows, (N, D) float."""
    rows = rows[:MAX_ROWS]
    count = len(rows)
    return float(torch.cdist(rows, rows).sum()) / (count * (count - 1)) if count > 1 else math.nan
