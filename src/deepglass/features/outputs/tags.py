"""Predicts a tag for each token of an input."""

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
from deepglass.features.outputs.category import imbalance, temperature_of
from deepglass.features.tags import Tags
from deepglass.metrics.calibration import apply_temperature
from deepglass.metrics.table import METRICS, Metric

if TYPE_CHECKING:
    from torch import Tensor, nn

    from deepglass.nn.embeddings import TokenLogits
    from deepglass.nn.explanation_targets import ExplanationTarget
    from deepglass.nn.tokens import Field

_CAPPED = 50_000  # words that a temperature is fitted on; more do not move it
_EXPLAINED = 40  # targets of an explanation, at most


@dataclass(frozen=True, kw_only=True)
class TagsOutput(Tags, Output):
    """Predicts a tag for each token of an input."""

    aligned_input_: str | None = None  # the input whose words are tagged

    metric: ClassVar[Metric] = METRICS["accuracy"]
    alignable: ClassVar[bool] = True

    def fit(self, chunks: Iterable[Raw]) -> Self:
        return replace(super().fit(chunks), aligned_input_="")

    def align_to(self, own: Column, inputs: Mapping[str, Column]) -> Self:
        """Raises: SourceError: `mismatched-files` where no input has as many words as there are tags."""
        name = input_in_line(own, inputs)
        if name is None:
            raise SourceError("mismatched-files", f"{self.name}: {_difference(own, inputs)}")
        return replace(self, aligned_input_=name)

    def to_input_frame(self, column: Column, inputs: Mapping[str, Column]) -> Column:
        """As many tags as words are read."""
        return trimmed(column, inputs[self.aligned_input_]) if self.aligned_input_ in inputs else column

    def head(self, dim: int) -> nn.Module:
        from deepglass.nn.embeddings import TokenHead

        counts = np.array(self.counts_ or (1,))
        return TokenHead(dim, len(counts), np.log(counts / counts.sum()).tolist())

    def prediction(self, params: TokenLogits) -> Prediction:
        return TagsPrediction(params.values.float().log_softmax(-1), params.mask)

    def score(self, best: PredictionArrays, truth: Column, calibration: Calibration | None = None) -> dict[str, float]:
        """Over words: `accuracy`, `balanced_accuracy`, `f1_macro`, `log_loss` and the like; `sentence_accuracy`."""
        log_probs, labels, rows = self.words_of(best, truth)
        log_probs = apply_temperature(log_probs, (calibration or {}).get("temperature", 1.0))
        if not len(labels):
            return {}
        wrong = np.bincount(rows, log_probs.argmax(1) != labels, len(truth))
        present = np.bincount(rows, minlength=len(truth)) > 0
        figures = metrics.classification(labels, log_probs)
        figures.pop("roc_auc", None)  # of thousands of words and dozens of tags: slow, and nobody asks
        return {**figures, "sentence_accuracy": float(np.mean(wrong[present] == 0))}

    def row_scores(self, best: PredictionArrays, truth: Column, rows: np.ndarray) -> tuple[str, np.ndarray]:
        """The share of each row's words with the right tag."""
        log_probs, labels, row_of = self.words_of(best, truth)
        right, words = (np.bincount(row_of, w, len(truth)) for w in (log_probs.argmax(1) == labels, None))
        return "accuracy", np.where(words > 0, right / np.maximum(words, 1), np.nan)

    def baseline(self, truth: Column) -> PredictionArrays:
        """The share of each tag, whatever the word."""
        counts = np.bincount(truth.values[truth.values > 0] - 1, minlength=len(self.vocabulary_))
        counts = np.maximum(counts, 0.5)
        longest = int(np.diff(truth.offsets).max(initial=1))
        log_probs = np.log(counts / counts.sum()).astype(np.float32)
        return {"log_probs": np.tile(log_probs, (1, longest, 1)), "mask": np.ones((1, longest), bool)}

    def baseline_loss(self, truth: Column) -> float:
        log_probs = self.baseline(truth)["log_probs"][0, 0].astype(np.float64)
        known = truth.values > 0
        rows = np.repeat(np.arange(len(truth)), np.diff(truth.offsets))[known]
        words = np.bincount(rows, minlength=len(truth))
        nats = np.bincount(rows, -log_probs[truth.values[known] - 1], len(truth))
        return float((nats[words > 0] / words[words > 0]).mean()) if words.any() else 1.0

    def check_target(self, truth: Column, source: str) -> None:
        """Raises: SourceError: `one-class`."""
        if len(self.vocabulary_) < 2:
            came = f"found only {self.vocabulary_[0]!r}" if self.vocabulary_ else "found none"
            raise SourceError(
                "one-class", f"{source}: expected two tags or more in {self.column!r} of the training rows, {came}"
            )

    def target_warnings(self, truth: Column) -> list[str]:
        words = truth.values[truth.values > 0]
        return imbalance(Column(words, np.ones(len(words), bool)), self.vocabulary_, self.name)

    def calibrate(self, best: PredictionArrays, truth: Column) -> Calibration:
        """The temperature, where it helps."""
        log_probs, labels, _ = self.words_of(best, truth)
        some = np.random.default_rng(0).permutation(len(labels))[:_CAPPED]
        return temperature_of(log_probs[some], labels[some])

    def explanation_target(
        self, prediction: Any, best: Any, decoded: Mapping[str, Any], calibration: Calibration
    ) -> ExplanationTarget:
        from deepglass.nn.explanation_targets import token_target

        names = decoded["value"][:_EXPLAINED]
        codes = [self.class_names.index(name) for name in names]
        return token_target(names, codes, calibration.get("temperature", 1.0))

    def decode(self, best: PredictionArrays, calibration: Calibration | None = None) -> list[dict[str, Any]]:
        """`value`, the tags in the order of the words; `confidences`, one a tag; `confidence`, that all are right."""
        log_probs = apply_temperature(
            best["log_probs"].reshape(-1, len(self.vocabulary_)), (calibration or {}).get("temperature", 1.0)
        )
        codes = log_probs.argmax(1).reshape(best["mask"].shape)
        sure = log_probs.max(1).reshape(codes.shape).astype(np.float64)
        return [
            {
                "value": [self.vocabulary_[c] for c in row[mask]],
                "confidence": float(np.exp(log[mask].sum())),
                "confidences": np.exp(log[mask]).round(4).tolist(),
            }
            for row, log, mask in zip(codes, sure, best["mask"], strict=True)
        ]

    def words_of(self, best: PredictionArrays, truth: Column) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of each word whose tag is known: log probabilities (n, K), label (n,) and row (n,)."""
        codes, mask = padded_rows(truth, best["mask"].shape[1])
        rows, places = np.nonzero(mask & best["mask"] & (codes > 0))
        return best["log_probs"][rows, places], codes[rows, places] - 1, rows


class TagsPrediction(Prediction):
    """The probability of each tag at each word.

    Shapes:
        log_probs: (B, T, K); mask: (B, T).
    """

    def __init__(self, log_probs: Tensor, mask: Tensor) -> None:
        self.log_probs, self.mask = log_probs, mask

    def loss(self, target: Field) -> Tensor:
        """The mean cross-entropy of a row's words whose tag is known."""
        T = min(self.log_probs.shape[1], target.values.shape[1])
        codes = target.values[:, :T].long()
        present = target.mask[:, :T] & (codes > 0)
        words = -self.log_probs[:, :T].gather(-1, (codes - 1).clamp_min(0)[..., None])[..., 0]
        return (words * present).sum(1) / present.sum(1).clamp_min(1)

    def mode(self) -> dict[str, Tensor]:
        return {"log_probs": self.log_probs, "mask": self.mask}

    def ensemble_mean(self, members: int) -> TagsPrediction:
        """The members' probabilities are averaged."""
        _, T, K = self.log_probs.shape
        mixed = self.log_probs.view(-1, members, T, K).logsumexp(1) - math.log(members)
        return TagsPrediction(mixed, self.mask.view(-1, members, T)[:, 0])


def _difference(own: Column, inputs: Mapping[str, Column]) -> str:
    """The first row in which tags and words are not as many."""
    tags = np.diff(own.offsets)
    for name, column in inputs.items():
        if column.offsets is not None:
            words = np.diff(column.offsets)
            odd = np.flatnonzero((words != tags) & own.mask)
            return (
                f"expected a tag for each word of {name!r}, but {len(odd):,} of {len(tags):,} training rows differ, "
                f"such as one of {words[odd[0]]} words and {tags[odd[0]]} tags"
            )
    return "tags need an input of words to stand beside: lists of words, or a text"
