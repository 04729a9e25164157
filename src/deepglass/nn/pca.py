"""Principal directions: along which points of a space differ most."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Generator, Tensor

EXACT = 512  # dimensions up to which the covariance is taken apart whole
LOOKED_AT = 4_000  # rows that a wider space is looked at by
BESIDE, TURNS = 10, 4  # further random directions, and how often they are turned towards the data


@dataclass(frozen=True)
class PrincipalAxes:
    """Directions of a space, the one along which points differ most first.

    Args:
        kept: the share of the variance that they hold.

    Shapes:
        mean: (D,); directions: (K, D), orthonormal.
    """

    mean: np.ndarray
    directions: np.ndarray
    kept: float

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Points (N, D) along these directions, (N, K) float32."""
        return ((points - self.mean) @ self.directions.T).astype(np.float32)


def fit_pca(points: np.ndarray, count: int = 2) -> PrincipalAxes:
    """The first principal directions of points; each one's largest part is positive.

    Wide spaces are looked at through some rows and random directions, always the same.

    Shapes:
        points: (N, D) float, finite, N at least 1; the result has min(count, D) directions.

    Source: Halko, Martinsson and Tropp 2011, arXiv 0909.4061, algorithm 4.4.
    """
    whole = torch.as_tensor(np.asarray(points, np.float32))
    mean = whole.mean(0)
    count = min(count, whole.shape[1])
    if whole.shape[1] <= EXACT:
        centred = whole - mean
        squares, vectors = torch.linalg.eigh((centred.T @ centred).double())
        squares, directions = squares.flip(0).clamp_min(0), vectors.T.flip(0)[:count].float()
        total = float(squares.sum())
    else:
        some = torch.linspace(0, len(whole) - 1, min(LOOKED_AT, len(whole))).long().unique()
        centred = whole[some] - mean
        directions, squares = _sketched(centred, count)
        total = float(centred.double().square().sum())
    largest = directions.gather(1, directions.abs().argmax(1, keepdim=True))
    directions = directions * torch.where(largest < 0, -1.0, 1.0)
    kept = float(squares[:count].sum()) / total if total > 0 else 1.0
    return PrincipalAxes(mean.numpy(), directions.numpy(), kept)


def _sketched(centred: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Directions (count, D) and the squares that they hold; directions that no row has are zero."""
    wide = min(count + BESIDE, *centred.shape)
    found = torch.randn(centred.shape[1], wide, generator=Generator().manual_seed(0))
    for _ in range(TURNS):
        found = torch.linalg.qr(centred.T @ torch.linalg.qr(centred @ found)[0])[0]
    seen = (centred @ found).double()
    squares, turned = torch.linalg.eigh(seen.T @ seen)
    directions = torch.zeros(count, centred.shape[1])
    best = turned.flip(1)[:, :count].float().T @ found.T
    directions[: len(best)] = best
    return directions, squares.flip(0).clamp_min(0)
