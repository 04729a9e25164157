"""Predicts a text, token by token (autoregressive) or along the steps of the input (CTC)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
import polars as pl

from deepglass.constraints import Count, Fraction
from deepglass.features._explained_words import words_of_tokens
from deepglass.features._tokenizers import END, Codes, truncate
from deepglass.features.base import Column, Feature
from deepglass.features.outputs import _texts
from deepglass.features.outputs.base import Calibration, Output, PredictedRow, Prediction, PredictionArrays
from deepglass.features.text import Text
from deepglass.metrics import error_rate
from deepglass.metrics.table import METRICS, Metric

if TYPE_CHECKING:
    from torch import nn

    from deepglass.nn.explanation_targets import ExplanationTarget


@dataclass(frozen=True, kw_only=True)
class TextOutput(Text, Output):
    """Predicts a text, token by token (autoregressive) or along the steps of the input (CTC).

    Args:
        decoding: "autoregressive" or "ctc"; None takes ctc where all inputs are audio.
        num_beams: width of the beam search, > 0; 1 is greedy decoding.
        label_smoothing: label smoothing of the training loss, in [0, 1).

    Source: Graves et al., 2006, ICML (CTC).
    """

    decoding: Literal["autoregressive", "ctc"] | None = None
    num_beams: Count = 4
    label_smoothing: Fraction = 0.1

    terminated: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not self.tokenization and not self.tokenizer:
            object.__setattr__(self, "tokenization", "pieces")
        super().__post_init__()
        if self.tokenization in ("ngrams", "words", "word_level"):
            raise ValueError(
                f"tokenization: {self.tokenization} cannot be an output; take pieces, characters, bytes, bpe or unigram"
            )

    @property
    def metric(self) -> Metric:  # type: ignore[override]
        """Word error rate for CTC, else BLEU."""
        return METRICS["word_error_rate"] if self.decoding == "ctc" else METRICS["bleu"]

    def configure_output(self, inputs: Sequence[Feature]) -> Self:
        """CTC over characters for audio inputs, else autoregressive decoding."""
        audio = bool(inputs) and all(f.kind == "audio" for f in inputs)
        tokenization = "characters" if audio and self.tokenization == "pieces" else self.tokenization
        return replace(
            self, decoding=self.decoding or ("ctc" if audio else "autoregressive"), tokenization=tokenization
        )

    def _coded(self, texts: pl.Series) -> Codes:
        if self.decoding != "ctc":
            return super()._coded(texts)
        codes = truncate(self._codec.encode(texts), self.max_words)
        present = codes.values > 0  # 0 is the blank
        rows = np.repeat(np.arange(len(texts)), codes.lengths)
        return Codes(np.bincount(rows[present], minlength=len(texts)), codes.values[present])

    def head(self, dim: int) -> nn.Module:
        if self.decoding == "ctc":
            from deepglass.nn.embeddings import TokenHead

            return TokenHead(dim, self.size)
        from deepglass.nn.sequence_decoders import TransformerDecoder

        return TransformerDecoder(dim, self.size, END, self.max_output_length)

    @property
    def max_output_length(self) -> int:
        """Maximum tokens of a prediction: 1.5 times those of the longest training text."""
        return min(3 * self.length_ // 2 + 2, self.max_words)

    def prediction(self, params: Any) -> Prediction:
        if self.decoding == "ctc":
            return _texts.CTCPrediction(params)
        return _texts.AutoregressivePrediction(params, self.num_beams, self.label_smoothing, self.mean_length_)

    def score(self, mode: PredictionArrays, truth: Column, calibration: Calibration | None = None) -> dict[str, float]:
        """`bleu` (0 to 100, not for CTC; needs the extra `text`), `word_error_rate`, `character_error_rate`, and
        `accuracy` (of whole texts)."""
        if "counts" in mode:
            scores = _texts.counted_metrics(mode["counts"][truth.mask])
        else:
            scores = _texts.text_metrics(self._decode_tokens(mode, truth.mask), self._decode_targets(truth))
        if self.decoding == "ctc":
            scores.pop("bleu", None)
        return scores

    def for_scoring(self, mode: PredictionArrays, truth: Column) -> tuple[PredictionArrays, Column]:
        """Counts of each text, which add up: `_texts.text_counts`."""
        counted = _texts.text_counts(self._decode_tokens(mode, truth.mask), self._decode_targets(truth))
        counts = np.zeros((len(truth), counted.shape[1]), np.int64)
        counts[truth.mask] = counted
        return {"counts": counts}, Column(truth.mask, truth.mask)

    def row_scores(self, mode: PredictionArrays, truth: Column, rows: np.ndarray) -> tuple[str, np.ndarray]:
        """The word error rate of each row of the sample."""
        values, targets = np.full(len(truth), np.nan), self._decode_targets(truth.take(rows))
        predictions = self.decode({name: array[rows] for name, array in mode.items()})
        values[rows] = [
            error_rate([t.split()], [p["value"].split()]) for t, p in zip(targets, predictions, strict=True)
        ]
        return "word_error_rate", values

    def target_warnings(self, truth: Column) -> list[str]:
        return _texts.target_warnings(self.name) if self.decoding != "ctc" else []

    def baseline(self, truth: Column) -> PredictionArrays:
        """The most frequent text."""
        texts = pl.Series(values=self._decode_targets(truth), dtype=pl.String)
        commonest = texts.mode().sort()[:1] if len(texts) else pl.Series(values=[""], dtype=pl.String)
        codes = self._codec.encode(commonest).values[None].astype(np.int64)
        return {"tokens": codes, "mask": np.ones(codes.shape, bool), "log_prob": np.zeros(1, np.float32)}

    def baseline_loss(self, truth: Column) -> float:
        """Entropy of the token frequencies, per token; for CTC per text."""
        counts = np.array(self.counts_, dtype=np.float64)
        shares = counts[counts > 0] / max(counts.sum(), 1)
        entropy = float(-(shares * np.log(shares)).sum())
        return max(entropy * (self.mean_length_ if self.decoding == "ctc" else 1.0), 1e-3)

    def check_target(self, truth: Column, source: str) -> None:
        """Raises: SourceError: `constant-target`."""
        texts = self._decode_targets(truth)
        if len(set(texts)) < 2:
            got = f"only {texts[0][:40]!r}" if texts else "none"
            raise self.target_error("constant-target", source, "different texts", got)

    def explanation_target(self, row: PredictedRow) -> ExplanationTarget:
        """The words of a generated text."""
        from deepglass.nn.explanation_targets import ctc_target, generated_target

        tokens = row.mode["tokens"][0][row.mode["mask"][0]]
        groups, words = words_of_tokens(self.piece_of, tokens.tolist())
        if isinstance(row.prediction, _texts.CTCPrediction):
            return ctc_target(row.prediction.log_probs[0], row.prediction.mask[0], groups, words)
        return generated_target(tokens, groups, words)

    def decode(self, mode: PredictionArrays, calibration: Calibration | None = None) -> list[dict[str, Any]]:
        """`value`, the text, and its `confidence`: the probability of the whole text."""
        texts = self._decode_tokens(mode, np.ones(len(mode["mask"]), bool))
        confidence = np.exp(np.minimum(mode["log_prob"].astype(np.float64), 0))
        return [{"value": text, "confidence": float(p)} for text, p in zip(texts, confidence, strict=True)]

    def _decode_tokens(self, mode: PredictionArrays, rows: np.ndarray) -> list[str]:
        pairs = zip(mode["tokens"][rows], mode["mask"][rows], strict=True)
        return [self._codec.decode(tokens[mask].tolist()) for tokens, mask in pairs]

    def _decode_targets(self, truth: Column) -> list[str]:
        bounds = zip(truth.offsets[:-1][truth.mask], truth.offsets[1:][truth.mask], strict=True)
        return [self._codec.decode(truth.values[a:b].tolist()) for a, b in bounds]
