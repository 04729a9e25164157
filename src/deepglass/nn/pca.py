"""Principal component analysis (PCA), randomised for wide data."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Generator, Tensor

MAX_EXACT_DIM = 512  # larger dimensions use the randomised method
MAX_ROWS = 4_000  # of the randomised method
OVERSAMPLING, POWER_ITERATIONS = 10, 4


@dataclass(frozen=True)
class PrincipalAxes:
    """Fitted principal axes, the one of the largest variance first.

    Args:
        explained: share of the variance along the axes.

    Shapes:
        mean: (D,); directions: (K, D), orthonormal.
    """

    mean: np.ndarray
    directions: np.ndarray
    explained: float

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Coordinates of points (N, D) along the axes, (N, K) float32."""
        return ((points - self.mean) @ self.directions.T).astype(np.float32)


def fit_pca(points: np.ndarray, count: int = 2) -> PrincipalAxes:
    """First principal axes of points; the largest component of each is positive.

    Wide data use a subset of rows and a randomised range finder with a fixed seed.

    Shapes:
        points: (N, D) float, finite, N at least 1; the result has min(count, D) directions.

    Source: Halko, Martinsson and Tropp 2011, arXiv 0909.4061, algorithm 4.4.
    """
    whole = torch.as_tensor(np.asarray(points, np.float32))
    mean = whole.mean(0)
    count = min(count, whole.shape[1])
    if whole.shape[1] <= MAX_EXACT_DIM:
        centred = whole - mean
        squares, vectors = torch.linalg.eigh((centred.T @ centred).double())
        squares, directions = squares.flip(0).clamp_min(0), vectors.T.flip(0)[:count].float()
        total = float(squares.sum())
    else:
        rows = torch.linspace(0, len(whole) - 1, min(MAX_ROWS, len(whole))).long().unique()
        centred = whole[rows] - mean
        directions, squares = _randomised(centred, count)
        total = float(centred.double().square().sum())
    largest = directions.gather(1, directions.abs().argmax(1, keepdim=True))
    directions = directions * torch.where(largest < 0, -1.0, 1.0)
    explained = float(squares[:count].sum()) / total if total > 0 else 1.0
    return PrincipalAxes(mean.numpy(), directions.numpy(), explained)


def _randomised(centred: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Axes (count, D) and their squared singular values; missing directions are zero."""
    wide = min(count + OVERSAMPLING, *centred.shape)
    basis = torch.randn(centred.shape[1], wide, generator=Generator().manual_seed(0))
    for _ in range(POWER_ITERATIONS):
        basis = torch.linalg.qr(centred.T @ torch.linalg.qr(centred @ basis)[0])[0]
    projected = (centred @ basis).double()
    squares, rotation = torch.linalg.eigh(projected.T @ projected)
    directions = torch.zeros(count, centred.shape[1])
    best = rotation.flip(1)[:, :count].float().T @ basis.T
    directions[: len(best)] = best
    return directions, squares.flip(0).clamp_min(0)
