"""Predicts a sequence of numbers or vectors, aligned with an input of the same lengths or of free length."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from deepglass.features._alignment import find_aligned_input, pad_rows, trim_to_input
from deepglass.features.base import Column, Raw
from deepglass.features.outputs._intervals import RegressionOutput
from deepglass.features.outputs.base import Calibration, PredictedRow, Prediction, PredictionArrays
from deepglass.features.sequence import Sequence

if TYPE_CHECKING:
    from torch import Tensor, nn

    from deepglass.nn.explanation_targets import ExplanationTarget
    from deepglass.nn.sequence_decoders import SequenceParams
    from deepglass.nn.tokens import Field

_MAX_STEPS = 512  # of a prediction of free length


@dataclass(frozen=True, kw_only=True)
class SequenceOutput(Sequence, RegressionOutput):
    """Predicts a sequence of numbers or vectors, aligned with an input of the same lengths or of free length."""

    aligned_input_: str | None = None  # name of the aligned input; "" for free length

    alignable: ClassVar[bool] = True

    def fit(self, chunks: Iterable[Raw]) -> Self:
        return replace(super().fit(chunks), aligned_input_=self.aligned_input_ or "")

    def align_to(self, target: Column, inputs: Mapping[str, Column]) -> Self:
        return replace(self, aligned_input_=find_aligned_input(target, inputs) or "")

    def to_input_frame(self, column: Column, inputs: Mapping[str, Column]) -> Column:
        """Trimmed to the steps of the aligned input."""
        return trim_to_input(column, inputs[self.aligned_input_]) if self.aligned_input_ in inputs else column

    def head(self, dim: int) -> nn.Module:
        if self.aligned_input_:
            from deepglass.nn.embeddings import TokenHead

            return TokenHead(dim, len(self.mean_), [0.0] * len(self.mean_))
        from deepglass.nn.sequence_decoders import SequenceHead

        return SequenceHead(dim, len(self.mean_), min(self.length_, _MAX_STEPS))

    def prediction(self, params: Any) -> Prediction:
        mean, std = params.values.new_tensor(self.mean_), params.values.new_tensor(self.std_)
        if self.aligned_input_:
            return AlignedPrediction(params.values.float(), params.mask, mean, std)
        return FreeLengthPrediction(params, mean, std)

    def score(self, mode: PredictionArrays, truth: Column, calibration: Calibration | None = None) -> dict[str, float]:
        """Over the common steps; also `length_accuracy` for free lengths."""
        scores = super().score(mode, truth, calibration)
        if not self.aligned_input_ and truth.mask.any():
            lengths = np.diff(truth.offsets)[truth.mask]
            scores["length_accuracy"] = float(np.mean(mode["mask"][truth.mask].sum(1) == lengths))
        return scores

    def baseline(self, truth: Column) -> PredictionArrays:
        """The mean at each step."""
        length = int((np.diff(truth.offsets) * truth.mask).max(initial=1))
        value = np.tile(np.array(self.mean_), (1, length, 1))
        return {"value": value, "mask": np.ones((1, length), bool)}

    def check_target(self, truth: Column, source: str) -> None:
        """Raises: SourceError: `constant-target`."""
        if not len(truth.values) or (truth.values == truth.values[0]).all():
            raise self.target_error("constant-target", source, "different numbers")

    def explanation_target(self, row: PredictedRow) -> ExplanationTarget:
        """The mean over the steps."""
        import torch

        from deepglass.nn.explanation_targets import ExplanationTarget

        steps = torch.nonzero(row.mode["mask"][0])[:, 0]

        def mean(prediction: Any) -> Tensor:
            values = prediction.mode()["value"][:, steps].flatten(1)
            return values.sum(1, keepdim=True) / max(steps.numel(), 1)

        return ExplanationTarget(("mean of the steps",), self.name, mean)

    @property
    def calibration_length(self) -> int:
        return len(self.mean_)

    def decode(self, mode: PredictionArrays, calibration: Calibration | None = None) -> list[dict[str, Any]]:
        """`value`, a list a row, and where calibrated `low`, `high` and the `confidence` of each entry's interval."""
        rows = []
        for value, mask in zip(mode["value"].astype(np.float64), mode["mask"], strict=True):
            steps = value[mask]
            row: dict[str, Any] = {"value": self._to_list(steps)}
            if calibration:
                half = np.array(calibration["half_width"])
                row |= {"low": self._to_list(steps - half), "high": self._to_list(steps + half)}
                row["confidence"] = calibration["confidence_level"]
            rows.append(row)
        return rows

    def _to_list(self, steps: np.ndarray) -> list[Any]:
        return steps[:, 0].tolist() if self.flat_ else steps.tolist()

    def pairs(self, mode: PredictionArrays, truth: Column) -> tuple[np.ndarray, np.ndarray]:
        """Truth and prediction (n, d) of the steps that both have."""
        values, mask = pad_rows(truth, mode["mask"].shape[1])
        common = mask & mode["mask"]
        true, value = values[common], mode["value"][common]
        complete = ~np.isnan(true).any(1)
        return true[complete], value[complete]


