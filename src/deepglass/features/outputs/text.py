"""Predicts a text, token by token (autoregressive) or along the steps of the input (CTC)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
import polars as pl

from deepglass.errors import SourceError
from deepglass.features import _text_outputs as _written
from deepglass.features._explained_words import words_of_tokens
from deepglass.features._tokenizers import END, Codes, cut
from deepglass.features.base import Column, Feature
from deepglass.features.outputs.base import Calibration, Output, Prediction, PredictionArrays
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
        num_beams: width of the beam search; 1 is greedy decoding.
        label_smoothing: of the training loss, in [0, 1).

    Source: Graves et al., 2006, ICML (CTC).
    """

    decoding: Literal["autoregressive", "ctc"] | None = None
    num_beams: int = 4
    label_smoothing: float = 0.1

    terminated: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not self.tokenization and not self.tokenizer:
            object.__setattr__(self, "tokenization", "pieces")
        super().__post_init__()
        if self.num_beams < 1:
            raise ValueError(f"num_beams: expected at least 1, got {self.num_beams}")
        if not 0 <= self.label_smoothing < 1:
            raise ValueError(f"label_smoothing: expected from 0 to below 1, got {self.label_smoothing}")
        if self.tokenization in ("ngrams", "words"):
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
        codes = cut(self._codec.encode(texts), self.max_words)
        present = codes.values > 0  # 0 is the blank
        rows = np.repeat(np.arange(len(texts)), codes.lengths)
        return Codes(np.bincount(rows[present], minlength=len(texts)), codes.values[present])

    def head(self, dim: int) -> nn.Module:
        if self.decoding == "ctc":
            from deepglass.nn.embeddings import TokenHead

            return TokenHead(dim, self.size)
        from deepglass.nn.sequence_decoders import TransformerDecoder

        return TransformerDecoder(dim, self.size, END, self.most_written)

    @property
    def most_written(self) -> int:
        """Where an answer is broken off: half as long again as the longest of training."""
        return min(3 * self.length_ // 2 + 2, self.max_words)

    def prediction(self, params: Any) -> Prediction:
        if self.decoding == "ctc":
            return _written.CTCPrediction(params)
        return _written.AutoregressivePrediction(params, self.num_beams, self.label_smoothing, self.mean_length_)

    def score(self, best: PredictionArrays, truth: Column, calibration: Calibration | None = None) -> dict[str, float]:
        """`bleu` (0 to 100, of what is not heard; with the extra `text`), `word_error_rate`, `character_error_rate`,
        `accuracy` (of whole texts)."""
        said, true = self._said(best, truth.mask), self._true(truth)
        figures = _written.figures(said, true)
        if self.decoding == "ctc":
            figures.pop("bleu", None)
        return figures

    def row_scores(self, best: PredictionArrays, truth: Column, rows: np.ndarray) -> tuple[str, np.ndarray]:
        """The word error rate of each row of the sample."""
        values, true = np.full(len(truth), np.nan), self._true(truth.take(rows))
        predictions = self.decode({name: array[rows] for name, array in best.items()})
        values[rows] = [error_rate([t.split()], [p["value"].split()]) for t, p in zip(true, predictions, strict=True)]
        return "word_error_rate", values

    def target_warnings(self, truth: Column) -> list[str]:
        return _written.target_warnings(self.name) if self.decoding != "ctc" else []

    def baseline(self, truth: Column) -> PredictionArrays:
        """The commonest text."""
        true = pl.Series(values=self._true(truth), dtype=pl.String)
        commonest = true.mode().sort()[:1] if len(true) else pl.Series(values=[""], dtype=pl.String)
        codes = self._codec.encode(commonest).values[None].astype(np.int64)
        return {"tokens": codes, "mask": np.ones(codes.shape, bool), "log_prob": np.zeros(1, np.float32)}

    def baseline_loss(self, truth: Column) -> float:
        """Nats a token of the tokens' own shares."""
        counts = np.array(self.counts_, dtype=np.float64)
        shares = counts[counts > 0] / max(counts.sum(), 1)
        entropy = float(-(shares * np.log(shares)).sum())
        return max(entropy * (self.mean_length_ if self.decoding == "ctc" else 1.0), 1e-3)

    def check_target(self, truth: Column, source: str) -> None:
        """Raises: SourceError: `constant-target`."""
        true = self._true(truth)
        if len(set(true)) < 2:
            came = f"found only {true[0][:40]!r}" if true else "found none"
            raise SourceError(
                "constant-target", f"{source}: expected different texts in {self.column!r} of the training rows, {came}"
            )

    def explanation_target(
        self, prediction: Any, best: Any, decoded: Mapping[str, Any], calibration: Calibration
    ) -> ExplanationTarget:
        """The words of a generated text."""
        from deepglass.nn.explanation_targets import ctc_target, generated_target

        tokens = best["tokens"][0][best["mask"][0]]
        groups, words = words_of_tokens(self.piece_of, tokens.tolist())
        if isinstance(prediction, _written.CTCPrediction):
            return ctc_target(prediction.log_probs[0], prediction.mask[0], groups, words)
        return generated_target(tokens, groups, words)

    def decode(self, best: PredictionArrays, calibration: Calibration | None = None) -> list[dict[str, Any]]:
        """`value`, the text, and its `confidence`: the probability of the whole text."""
        texts = self._said(best, np.ones(len(best["mask"]), bool))
        sure = np.exp(np.minimum(best["log_prob"].astype(np.float64), 0))
        return [{"value": text, "confidence": float(p)} for text, p in zip(texts, sure, strict=True)]

    def _said(self, best: PredictionArrays, rows: np.ndarray) -> list[str]:
        found = zip(best["tokens"][rows], best["mask"][rows], strict=True)
        return [self._codec.decode(tokens[mask].tolist()) for tokens, mask in found]

    def _true(self, truth: Column) -> list[str]:
        bounds = zip(truth.offsets[:-1][truth.mask], truth.offsets[1:][truth.mask], strict=True)
        return [self._codec.decode(truth.values[a:b].tolist()) for a, b in bounds]
