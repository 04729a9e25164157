"""Principal directions: along which points of a space differ most."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

EXACT = 512  # dimensions up to which the covariance is taken apart whole
LOOKED_AT = 4_000  # rows that a wider space is looked at by
BESIDE, TURNS = 10, 4  # further random directions, and how often they are turned towards the data


@dataclass(frozen=True)
class Axes:
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


def principal(points: np.ndarray, count: int = 2) -> Axes:
    """The first principal directions of points; each one's largest part is positive.

    Wide spaces are looked at through some rows and random directions, always the same.

    Shapes:
        points: (N, D) float, finite, N at least 1; the result has min(count, D) directions.

    Source: Halko, Martinsson and Tropp 2011, arXiv 0909.4061, algorithm 4.4.
    """
    points = np.asarray(points, np.float32)
    mean = points.mean(0)
    count = min(count, points.shape[1])
    if points.shape[1] <= EXACT:
        centred = points - mean
        spread, vectors = np.linalg.eigh((centred.T @ centred).astype(np.float64))
        spread, directions = spread[::-1], vectors.T[::-1][:count]
        total = spread.clip(0).sum()
        held = spread[:count].clip(0).sum()
    else:
        some = np.unique(np.linspace(0, len(points) - 1, min(LOOKED_AT, len(points))).astype(int))
        centred = points[some] - mean
        directions, held = _sketched(centred, count)
        total = float((centred.astype(np.float64) ** 2).sum())
    signs = np.sign(directions[np.arange(count), np.abs(directions).argmax(1)])
    directions = (directions * np.where(signs == 0, 1, signs)[:, None]).astype(np.float32)
    return Axes(mean, directions, float(held / total) if total > 0 else 1.0)


def _sketched(centred: np.ndarray, count: int) -> tuple[np.ndarray, float]:
    """Directions (count, D) and the squares that they hold."""
    wide = min(count + BESIDE, *centred.shape)
    found = np.random.default_rng(0).standard_normal((centred.shape[1], wide), dtype=np.float32)
    for _ in range(TURNS):
        found, _ = np.linalg.qr(centred.T @ np.linalg.qr(centred @ found)[0])
    _, spread, turned = np.linalg.svd(centred @ found, full_matrices=False)
    directions = np.zeros((count, centred.shape[1]))
    directions[: len(turned)] = (turned @ found.T)[:count]
    return directions, float((spread[:count].astype(np.float64) ** 2).sum())
