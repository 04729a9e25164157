"""Per-column statistics and rescaling, shared by vectors and sequences of vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from torch import nn

Numbers = tuple[float, ...]


def statistics(x: np.ndarray) -> dict[str, Any]:
    """`mean_`, `std_`, `low_` and `high_` of each column of (N, d), NaN = missing; a std of 0 is replaced by 1."""
    present = ~np.isnan(x)
    n = np.maximum(present.sum(0), 1)
    mean = np.where(present, x, 0).sum(0) / n
    std = np.sqrt((np.where(present, x - mean, 0) ** 2).sum(0) / n)
    observed = present.any(0)
    low = np.where(observed, np.where(present, x, np.inf).min(0), 0.0)
    high = np.where(observed, np.where(present, x, -np.inf).max(0), 1.0)
    learned = {"mean_": mean, "std_": np.where(std > 0, std, 1.0), "low_": low, "high_": high}
    return {name: tuple(values.tolist()) for name, values in learned.items()}


def rescale(mean: Numbers, std: Numbers, low: Numbers, high: Numbers, scale: str) -> nn.Module:
    """The `Feature.normalizer` of a feature with these statistics."""
    from deepglass.nn.encoders_heads import Rescale

    bottom, top = np.array(low), np.array(high)
    span = np.where(top > bottom, top - bottom, 1.0)
    shift, by = {
        "standard": (np.array(mean), np.array(std)),
        "unit": (bottom, span),
        "signed": (bottom + span / 2, span / 2),
    }[scale]
    return Rescale(shift.tolist(), by.tolist())


def scaled_change(before: np.ndarray, after: np.ndarray, scale: float | np.ndarray) -> np.ndarray:
    """Root mean square of (after - before) / scale over entries, (N,); 0 where all entries are equal.

    Shapes: before: (1, d); after: (N, d); scale: (d,) or one number.
    """
    different = (np.nan_to_num(before) != np.nan_to_num(after)).any(1)
    return np.where(different, np.sqrt(np.square(np.nan_to_num((after - before) / scale)).mean(1)), 0.0)
