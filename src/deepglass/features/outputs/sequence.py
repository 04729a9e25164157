"""Predicts a sequence of numbers or vectors, aligned with an input of the same lengths or of free length."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from deepglass import metrics
from deepglass.errors import SourceError
from deepglass.features._alignment import input_in_line, padded_rows, trimmed
from deepglass.features.base import Column, Raw
from deepglass.features.outputs.base import Calibration, Output, Prediction, PredictionArrays
from deepglass.features.sequence import Sequence
from deepglass.metrics.calibration import conformal
from deepglass.metrics.table import METRICS, Metric

if TYPE_CHECKING:
    from torch import Tensor, nn

    from deepglass.nn.explanation_targets import ExplanationTarget
    from deepglass.nn.sequence_head import SequenceParams
    from deepglass.nn.tokens import Field

_LONGEST = 512  # steps of an answer that has a length of its own


@dataclass(frozen=True, kw_only=True)
class SequenceOutput(Sequence, Output):
    """Predicts a sequence of numbers or vectors, aligned with an input of the same lengths or of free length.

    Args:
        confidence_level: the confidence of each entry's interval, in (0, 1).
    """

    confidence_level: float = 0.9

    aligned_input_: str | None = None  # name of the input with one step for each; "" for none

    metric: ClassVar[Metric] = METRICS["r2"]
    alignable: ClassVar[bool] = True

    def fit(self, chunks: Iterable[Raw]) -> Self:
        return replace(super().fit(chunks), aligned_input_=self.aligned_input_ or "")

    def align_to(self, own: Column, inputs: Mapping[str, Column]) -> Self:
        return replace(self, aligned_input_=input_in_line(own, inputs) or "")

    def to_input_frame(self, column: Column, inputs: Mapping[str, Column]) -> Column:
        """As many steps as the input has that it goes with."""
        return trimmed(column, inputs[self.aligned_input_]) if self.aligned_input_ in inputs else column

    def head(self, dim: int) -> nn.Module:
        if self.aligned_input_:
            from deepglass.nn.embeddings import TokenHead

            return TokenHead(dim, len(self.mean_), [0.0] * len(self.mean_))
        from deepglass.nn.sequence_head import SequenceHead

        return SequenceHead(dim, len(self.mean_), min(self.length_, _LONGEST))

    def prediction(self, params: Any) -> Prediction:
        mean, std = params.values.new_tensor(self.mean_), params.values.new_tensor(self.std_)
        if self.aligned_input_:
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
        if not self.aligned_input_ and truth.mask.any():
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
    """A sequence of its own length; params: `nn.series.SequenceParams`."""

    def __init__(self, params: SequenceParams, mean: Tensor, std: Tensor) -> None:
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
        from deepglass.nn.sequence_head import SequenceParams

        L = self.goes_on.shape[1]
        values = self.values.view(-1, members, *self.values.shape[1:]).mean(1)
        return DrawnPrediction(SequenceParams(values, self.goes_on.view(-1, members, L).mean(1)), self.mean, self.std)
