"""Vectors: lists of numbers, all of one length, as inputs and as answers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np
import polars as pl

from deepglass import metrics
from deepglass.errors import SourceError
from deepglass.features._statistics import rescale, scaled_change, statistics
from deepglass.features.base import Calibration, Column, Feature, Prediction, PredictionArrays, Raw, TypeGuess
from deepglass.metrics.calibration import conformal
from deepglass.metrics.table import METRICS, Metric

if TYPE_CHECKING:
    from torch import Tensor, nn

    from deepglass.nn.explanation_targets import ExplanationTarget
    from deepglass.nn.tokens import Field
_EXPLAINED = 6  # targets of an explanation, at most


@dataclass(frozen=True, kw_only=True)
class Vector(Feature):
    """A vector of fixed length d: an array (N, d), or a list of d numbers in each cell.

    An entry that is NaN, null or infinite is missing on its own; a row without any entry is missing.

    Args:
        confidence_level: the confidence of each entry's interval when it is an answer, in (0, 1).

    Example:
        >>> place = Vector(name="place").fit([np.array([[0.0, 1.0], [2.0, 5.0]])])
        >>> place.mean_
        (1.0, 3.0)
    """

    confidence_level: float = 0.9

    mean_: tuple[float, ...] | None = None
    std_: tuple[float, ...] | None = None
    low_: tuple[float, ...] | None = None
    high_: tuple[float, ...] | None = None

    tabular: ClassVar[bool] = True
    ordered: ClassVar[bool] = True
    metric: ClassVar[Metric | None] = METRICS["r2"]

    @classmethod
    def infer_type(cls, raw: Raw, name: str) -> TypeGuess | None:
        if isinstance(raw, np.ndarray):
            fits = raw.ndim == 2 and raw.shape[1] > 1 and raw.dtype.kind in "biuf"
            return TypeGuess(0.7, f"{raw.shape[1]} numbers a row") if fits else None
        if not isinstance(raw, pl.Series) or raw.dtype not in (pl.List, pl.Array) or not _of_numbers(raw):
            return None
        lengths = _lists(raw).drop_nulls().list.len().unique().to_list()
        if len(lengths) != 1 or lengths[0] == 0:
            return None
        return TypeGuess(0.8, f"lists of {lengths[0]} numbers")

    def fit(self, chunks: Iterable[Raw]) -> Vector:
        parts = [self._rows(raw, None) for raw in chunks if len(raw)]
        size = max((p.shape[1] for p in parts), default=1)
        x = np.concatenate([np.full((1, size), np.nan), *(p for p in parts if p.shape[1] == size)])
        return replace(self, **statistics(x))

    @property
    def cell_axes(self) -> int:
        return 1

    def encode(self, raw: Raw) -> Column:
        """Values (N, d) float32 in the user's units, NaN where an entry is missing."""
        values = self._rows(raw, len(self.mean_)).astype(np.float32)
        return Column(values, np.asarray(~np.isnan(values).all(1)))

    def normalizer(self, scale: str = "standard") -> nn.Module:
        return rescale(self.mean_, self.std_, self.low_, self.high_, scale)

    def encoder(self, dim: int) -> nn.Module:
        from deepglass.nn.encoders_heads import VectorEncoder

        return VectorEncoder(self.normalizer(), len(self.mean_), dim)

    def head(self, dim: int) -> nn.Module:
        from deepglass.nn.encoders_heads import LinearHead

        return LinearHead(dim, [0.0] * len(self.mean_))

    def prediction(self, params: Tensor) -> Prediction:
        return VectorPrediction(params, params.new_tensor(self.mean_), params.new_tensor(self.std_))

    def score(self, best: PredictionArrays, truth: Column, calibration: Calibration | None = None) -> dict[str, float]:
        rows = truth.mask & ~np.isnan(truth.values).any(1)
        true, value = truth.values[rows], best["value"][rows]
        figures = metrics.regression(true, value)
        half = (calibration or {}).get("half_width")
        if half is not None and len(true):
            figures["interval_coverage"] = metrics.interval_coverage(
                true, value - np.array(half), value + np.array(half)
            )
        return figures

    def baseline(self, truth: Column) -> PredictionArrays:
        """The mean."""
        rows = truth.mask & ~np.isnan(truth.values).any(1)
        mean = truth.values[rows].astype(np.float64).mean(0) if rows.any() else np.array(self.mean_)
        return {"value": mean[None]}

    def baseline_loss(self, truth: Column) -> float:
        rows = truth.mask & ~np.isnan(truth.values).any(1)
        if not rows.any():
            return 1.0
        return float((truth.values[rows].astype(np.float64).var(0) / np.array(self.std_) ** 2).mean())

    def check_target(self, truth: Column, source: str) -> None:
        """Raises: SourceError: `constant-target`."""
        known = truth.values[truth.mask]
        if not len(known) or (known == known[0]).all():
            raise SourceError(
                "constant-target", f"{source}: expected different vectors in {self.column!r} of the training rows"
            )

    def calibrate(self, best: PredictionArrays, truth: Column) -> Calibration:
        """The half width of each entry's interval."""
        rows = truth.mask & ~np.isnan(truth.values).any(1)
        residuals = truth.values[rows] - best["value"][rows]
        half = [conformal(residuals[:, k], self.confidence_level) for k in range(len(self.mean_))]
        return {"half_width": half, "confidence_level": self.confidence_level} if all(map(math.isfinite, half)) else {}

    def change_size(self, before: np.ndarray, after: np.ndarray) -> np.ndarray:
        """In standard deviations, the root mean square over entries."""
        return scaled_change(before, after, np.array(self.std_))

    def explanation_target(
        self, prediction: Any, best: Any, decoded: Mapping[str, Any], calibration: Calibration
    ) -> ExplanationTarget:
        """The entries that are farthest from their mean, in standard deviations."""
        from deepglass.nn.explanation_targets import ExplanationTarget

        value = best["value"][0]
        distance = ((value - value.new_tensor(self.mean_)) / value.new_tensor(self.std_)).abs()
        entries = sorted(distance.topk(min(_EXPLAINED, len(distance))).indices.tolist())
        names = tuple(f"entry {k}" for k in entries)
        return ExplanationTarget(names, self.name, lambda p: p.mode()["value"][:, entries])

    def decode(self, best: PredictionArrays, calibration: Calibration | None = None) -> list[dict[str, Any]]:
        """`value`, a list, and where calibrated `low`, `high` and the `confidence` of each entry's interval."""
        value = best["value"].astype(np.float64)
        if not calibration:
            return [{"value": v} for v in value.tolist()]
        half = np.array(calibration["half_width"])
        bounds = zip(value.tolist(), (value - half).tolist(), (value + half).tolist(), strict=True)
        return [
            {"value": v, "low": lo, "high": hi, "confidence": calibration["confidence_level"]} for v, lo, hi in bounds
        ]

    def _rows(self, raw: Raw, size: int | None) -> np.ndarray:
        """(N, d) float64 with NaN for what is missing; d is `size`, or that of the rows."""
        if isinstance(raw, np.ndarray) and raw.ndim == 2 and raw.dtype.kind in "biuf":
            values = raw.astype(np.float64)
        elif isinstance(raw, pl.Series) and raw.dtype in (pl.List, pl.Array) and _of_numbers(raw):
            values = self._from_lists(_lists(raw), size)
        elif isinstance(raw, pl.Series) and raw.dtype == pl.Null:
            values = np.full((len(raw), size or 1), np.nan)
        else:
            came = raw.dtype if isinstance(raw, (pl.Series, np.ndarray)) else "files"
            raise SourceError("bad-value", f"column {self.column!r}: expected lists of numbers, not {came}")
        if size is not None and values.shape[1] != size:
            raise SourceError(
                "bad-value", f"column {self.column!r}: expected {size} numbers a row, not {values.shape[1]}"
            )
        return np.where(np.isfinite(values), values, np.nan)

    def _from_lists(self, lists: pl.Series, size: int | None) -> np.ndarray:
        lengths = lists.list.len()
        known = lengths.is_not_null()
        sizes = lengths.filter(known).unique().to_list()
        size = size or (lengths.filter(known)[0] if sizes else 1)
        if any(s != size for s in sizes):
            row = int(((lengths != size) & known).arg_max())
            raise SourceError(
                "bad-value",
                f"column {self.column!r}, row {row}: expected {size} numbers, as in the others, not {lengths[row]}",
            )
        values = np.full((len(lists), size), np.nan)
        values[known.to_numpy()] = lists.filter(known).explode().cast(pl.Float64).to_numpy().reshape(-1, size)
        return values


class VectorPrediction(Prediction):
    """The most likely vector; params: (B, d), standardised."""

    def __init__(self, params: Tensor, mean: Tensor, std: Tensor) -> None:
        self.params, self.mean, self.std = params, mean, std

    def loss(self, target: Field) -> Tensor:
        """The mean over the entries that are present."""
        present = ~target.values.isnan()
        standard = (target.values.nan_to_num(0.0) - self.mean) / self.std
        squared = (self.params - standard).square() * present
        return squared.sum(-1) / present.sum(-1).clamp_min(1)

    def mode(self) -> dict[str, Tensor]:
        return {"value": self.params.float() * self.std + self.mean}

    def ensemble_mean(self, members: int) -> VectorPrediction:
        mean = self.params.reshape(-1, members, self.params.shape[-1]).mean(1)
        return VectorPrediction(mean, self.mean, self.std)


def _of_numbers(raw: pl.Series) -> bool:
    inner = cast(pl.List, raw.dtype).inner
    return inner.is_numeric() or inner in (pl.Boolean, pl.Null)


def _lists(raw: pl.Series) -> pl.Series:
    return raw.arr.to_list() if raw.dtype == pl.Array else raw
