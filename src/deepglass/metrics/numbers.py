"""Regression metrics, and the Frechet distance between two samples.

r2(truth, predicted)                   truth and predicted: (N,) or (N, D) float
"""

import math

import numpy as np


def f64(values: np.ndarray) -> np.ndarray:
    """Values in double precision."""
    return values.astype(np.float64, copy=False)


def finite(**values: float) -> dict[str, float]:
    """The metrics that are defined on the rows."""
    return {name: value for name, value in values.items() if math.isfinite(value)}


def mse(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Mean squared error, in squared units of the target."""
    return float(np.mean((f64(truth) - f64(predicted)) ** 2)) if len(truth) else math.nan


def rmse(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Root mean squared error, in units of the target."""
    return math.sqrt(mse(truth, predicted))


def mae(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Mean absolute error, in units of the target."""
    return float(np.mean(np.abs(f64(truth) - f64(predicted)))) if len(truth) else math.nan


def r2(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Coefficient of determination; of several columns, the mean over the columns that vary."""
    truth, predicted = f64(truth), f64(predicted)
    if len(truth) < 2:
        return math.nan
    total = ((truth - truth.mean(0)) ** 2).sum(0)
    error = ((truth - predicted) ** 2).sum(0)
    spread = total > 0
    return float(np.mean(1 - error[spread] / total[spread])) if spread.any() else math.nan


def interval_coverage(truth: np.ndarray, low: np.ndarray, high: np.ndarray) -> float:
    """Share of rows with the target inside the interval."""
    return float(np.mean((f64(truth) >= low) & (f64(truth) <= high))) if len(truth) else math.nan


def regression(truth: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """All regression metrics; arrays (N,) or (N, D)."""
    return finite(
        r2=r2(truth, predicted), rmse=rmse(truth, predicted), mae=mae(truth, predicted), mse=mse(truth, predicted)
    )


def frechet_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Squared Frechet distance between the Normals fitted to two samples.

    On features of a network it compares generated with real images (FID); samples should have more rows than columns.

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
    trace_root = np.sqrt(np.linalg.eigvalsh(root @ second @ root).clip(0)).sum()
    mean_distance = ((a.mean(0) - b.mean(0)) ** 2).sum()
    return float(max(mean_distance + first.trace() + second.trace() - 2 * trace_root, 0.0))