class AlignedPrediction(Prediction):
    """A vector for each step of the input: means of Normals of fixed scale.

    Shapes:
        values: (B, T, d) standardised; mask: (B, T).
    """

    def __init__(self, values: Tensor, mask: Tensor, mean: Tensor, std: Tensor) -> None:
        self.values, self.mask, self.mean, self.std = values, mask, mean, std

    def loss(self, target: Field) -> Tensor:
        """Standardised mean squared error over the entries of a row."""
        T = min(self.values.shape[1], target.values.shape[1])
        true = (target.values[:, :T] - self.mean) / self.std
        present = target.mask[:, :T, None] & ~true.isnan()
        error = (self.values[:, :T] - true.nan_to_num(0.0)).square() * present
        return error.flatten(1).sum(1) / present.flatten(1).sum(1).clamp_min(1)

    def mode(self) -> dict[str, Tensor]:
        return {"value": self.values * self.std + self.mean, "mask": self.mask}

    def ensemble_mean(self, members: int) -> AlignedPrediction:
        values = self.values.view(-1, members, *self.values.shape[1:]).mean(1)
        return AlignedPrediction(values, self.mask.view(-1, members, self.mask.shape[1])[:, 0], self.mean, self.std)


class FreeLengthPrediction(Prediction):
    """A sequence of free length; params: `nn.sequence_decoders.SequenceParams`."""

    def __init__(self, params: SequenceParams, mean: Tensor, std: Tensor) -> None:
        self.values, self.continue_logits, self.mean, self.std = (
            params.values.float(),
            params.continue_logits.float(),
            mean,
            std,
        )

    def loss(self, target: Field) -> Tensor:
        """Standardised mean squared error of the steps, plus the mean cross-entropy of continuing at each step."""
        from torch.nn import functional as F

        L = self.values.shape[1]
        T = min(L, target.values.shape[1])
        steps = AlignedPrediction(self.values, target.mask, self.mean, self.std).loss(target)
        present = F.pad(target.mask[:, :T].float(), (0, L - T))
        return steps + F.binary_cross_entropy_with_logits(self.continue_logits, present, reduction="none").mean(1)

    def mode(self) -> dict[str, Tensor]:
        mask = (self.continue_logits > 0).int().cumprod(1).bool()  # ends at the first step that does not continue
        return {"value": self.values * self.std + self.mean, "mask": mask}

    def ensemble_mean(self, members: int) -> FreeLengthPrediction:
        from deepglass.nn.sequence_decoders import SequenceParams

        L = self.continue_logits.shape[1]
        values = self.values.view(-1, members, *self.values.shape[1:]).mean(1)
        return FreeLengthPrediction(
            SequenceParams(values, self.continue_logits.view(-1, members, L).mean(1)), self.mean, self.std
        )
