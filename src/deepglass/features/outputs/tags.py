"""Predicts a tag for each token of an input."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np

from deepglass import metrics
from deepglass.constraints import NonNegative, Positive
from deepglass.errors import SourceError
from deepglass.features._alignment import find_aligned_input, pad_rows, trim_to_input
from deepglass.features.base import Column, Raw
from deepglass.features.outputs._calibrations import ClassCalibration
from deepglass.features.outputs._classes import (
    calibrated,
    check_focal,
    class_weights,
    fit_calibration,
    focal_exponent,
    focal_factor,
    imbalance_warnings,
    log_shares,
)
from deepglass.features.outputs.base import Calibration, Output, PredictedRow, Prediction, PredictionArrays
from deepglass.features.tags import Tags
from deepglass.metrics.table import METRICS, Metric

if TYPE_CHECKING:
    from torch import Tensor, nn

    from deepglass.nn.embeddings import TokenLogits
    from deepglass.nn.explanation_targets import ExplanationTarget
    from deepglass.nn.tokens import Field

_MAX_CALIBRATION_WORDS = 50_000  # words that the temperature is fitted on; more do not change it
_MAX_EXPLAINED = 40  # tags


@dataclass(frozen=True, kw_only=True)
class TagsOutput(Tags, Output):
    """Predicts a tag for each token of an input.

    Args:
        loss: "cross_entropy", or "focal", which gives less weight to words that are predicted well.
        focal_gamma: exponent of the focal loss, >= 0; 0 is the cross-entropy.
        class_weight: factors of the tags in the loss, as of categories; the predicted tag is the one of the largest
            weighted probability.
    """

    loss: Literal["cross_entropy", "focal"] = "cross_entropy"
    focal_gamma: NonNegative = 2.0
    class_weight: Literal["balanced"] | Mapping[Any, Positive] | None = None

    aligned_input_: str | None = None  # name of the input whose words are tagged

    metric: ClassVar[Metric] = METRICS["accuracy"]
    calibration_fields: ClassVar[type | None] = ClassCalibration
    alignable: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        check_focal(self.loss, self.focal_gamma)

    @cached_property
    def log_weights(self) -> np.ndarray | None:
        """Logarithms of the weights of the tags, (K,); None without any. Raises as `class_weights`."""
        if self.class_weight is None:
            return None
        where = f"outputs.{self.name}.class_weight"
        return np.log(class_weights(self.class_weight, self.vocabulary_, self.counts_, where))

    def predicted_classes(self, mode: PredictionArrays, calibration: Calibration | None = None) -> np.ndarray:
        """Index of the tag of each word, of log probabilities (n, K): of the largest weighted probability."""
        log_probs = calibrated(mode["log_probs"], calibration)
        return np.asarray((log_probs if self.log_weights is None else log_probs + self.log_weights).argmax(1))

    def fit(self, chunks: Iterable[Raw]) -> Self:
        return replace(super().fit(chunks), aligned_input_="")

    def align_to(self, target: Column, inputs: Mapping[str, Column]) -> Self:
        """Raises: SourceError: `mismatched-files` if no input has as many words as there are tags."""
        name = find_aligned_input(target, inputs)
        if name is None:
            raise SourceError("mismatched-files", f"{self.name}: {_difference(target, inputs)}")
        return replace(self, aligned_input_=name)

    def to_input_frame(self, column: Column, inputs: Mapping[str, Column]) -> Column:
        """Trimmed to the words of the aligned input."""
        return trim_to_input(column, inputs[self.aligned_input_]) if self.aligned_input_ in inputs else column

    def head(self, dim: int) -> nn.Module:
        from deepglass.nn.embeddings import TokenHead

        counts = np.array(self.counts_ or (1,))
        start = np.log(counts / counts.sum())
        return TokenHead(dim, len(counts), (start if self.log_weights is None else start + self.log_weights).tolist())

    def prediction(self, params: TokenLogits) -> Prediction:
        weights = None if self.log_weights is None else params.values.new_tensor(self.log_weights.tolist()).float()
        gamma = focal_exponent(self.loss, self.focal_gamma)
        return TagsPrediction(params.values.float().log_softmax(-1), params.mask, weights, gamma)

    def score(self, mode: PredictionArrays, truth: Column, calibration: Calibration | None = None) -> dict[str, float]:
        """Classification metrics over words, and `sentence_accuracy`: the share of rows whose tags are all correct."""
        log_probs, labels, rows = self.words_of(mode, truth)
        if not len(labels):
            return {}
        predicted = self.predicted_classes({"log_probs": log_probs}, calibration)
        log_probs = calibrated(log_probs, calibration)
        wrong = np.bincount(rows, predicted != labels, len(truth))
        present = np.bincount(rows, minlength=len(truth)) > 0
        scores = metrics.classification(labels, log_probs, predicted)
        scores.pop("roc_auc", None)  # slow for thousands of words and dozens of tags, and not used
        return {**scores, "sentence_accuracy": float(np.mean(wrong[present] == 0))}

    def row_scores(self, mode: PredictionArrays, truth: Column, rows: np.ndarray) -> tuple[str, np.ndarray]:
        """The share of each row's words with the right tag."""
        log_probs, labels, row_of = self.words_of(mode, truth)
        right = self.predicted_classes({"log_probs": log_probs}) == labels
        correct, words = (np.bincount(row_of, w, len(truth)) for w in (right, None))
        return "accuracy", np.where(words > 0, correct / np.maximum(words, 1), np.nan)

    def baseline(self, truth: Column) -> PredictionArrays:
        """The share of each tag, at each word."""
        log_probs = log_shares(truth.values[truth.values > 0], len(self.vocabulary_))
        length = int(np.diff(truth.offsets).max(initial=1))
        return {"log_probs": np.tile(log_probs, (1, length, 1)), "mask": np.ones((1, length), bool)}

    def baseline_loss(self, truth: Column) -> float:
        log_probs = self.baseline(truth)["log_probs"][0, 0].astype(np.float64)
        losses = -log_probs
        if self.log_weights is not None:  # the best constant of the weighted loss
            weighted = log_probs + self.log_weights
            log_probs = weighted - np.log(np.exp(weighted).sum())
            losses = -log_probs * np.exp(self.log_weights)
        if self.loss == "focal":
            losses = losses * (1 - np.exp(log_probs)) ** self.focal_gamma
        labelled = truth.values > 0
        rows = np.repeat(np.arange(len(truth)), np.diff(truth.offsets))[labelled]
        words = np.bincount(rows, minlength=len(truth))
        nats = np.bincount(rows, losses[truth.values[labelled] - 1], len(truth))
        return float((nats[words > 0] / words[words > 0]).mean()) if words.any() else 1.0

    def check_target(self, truth: Column, source: str) -> None:
        """Raises: SourceError: `one-class`."""
        if len(self.vocabulary_) < 2:
            got = f"only {self.vocabulary_[0]!r}" if self.vocabulary_ else "none"
            raise self.target_error("one-class", source, "at least two tags", got)
        self.log_weights  # raises for unknown tags  # noqa: B018

    def target_warnings(self, truth: Column) -> list[str]:
        return imbalance_warnings(truth.values[truth.values > 0], self.vocabulary_, self.name)

    def calibrate(self, mode: PredictionArrays, truth: Column) -> Calibration:
        """The temperature, if it reduces the cross-fitted log loss."""
        log_probs, labels, _ = self.words_of(mode, truth)
        sample = np.random.default_rng(0).permutation(len(labels))[:_MAX_CALIBRATION_WORDS]
        return fit_calibration(log_probs[sample], labels[sample], log_weights=self.log_weights)

    def explanation_target(self, row: PredictedRow) -> ExplanationTarget:
        from deepglass.nn.explanation_targets import token_target

        names = row.decoded["value"][:_MAX_EXPLAINED]
        codes = [self.class_names.index(name) for name in names]
        return token_target(names, codes, row.calibration.get("temperature", 1.0))

    def decode(self, mode: PredictionArrays, calibration: Calibration | None = None) -> list[dict[str, Any]]:
        """`value`, the tags of the words; `confidences`, one per tag; `confidence`, that all are correct."""
        words = mode["log_probs"].reshape(-1, len(self.vocabulary_))
        predicted = self.predicted_classes({"log_probs": words}, calibration)
        codes = predicted.reshape(mode["mask"].shape)
        log_probs = np.take_along_axis(calibrated(words, calibration), predicted[:, None], 1)
        confidence = log_probs.reshape(codes.shape).astype(np.float64)
        return [
            {
                "value": [self.vocabulary_[c] for c in row[mask]],
                "confidence": float(np.exp(log[mask].sum())),
                "confidences": np.exp(log[mask]).round(4).tolist(),
            }
            for row, log, mask in zip(codes, confidence, mode["mask"], strict=True)
        ]

    def words_of(self, mode: PredictionArrays, truth: Column) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Log probabilities (n, K), label (n,) and row (n,) of each word with a tag of the vocabulary."""
        codes, mask = pad_rows(truth, mode["mask"].shape[1])
        rows, positions = np.nonzero(mask & mode["mask"] & (codes > 0))
        return mode["log_probs"][rows, positions], codes[rows, positions] - 1, rows


class TagsPrediction(Prediction):
    """Tag probabilities at each word.

    Args:
        log_weights: logarithms of the weights of the tags in the loss, (K,); the mode is corrected for them.
        gamma: exponent of the focal loss; 0 for the cross-entropy.

    Shapes:
        log_probs: (B, T, K), weighted; mask: (B, T).
    """

    def __init__(self, log_probs: Tensor, mask: Tensor, log_weights: Tensor | None = None, gamma: float = 0.0) -> None:
        self.log_probs, self.mask, self.log_weights, self.gamma = log_probs, mask, log_weights, gamma

    def loss(self, target: Field) -> Tensor:
        """Mean cross-entropy over the words of a row with a tag of the vocabulary."""
        T = min(self.log_probs.shape[1], target.values.shape[1])
        codes = target.values[:, :T].long()
        present = target.mask[:, :T] & (codes > 0)
        labels = (codes - 1).clamp_min(0)
        words = -self.log_probs[:, :T].gather(-1, labels[..., None])[..., 0]
        if self.gamma:
            words = words * focal_factor(-words, self.gamma)
        if self.log_weights is not None:
            words = words * self.log_weights.exp()[labels]
        return (words * present).sum(1) / present.sum(1).clamp_min(1)

    def mode(self) -> dict[str, Tensor]:
        weights = self.log_weights
        log_probs = self.log_probs if weights is None else (self.log_probs - weights).log_softmax(-1)
        return {"log_probs": log_probs, "mask": self.mask}

    def ensemble_mean(self, members: int) -> TagsPrediction:
        """Averages the members' probabilities."""
        _, T, K = self.log_probs.shape
        mixed = self.log_probs.view(-1, members, T, K).logsumexp(1) - math.log(members)
        return TagsPrediction(mixed, self.mask.view(-1, members, T)[:, 0], self.log_weights, self.gamma)


def _difference(target: Column, inputs: Mapping[str, Column]) -> str:
    """Message about the first input whose lengths differ from those of the tags."""
    tags = np.diff(target.offsets)
    for name, column in inputs.items():
        if column.offsets is not None:
            words = np.diff(column.offsets)
            mismatched = np.flatnonzero((words != tags) & target.mask)
            first = mismatched[0]
            return (
                f"expected a tag for each word of {name!r}, but {len(mismatched):,} of {len(tags):,} training rows "
                f"differ, such as one of {words[first]} words and {tags[first]} tags"
            )
    return "tags need an input of words: lists of words, or a text"
