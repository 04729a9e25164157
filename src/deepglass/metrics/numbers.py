"""Answers that are numbers, and heaps of them.

r2(truth, predicted)                   truth and predicted: (N,) or (N, D) float
"""

from __future__ import annotations

import math

import numpy as np

from deepglass.metrics._floats import f64, finite


def mse(truth: np.ndarray, predicted: np.ndarray) -> float:
    """The mean squared error, in the truth's unit squared."""
    return float(np.mean((f64(truth) - f64(predicted)) ** 2)) if len(truth) else math.nan


def rmse(truth: np.ndarray, predicted: np.ndarray) -> float:
    """The root of the mean squared error, in the truth's unit."""
    return math.sqrt(mse(truth, predicted))


def mae(truth: np.ndarray, predicted: np.ndarray) -> float:
    """The mean absolute error, in the truth's unit."""
    return float(np.mean(np.abs(f64(truth) - f64(predicted)))) if len(truth) else math.nan


def r2(truth: np.ndarray, predicted: np.ndarray) -> float:
    """One minus the squared error over that of these rows' mean; of several columns, the mean of theirs."""
    truth, predicted = f64(truth), f64(predicted)
    if len(truth) < 2:
        return math.nan
    total = ((truth - truth.mean(0)) ** 2).sum(0)
    error = ((truth - predicted) ** 2).sum(0)
    spread = total > 0
    return float(np.mean(1 - error[spread] / total[spread])) if spread.any() else math.nan


def interval_coverage(truth: np.ndarray, low: np.ndarray, high: np.ndarray) -> float:
    """The share of rows whose truth lies within the interval that was given."""
    return float(np.mean((f64(truth) >= low) & (f64(truth) <= high))) if len(truth) else math.nan


def regression(truth: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """All figures for numbers; (N,) or (N, D)."""
    return finite(
        r2=r2(truth, predicted), rmse=rmse(truth, predicted), mae=mae(truth, predicted), mse=mse(truth, predicted)
    )


def frechet_distance(a: np.ndarray, b: np.ndarray) -> float:
    """How far two heaps of rows are apart, each taken for a Normal with its own mean and covariance; squared.

    Of a network's features it tells how well drawn pictures fit real ones; a heap should have more rows than columns.

    Shapes:
        a: (N, D); b: (M, D), float.

    Source: Frechet, 1957; of features, Heusel et al., 2017, arXiv 1706.08500, eq. 6.
    """
    a, b = f64(a), f64(b)
    if len(a) < 2 or len(b) < 2:
        return math.nan
    first, second = (np.atleast_2d(np.cov(rows, rowvar=False)) for rows in (a, b))
    values, vectors = np.linalg.eigh(first)
    root = vectors * np.sqrt(values.clip(0)) @ vectors.T
    # tr sqrt(first second) = tr sqrt(root second root), which is symmetric
    shared = np.sqrt(np.linalg.eigvalsh(root @ second @ root).clip(0)).sum()
    apart = ((a.mean(0) - b.mean(0)) ** 2).sum()
    return float(max(apart + first.trace() + second.trace() - 2 * shared, 0.0))
