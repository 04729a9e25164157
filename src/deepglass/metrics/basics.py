"""What the modules of metrics share: double precision, metrics that are defined, errors of binned confidences."""

import math

import numpy as np


def f64(values: np.ndarray) -> np.ndarray:
    """Values in double precision."""
    return values.astype(np.float64, copy=False)


def finite(**values: float) -> dict[str, float]:
    """The metrics that are defined on the rows."""
    return {name: value for name, value in values.items() if math.isfinite(value)}


def binned_error(
    confidence: np.ndarray, correct: np.ndarray, bins: int = 15, weights: np.ndarray | None = None
) -> float:
    """Mean distance between confidence and accuracy over bins of equal width, weighted by their rows."""
    bin_of = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)  # bins are open on the left
    distance = correct - confidence if weights is None else (correct - confidence) * weights
    gap = np.bincount(bin_of, weights=distance, minlength=bins)
    return float(np.abs(gap).sum() / (len(correct) if weights is None else weights.sum()))
