"""Helpers of metrics."""

import math

import numpy as np


def f64(values: np.ndarray) -> np.ndarray:
    """Values in double precision."""
    return values.astype(np.float64, copy=False)


def finite(**values: float) -> dict[str, float]:
    """The metrics that are defined on the rows."""
    return {name: value for name, value in values.items() if math.isfinite(value)}
