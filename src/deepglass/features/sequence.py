"""Sequences of numbers or of vectors, as long as each happens to be."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np
import polars as pl

from deepglass import metrics
from deepglass.errors import SourceError
from deepglass.features._alignment import input_in_line, padded_rows, trimmed
from deepglass.features._statistics import rescale, statistics
from deepglass.features.base import Calibration, Column, Feature, Prediction, PredictionArrays, Raw, TypeGuess
from deepglass.metrics.calibration import conformal
from deepglass.metrics.table import METRICS, Metric

if TYPE_CHECKING:
    from torch import Tensor, nn

    from deepglass.nn.explanation_targets import ExplanationTarget
    from deepglass.nn.sequence_head import SequenceOutput
    from deepglass.nn.tokens import Field

_LONGEST = 512  # steps of an answer that has a length of its own


@dataclass(frozen=True, kw_only=True)
class Sequence(Feature):
    """Numbers or vectors in order: lists of numbers, lists of lists of d numbers, or an array (N, T) or (N, T, d).

    As an answer it goes step by step with an input of the same lengths, where there is one; else it has a length of
    its own, which is found too.

    Args:
        confidence_level: the confidence of each entry's interval when it is an answer, in (0, 1).

    Example:
        >>> heights = Sequence(name="heights").fit([pl.Series([[1.0, 2.0, 3.0], [5.0]])])
        >>> heights.encode(pl.Series([[4.0, 4.0], None])).offsets
        array([0, 2, 2])
    """

    confidence_level: float = 0.9

    mean_: tuple[float, ...] | None = None
    std_: tuple[float, ...] | None = None
    low_: tuple[float, ...] | None = None
    high_: tuple[float, ...] | None = None
    flat_: bool | None = None  # a step is one number, not a list of one
    length_: int | None = None  # of the longest training row
    beside_: str | None = None  # the input that an answer goes step by step with; "" for none

    metric: ClassVar[Metric | None] = METRICS["r2"]
    alignable: ClassVar[bool] = True
    sequential: ClassVar[bool] = True

    @classmethod
    def infer_type(cls, raw: Raw, name: str) -> TypeGuess | None:
        if isinstance(raw, np.ndarray):
            fits = raw.ndim == 3 and raw.dtype.kind == "f" and min(raw.shape[1:]) > 0
            return TypeGuess(0.5, f"{raw.shape[1]} steps of {raw.shape[2]} numbers a row") if fits else None
        depth = _depth(raw)
        if depth == 2:
            return TypeGuess(0.85, "lists of vectors")
        if depth == 1:
            lengths = cast(pl.Series, raw).drop_nulls().list.len().unique().sort().to_list()
            if len(lengths) > 1:
                return TypeGuess(0.8, f"lists of {lengths[0]} to {lengths[-1]} numbers")
            return TypeGuess(0.4, "lists of numbers")
        return None

    def fit(self, chunks: Iterable[Raw]) -> Sequence:
        chunks = list(chunks)
        flat = all(_is_flat(raw) for raw in chunks)
        parts = [self._steps(raw, None) for raw in chunks]
        size = max((v.shape[1] for v, _, _ in parts if len(v)), default=1)
        x = np.concatenate([np.full((1, size), np.nan), *(v for v, _, _ in parts if v.shape[1] == size)])
        longest = max((int(lengths.max(initial=1)) for _, lengths, _ in parts), default=1)
        return replace(self, **statistics(x), flat_=flat, length_=longest, beside_=self.beside_ or "")

    @property
    def cell_axes(self) -> int:
        return 1 if self.flat_ else 2

    def encode(self, raw: Raw) -> Column:
        """Values (total, d) float32 in the user's units, NaN where an entry is missing."""
        values, lengths, known = self._steps(raw, len(self.mean_))
        return Column(values.astype(np.float32), known, np.concatenate([[0], np.cumsum(lengths)]))

    def align_to(self, own: Column, inputs: Mapping[str, Column]) -> Sequence:
        return replace(self, beside_=input_in_line(own, inputs) or "")

    def to_input_frame(self, column: Column, inputs: Mapping[str, Column]) -> Column:
        """As many steps as the input has that it goes with."""
        return trimmed(column, inputs[self.beside_]) if self.beside_ in inputs else column

    def normalizer(self, scale: str = "standard") -> nn.Module:
        return rescale(self.mean_, self.std_, self.low_, self.high_, scale)

    def encoder(self, dim: int) -> nn.Module:
        from deepglass.nn.embeddings import SequenceEncoder

        return SequenceEncoder(self.normalizer(), len(self.mean_), dim)

    def head(self, dim: int) -> nn.Module:
        if self.beside_:
            from deepglass.nn.embeddings import TokenHead

            return TokenHead(dim, len(self.mean_), [0.0] * len(self.mean_))
        from deepglass.nn.sequence_head import SequenceHead

        return SequenceHead(dim, len(self.mean_), min(self.length_, _LONGEST))

    def prediction(self, params: Any) -> Prediction:
        mean, std = params.values.new_tensor(self.mean_), params.values.new_tensor(self.std_)
        if self.beside_:
            return StepsPrediction(params.values.float(), params.mask, mean, std)
        return DrawnPrediction(params, mean, std)

    def score(self, best: PredictionArrays, truth: Column, calibration: Calibration | None = None) -> dict[str, float]:
        """Over the common steps: `r2`, `rmse`, `mae`, `interval_coverage`; `length_accuracy` of free lengths."""
        true, value = self._pairs(best, truth)
        figures = metrics.regression(true, value)
        half = (calibration or {}).get("half_width")
        if half is not None and len(true):
            figures["interval_coverage"] = metrics.interval_coverage(
                true, value - np.array(half), value + np.array(half)
            )
        if not self.beside_ and truth.mask.any():
            lengths = np.diff(truth.offsets)[truth.mask]
            figures["length_accuracy"] = float(np.mean(best["mask"][truth.mask].sum(1) == lengths))
        return figures

    def baseline(self, truth: Column) -> PredictionArrays:
        """The mean at each step."""
        length = int((np.diff(truth.offsets) * truth.mask).max(initial=1))
        value = np.tile(np.array(self.mean_), (1, length, 1))
        return {"value": value, "mask": np.ones((1, length), bool)}

    def check_target(self, truth: Column, source: str) -> None:
        """Raises: SourceError: `constant-target`."""
        if not len(truth.values) or (truth.values == truth.values[0]).all():
            raise SourceError(
                "constant-target", f"{source}: expected different numbers in {self.column!r} of the training rows"
            )

    def calibrate(self, best: PredictionArrays, truth: Column) -> Calibration:
        """The half width of each entry's interval, whatever the step."""
        true, value = self._pairs(best, truth)
        half = [conformal(true[:, k] - value[:, k], self.confidence_level) for k in range(len(self.mean_))]
        return {"half_width": half, "confidence_level": self.confidence_level} if all(map(math.isfinite, half)) else {}

    def explanation_target(
        self, prediction: Any, best: Any, decoded: Mapping[str, Any], calibration: Calibration
    ) -> ExplanationTarget:
        """The mean over the steps."""
        import torch

        from deepglass.nn.explanation_targets import ExplanationTarget

        steps = torch.nonzero(best["mask"][0])[:, 0]

        def mean(prediction: Any) -> Tensor:
            values = prediction.mode()["value"][:, steps].flatten(1)
            return values.sum(1, keepdim=True) / max(steps.numel(), 1)

        return ExplanationTarget(("mean of the steps",), self.name, mean)

    def decode(self, best: PredictionArrays, calibration: Calibration | None = None) -> list[dict[str, Any]]:
        """`value`, a list a row, and where calibrated `low`, `high` and the `confidence` of each entry's interval."""
        answers = []
        for value, mask in zip(best["value"].astype(np.float64), best["mask"], strict=True):
            steps = value[mask]
            answer: dict[str, Any] = {"value": self._listed(steps)}
            if calibration:
                half = np.array(calibration["half_width"])
                answer |= {"low": self._listed(steps - half), "high": self._listed(steps + half)}
                answer["confidence"] = calibration["confidence_level"]
            answers.append(answer)
        return answers

    def _listed(self, steps: np.ndarray) -> list[Any]:
        return steps[:, 0].tolist() if self.flat_ else steps.tolist()

    def _pairs(self, best: PredictionArrays, truth: Column) -> tuple[np.ndarray, np.ndarray]:
        """Truth and answer (n, d) of the steps that both have."""
        values, mask = padded_rows(truth, best["mask"].shape[1])
        both = mask & best["mask"]
        true, value = values[both], best["value"][both]
        whole = ~np.isnan(true).any(1)
        return true[whole], value[whole]

    def _steps(self, raw: Raw, size: int | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Values (total, d) float64, lengths (N,) and which rows are known (N,)."""
        if isinstance(raw, np.ndarray) and raw.ndim in (2, 3) and raw.dtype.kind in "biuf":
            known = np.asarray(~np.isnan(raw.reshape(len(raw), -1).astype(np.float64)).all(1))
            values = raw[known].astype(np.float64).reshape(-1, raw.shape[2] if raw.ndim == 3 else 1)
            lengths = np.where(known, raw.shape[1], 0).astype(np.int64)
        elif (depth := _depth(raw)) is not None:
            series = cast(pl.Series, raw) if depth else cast(pl.Series, raw).cast(pl.List(pl.Float64))
            known = series.is_not_null().to_numpy()
            lengths = series.list.len().fill_null(0).to_numpy().astype(np.int64)
            steps = series.explode(empty_as_null=False)
            steps = steps.filter(np.repeat(known, np.maximum(lengths, ~known)))  # a null row is one null
            values = _matrix(steps, depth, size, self.column)
        else:
            came = raw.dtype if isinstance(raw, pl.Series | np.ndarray) else type(raw).__name__
            raise SourceError("bad-value", f"column {self.column!r}: expected lists of numbers, got {came}")
        if size is not None and len(values) and values.shape[1] != size:
            raise SourceError(
                "bad-value", f"column {self.column!r}: expected {size} numbers a step, got {values.shape[1]}"
            )
        values = np.where(np.isfinite(values), values, np.nan)
        return values if len(values) or size is None else np.zeros((0, size)), lengths, known


class StepsPrediction(Prediction):
    """A vector a step of the input, each entry with a fixed-scale Normal around it.

    Shapes:
        values: (B, T, d) standardised; mask: (B, T).
    """

    def __init__(self, values: Tensor, mask: Tensor, mean: Tensor, std: Tensor) -> None:
        self.values, self.mask, self.mean, self.std = values, mask, mean, std

    def loss(self, target: Field) -> Tensor:
        """The mean squared error of a row's entries, in training deviations."""
        T = min(self.values.shape[1], target.values.shape[1])
        true = (target.values[:, :T] - self.mean) / self.std
        present = target.mask[:, :T, None] & ~true.isnan()
        error = (self.values[:, :T] - true.nan_to_num(0.0)).square() * present
        return error.flatten(1).sum(1) / present.flatten(1).sum(1).clamp_min(1)

    def mode(self) -> dict[str, Tensor]:
        return {"value": self.values * self.std + self.mean, "mask": self.mask}

    def ensemble_mean(self, members: int) -> StepsPrediction:
        values = self.values.view(-1, members, *self.values.shape[1:]).mean(1)
        return StepsPrediction(values, self.mask.view(-1, members, self.mask.shape[1])[:, 0], self.mean, self.std)


class DrawnPrediction(Prediction):
    """A sequence of its own length; params: `nn.series.Drawn`."""

    def __init__(self, params: SequenceOutput, mean: Tensor, std: Tensor) -> None:
        self.values, self.goes_on, self.mean, self.std = params.values.float(), params.goes_on.float(), mean, std

    def loss(self, target: Field) -> Tensor:
        """The steps' mean squared error in training deviations, and the cross-entropy of where it ends, a place."""
        from torch.nn import functional as F

        L = self.values.shape[1]
        T = min(L, target.values.shape[1])
        steps = StepsPrediction(self.values, target.mask, self.mean, self.std).loss(target)
        there = F.pad(target.mask[:, :T].float(), (0, L - T))
        return steps + F.binary_cross_entropy_with_logits(self.goes_on, there, reduction="none").mean(1)

    def mode(self) -> dict[str, Tensor]:
        mask = (self.goes_on > 0).int().cumprod(1).bool()  # it ends where it first does not go on
        return {"value": self.values * self.std + self.mean, "mask": mask}

    def ensemble_mean(self, members: int) -> DrawnPrediction:
        from deepglass.nn.sequence_head import SequenceOutput

        L = self.goes_on.shape[1]
        values = self.values.view(-1, members, *self.values.shape[1:]).mean(1)
        return DrawnPrediction(SequenceOutput(values, self.goes_on.view(-1, members, L).mean(1)), self.mean, self.std)


def _depth(raw: Raw) -> int | None:
    """How deep lists of numbers are, 1 or 2; 0 for nothing but missing ones; None for anything else."""
    if not isinstance(raw, pl.Series):
        return None
    dtype, depth = raw.dtype, 0
    if dtype == pl.Null:
        return 0
    while isinstance(dtype, pl.List | pl.Array):
        dtype, depth = cast(pl.DataType, dtype.inner), depth + 1
    return depth if depth in (1, 2) and (dtype.is_numeric() or dtype in (pl.Null, pl.Boolean)) else None


def _is_flat(raw: Raw) -> bool:
    return raw.ndim == 2 if isinstance(raw, np.ndarray) else _depth(raw) in (0, 1)


def _matrix(steps: pl.Series, depth: int, size: int | None, column: str) -> np.ndarray:
    """Steps as (total, d) float64."""
    if depth < 2:
        return steps.cast(pl.Float64).to_numpy().reshape(-1, 1)
    vectors = steps.cast(pl.List(pl.Float64))
    widths = vectors.list.len().fill_null(0).unique().sort().to_list()
    if len(widths) > 1:
        found = f"from {widths[0]} to {widths[-1]}"
        raise SourceError("bad-value", f"column {column!r}: expected steps of one number of entries, got {found}")
    width = widths[0] if widths else size or 1
    return vectors.explode(empty_as_null=False).to_numpy().astype(np.float64).reshape(-1, max(width, 1))
