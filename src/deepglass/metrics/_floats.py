"""What figures share."""

from __future__ import annotations

import math

import numpy as np


def f64(values: np.ndarray) -> np.ndarray:
    """In double precision."""
    return values.astype(np.float64, copy=False)


def finite(**figures: float) -> dict[str, float]:
    """The figures that the rows can give."""
    return {name: value for name, value in figures.items() if math.isfinite(value)}
