"""Per-column statistics and rescaling, shared by vectors and sequences of vectors."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from deepglass.features.base import Feature, Raw

if TYPE_CHECKING:
    from torch import nn

MAX_VALUE = float(np.finfo(np.float32).max) / 4  # the sum and the difference of two are finite in float32
MAX_DISTANCE = 1e15  # from the centre, in scales: larger values are errors, and the square still fits float32


def too_large(values: np.ndarray, center: Any, scale: Any) -> np.ndarray:
    """Which finite values float32 cannot hold, or are so far from the others that they are errors."""
    with np.errstate(over="ignore", invalid="ignore"):
        far = (np.abs(values) >= MAX_VALUE) | (np.abs(values - center) >= MAX_DISTANCE * np.asarray(scale))
    return np.isfinite(values) & far


def anomaly_counts(values: np.ndarray, center: Any, scale: Any) -> dict[str, int]:
    """Counts of values that are encoded as missing, for `Feature.count_anomalies`."""
    counts = {"infinite": np.isinf(values).sum(), "too large": too_large(values, center, scale).sum()}
    return {anomaly: int(n) for anomaly, n in counts.items() if n}


def statistics(x: np.ndarray) -> dict[str, Any]:
    """`mean_`, `std_`, `low_` and `high_` of each column of (N, d) without infinite and too large values.

    NaN = missing; a std of 0 is replaced by 1.
    """
    present = np.abs(np.nan_to_num(x, nan=np.inf)) < MAX_VALUE
    n = np.maximum(present.sum(0), 1)
    mean = np.where(present, x, 0).sum(0) / n
    std = np.sqrt((np.where(present, x - mean, 0) ** 2).sum(0) / n)
    observed = present.any(0)
    low = np.where(observed, np.where(present, x, np.inf).min(0), 0.0)
    high = np.where(observed, np.where(present, x, -np.inf).max(0), 1.0)
    learned = {"mean_": mean, "std_": np.where(std > 0, std, 1.0), "low_": low, "high_": high}
    return {name: tuple(values.tolist()) for name, values in learned.items()}


def scaling(scale: str, mean: Any, std: Any, low: Any, span: Any) -> tuple[Any, Any]:
    """Shift and divisor of a `Feature.normalizer`: "standard", "unit" (`low` to `low + span`) or "signed"."""
    return {"standard": (mean, std), "unit": (low, span), "signed": (low + span / 2, span / 2)}[scale]


@dataclass(frozen=True, kw_only=True)
class VectorFeature(Feature):
    """A kind of vectors, or of sequences of vectors, with statistics of each entry."""

    mean_: tuple[float, ...] | None = None
    std_: tuple[float, ...] | None = None
    low_: tuple[float, ...] | None = None
    high_: tuple[float, ...] | None = None

    @abstractmethod
    def vectors(self, raw: Raw) -> np.ndarray:
        """All vectors of a column, (n, d) float64, with NaN for missing entries."""

    def count_anomalies(self, raw: Raw) -> dict[str, int]:
        return anomaly_counts(self.vectors(raw), self.mean_, self.std_)

    def encoded(self, vectors: np.ndarray) -> np.ndarray:
        """float32, NaN for entries that are infinite or too large."""
        bad = np.isinf(vectors) | too_large(vectors, self.mean_, self.std_)
        return np.where(bad, np.nan, vectors).astype(np.float32)

    def normalizer(self, scale: str = "standard") -> nn.Module:
        from deepglass.nn.encoders_heads import Rescale

        low, high = np.array(self.low_), np.array(self.high_)
        span = np.where(high > low, high - low, 1.0)
        shift, by = scaling(scale, np.array(self.mean_), np.array(self.std_), low, span)
        return Rescale(shift.tolist(), by.tolist())


def scaled_change(before: np.ndarray, after: np.ndarray, scale: float | np.ndarray) -> np.ndarray:
    """Root mean square of (after - before) / scale over entries, (N,); 0 where all entries are equal.

    Shapes: before: (1, d); after: (N, d); scale: (d,) or one number.
    """
    different = (np.nan_to_num(before) != np.nan_to_num(after)).any(1)
    return np.where(different, np.sqrt(np.square(np.nan_to_num((after - before) / scale)).mean(1)), 0.0)
