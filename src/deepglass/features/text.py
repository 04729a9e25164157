"""Texts: a bag of n-grams, or tokens in order for a network that reads or writes them so."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal, cast

import numpy as np
import polars as pl

from deepglass.errors import SourceError
from deepglass.features import _text_outputs as _written
from deepglass.features import _word_features as _words
from deepglass.features._explained_words import words_of_tokens
from deepglass.features._ngrams import (
    Lexicon,
    Parts,
    Words,
    chars_read,
    count_ngrams,
    slices,
    split_words,
    too_long,
    words_of,
)
from deepglass.features._subwords import Subwords
from deepglass.features._tokenizers import END, Bytes, Characters, Codec, Codes, Pieces, cut, ended
from deepglass.features.base import Calibration, Column, Feature, Prediction, PredictionArrays, Raw, TypeGuess
from deepglass.metrics.table import METRICS, Metric
from deepglass.parsing import is_missing, parse_dates, parse_numbers

if TYPE_CHECKING:
    from torch import nn

    from deepglass.nn.explanation_targets import ExplanationTarget

Tokenization = Literal["ngrams", "words", "pieces", "characters", "bytes", "bpe", "unigram"]

_SHORT = 40  # characters: shorter texts are names and codes, whose characters say more than their words
_FIT_CHARS = 20_000_000  # that the vocabulary is learned from: where there are more, every so manieth text
_MOST = {"ngrams": 100_000, "words": 50_000, "pieces": 16_000, "characters": 10_000, "bpe": 8_000, "unigram": 8_000}
_WORD_DROP = 0.1  # of the words that training takes for unknown ones


@dataclass(frozen=True, kw_only=True)
class Text(Feature):
    """Free text in any language.

    For a network that reads in no order, a text is the bag of its words and marks, pairs of neighbours, beginnings of
    words and capitalised words; in short texts (names, codes) the words' character n-grams take the place of the latter
    two. A network that reads in order gets a token a word, and lists of words are taken as they are. As an answer, a
    text is written piece by piece; see `features._codecs`.

    Args:
        tokenization: "ngrams" (bag of words and n-grams), "words" (with their prefixes and suffixes; inputs only),
            "pieces" (words, spelled where unknown), "characters", "bytes", "bpe" or "unigram" (learned from the texts,
            need the extra `text`); None decides by the network that reads it.
        tokenizer: a tokenizer.json, or the folder of a pretrained model that holds one, in place of a tokenization.
        ngrams: 1 for single words, 2 for bigrams too.
        subword_features: what a bag reads of a word beside the word; None decides by the length of the texts.
        max_vocabulary: size limit of the vocabulary, most frequent first; > 0; None takes the tokenization's default.
        max_words: a text is truncated to so many words (or tokens of a smaller unit); > 0.
        written: it is an output.
        decoding: of an output: "autoregressive", or "ctc" along the steps of the input; None takes ctc for audio.
        num_beams: width of the beam search; 1 is greedy decoding.
        label_smoothing: of the training loss, in [0, 1).

    Example:
        >>> text = Text(name="review").fit([pl.Series(["very good", "very bad", "good"])])
        >>> text.encode(pl.Series(["good day", None])).mask
        array([ True, False])

    Source: Joulin et al., 2016, arXiv 1607.01759 (words and pairs); Bojanowski et al., 2017, arXiv 1607.04606
    (character n-grams); Graves et al., 2006, ICML (CTC).
    """

    tokenization: Tokenization | None = None
    tokenizer: str = ""
    ngrams: Literal[1, 2] = 2
    subword_features: Parts | None = None
    max_vocabulary: int | None = None
    max_words: int = 1_000
    written: bool = False
    decoding: Literal["autoregressive", "ctc"] | None = None
    num_beams: int = 4
    label_smoothing: float = 0.1

    vocabulary_: tuple[str, ...] | None = None  # by falling count, equals in the order of their text
    counts_: tuple[int, ...] | None = None  # ngrams: training texts with each; an answer: of each code
    rows_: int | None = None  # how many training texts were counted
    subword_features_: Parts | Literal[""] | None = None
    content_: str | None = None  # of a tokenizer
    lists_: bool | None = None  # cells are lists of words
    length_: int | None = None  # tokens of the longest training text
    mean_length_: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        for setting in ("max_vocabulary", "max_words", "num_beams"):
            if (value := getattr(self, setting)) is not None and value < 1:
                raise ValueError(f"{setting}: expected at least 1, got {value}")
        if not 0 <= self.label_smoothing < 1:
            raise ValueError(f"label_smoothing: expected from 0 to below 1, got {self.label_smoothing}")
        if self.written and self.tokenization in ("ngrams", "words"):
            raise ValueError(
                f"tokenization: {self.tokenization} cannot be written; take pieces, characters, bytes, bpe or unigram"
            )

    @property
    def metric(self) -> Metric:  # type: ignore[override]
        """Word errors of what was heard, BLEU of what was translated."""
        return METRICS["word_error_rate"] if self.decoding == "ctc" else METRICS["bleu"]

    sequential: ClassVar[bool] = True

    @classmethod
    def infer_type(cls, raw: Raw, name: str) -> TypeGuess | None:
        """By how many words a cell has, and how seldom cells repeat."""
        if not isinstance(raw, pl.Series) or raw.dtype != pl.String:
            return None
        known = raw.filter(~is_missing(raw))
        if not len(known):
            return TypeGuess(0.05, "no value at all")
        if (why := _other_kind(known)) is not None:
            return TypeGuess(0.15, why)
        distinct = known.n_unique()
        share, words = distinct / len(known), cast(float, known.str.count_matches(r"\s+\S").mean()) + 1
        cell = f"{words:.0f} word{'' if round(words) == 1 else 's'}"
        said = f"{cell} a cell, {distinct} different texts in {len(known):,} rows"
        if words >= 4 and (share > 0.3 or cast(float, known.str.len_chars().mean()) > 50):
            return TypeGuess(0.9, said)
        return TypeGuess(0.6 if share >= 0.3 else 0.45 if words >= 2 else 0.3, said)

    # -- what it is for ------------------------------------------------------------------------------------------

    def as_output(self) -> Text:
        return replace(self, tokenization=self.tokenization or (None if self.tokenizer else "pieces"), written=True)

    def as_sequence(self) -> Text:
        return self if self.tokenization or self.tokenizer else replace(self, tokenization="words")

    def configure_output(self, inputs: Sequence[Feature]) -> Text:
        """A text that is heard is written along the sound; any other a token at a time."""
        heard = bool(inputs) and all(f.kind == "audio" for f in inputs)
        tokenization = "characters" if heard and self.tokenization == "pieces" else self.tokenization
        return replace(
            self, decoding=self.decoding or ("ctc" if heard else "autoregressive"), tokenization=tokenization
        )

    # -- from texts to codes -------------------------------------------------------------------------------------

    def fit(self, chunks: Iterable[Raw]) -> Text:
        chunks = list(chunks)
        lists = any(isinstance(raw, pl.Series) and raw.dtype == pl.List(pl.String) for raw in chunks)
        if lists and self.tokenization not in (None, "words", "ngrams"):
            raise SourceError(
                "bad-value", f"column {self.column!r}: lists of words take tokenization words, not {self.tokenization}"
            )
        feature = replace(
            self, lists_=lists, subword_features_="", content_="", counts_=(), rows_=0, length_=0, mean_length_=0.0
        )
        raws = [pl.Series(values=[], dtype=pl.List(pl.String) if lists else pl.String), *map(feature._texts, chunks)]
        texts = pl.concat(raws).drop_nulls()
        if feature._tokenization == "ngrams":
            return feature._fit_bag(texts)
        if self.tokenizer:
            feature = replace(feature, vocabulary_=(), content_=Subwords.read(self.tokenizer))
        elif self.tokenization in ("bpe", "unigram"):
            feature = replace(feature, vocabulary_=(), content_=Subwords.learn(self.tokenization, texts, self._most))
        elif feature._tokenization == "words":
            return replace(feature, vocabulary_=_words.learn(feature._split(texts), self._most), rows_=len(texts))
        else:
            learn = {"pieces": Pieces.learn, "characters": Characters.learn}.get(self.tokenization)
            feature = replace(feature, vocabulary_=learn(texts, self._most) if learn else ())
        codes = feature._coded(texts)
        counts = np.bincount(codes.values, minlength=feature.size) if self.written else np.zeros(0, np.int64)
        return replace(
            feature,
            rows_=len(texts),
            counts_=tuple(counts.tolist()),
            length_=int(codes.lengths.max(initial=1)),
            mean_length_=float(codes.lengths.mean()) if len(texts) else 1.0,
        )

    def encode(self, raw: Raw) -> Column:
        """Codes (total,) int32 in order; of words (total, 7); of a bag 1 + place in the vocabulary, ascending."""
        texts = self._texts(raw)
        known = texts.is_not_null().to_numpy()
        if self._tokenization == "words":
            words = self._split(texts)
            offsets = np.concatenate([[0], np.cumsum(words.lengths)])
            return Column(self._looks.encode(words), known if self.lists_ else words.lengths > 0, offsets)
        if self._tokenization == "ngrams":
            parts = [self._bag(part) for part in self._slices(texts)]
        else:
            parts = [self._coded(part) for part in self._slices(texts)]
        lengths = np.concatenate([np.zeros(1, np.int64), *(p.lengths for p in parts)])
        values = np.concatenate([np.zeros(0, np.int32), *(p.values for p in parts)])
        return Column(values, known if self.written else lengths[1:] > 0, np.cumsum(lengths))

    def count_anomalies(self, raw: Raw) -> dict[str, int]:
        if self.lists_:
            return {}
        texts = self._texts(raw)
        if self._tokenization in ("ngrams", "words"):
            cut_short = too_long(texts, self.max_words)
            return {f"text longer than {self.max_words:,} words, its end left out": cut_short} if cut_short else {}
        long = int((self._codec.encode(texts).lengths > self.max_words).sum())
        return (
            {f"text longer than {self.max_words:,} {self.tokenization or 'tokens'}, its end left out": long}
            if long
            else {}
        )

    @property
    def size(self) -> int:
        """How many codes there are."""
        return 1 + len(self.vocabulary_) if self._tokenization in ("ngrams", "words") else self._codec.size

    def text_of(self, codes: Iterable[int]) -> str:
        """Codes as the text that they say, for units that keep the order and all letters."""
        return self._codec.decode(codes)

    def piece_of(self, codes: Sequence[int]) -> str:
        """The same of codes inside a text, whose first letter may be a space."""
        if self.tokenization in ("characters", "bytes"):
            return self._codec.decode(codes)
        before = self._codec.encode(pl.Series(["a"])).values.tolist()  # a space after a word is kept
        return self._codec.decode([*before, *codes])[1:]

    # -- into the network and out of it --------------------------------------------------------------------------

    def encoder(self, dim: int) -> nn.Module:
        if self._tokenization != "ngrams":
            from deepglass.nn.embeddings import TokenEncoder

            return TokenEncoder(self.size, dim, _WORD_DROP if self._tokenization == "words" else 0.0)
        from deepglass.nn.bag import BagEmbedding, BagEncoder, inverse_document_frequency

        weights = inverse_document_frequency([self.rows_, *self.counts_], self.rows_)
        return BagEncoder(BagEmbedding(weights.square(), dim, drop=0.3))

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

    # -- the rest ------------------------------------------------------------------------------------------------

    def _fit_bag(self, texts: pl.Series) -> Text:
        chars = chars_read(texts, self.max_words) if not self.lists_ else _SHORT * len(texts)
        parts = self.subword_features or ("characters" if chars < _SHORT * len(texts) else "stems")
        sample = texts.gather_every(1 + chars // _FIT_CHARS)
        counts = count_ngrams(self._split(sample), parts, self.ngrams > 1, self._most)
        return replace(
            self,
            vocabulary_=tuple(gram for gram, _ in counts),
            counts_=tuple(n for _, n in counts),
            rows_=len(sample),
            subword_features_=parts,
        )

    def _bag(self, texts: pl.Series) -> Codes:
        return Codes(*self._lexicon.encode(self._split(texts), cast(Parts, self.subword_features_)))

    def _coded(self, texts: pl.Series) -> Codes:
        codes = cut(self._codec.encode(texts), self.max_words)
        if self.decoding == "ctc":
            known = codes.values > 0  # 0 is the blank
            rows = np.repeat(np.arange(len(texts)), codes.lengths)
            return Codes(np.bincount(rows[known], minlength=len(texts)), codes.values[known])
        return ended(codes, texts.is_not_null().to_numpy()) if self.written else codes

    def _said(self, best: PredictionArrays, rows: np.ndarray) -> list[str]:
        found = zip(best["tokens"][rows], best["mask"][rows], strict=True)
        return [self._codec.decode(tokens[mask].tolist()) for tokens, mask in found]

    def _true(self, truth: Column) -> list[str]:
        bounds = zip(truth.offsets[:-1][truth.mask], truth.offsets[1:][truth.mask], strict=True)
        return [self._codec.decode(truth.values[a:b].tolist()) for a, b in bounds]

    def _split(self, texts: pl.Series) -> Words:
        return words_of(texts.list.head(self.max_words)) if self.lists_ else split_words(texts, self.max_words)

    def _slices(self, texts: pl.Series) -> Iterable[pl.Series]:
        return [texts] if self.lists_ else slices(texts, self.max_words)

    @property
    def _tokenization(self) -> Tokenization | Literal["tokenizer"]:
        if self.tokenizer:
            return "tokenizer"
        return self.tokenization or "ngrams"

    @property
    def _most(self) -> int:
        return self.max_vocabulary or _MOST.get(self._tokenization, 0)

    @cached_property
    def _lexicon(self) -> Lexicon:
        return Lexicon(self.vocabulary_)

    @cached_property
    def _looks(self) -> _words.Looks:
        return _words.Looks(self.vocabulary_)

    @cached_property
    def _codec(self) -> Codec:
        if self.content_:
            return Subwords(self.content_, wrapped=bool(self.tokenizer) and not self.written)
        if self.tokenization == "bytes":
            return Bytes()
        return Characters(self.vocabulary_) if self.tokenization == "characters" else Pieces(self.vocabulary_)

    def _texts(self, raw: Raw) -> pl.Series:
        series = raw if isinstance(raw, pl.Series) else pl.Series(values=list(raw))
        if self.lists_ and series.dtype in (pl.List(pl.String), pl.Null):
            return series.cast(pl.List(pl.String))
        if series.dtype.is_nested() or series.dtype in (pl.Binary, pl.Object):
            raise SourceError("bad-value", f"column {self.column!r}: expected texts, not {series.dtype}")
        series = series.cast(pl.String)
        if self.lists_:  # words that stand in one text, with spaces between them
            series = series.str.extract_all(r"\S+")
            return series.set(series.list.len() == 0, None)
        return series.set(is_missing(series), None)


def _other_kind(known: pl.Series) -> str | None:
    """Why a column of texts is rather of another kind."""
    numbers = parse_numbers(known)
    if numbers is not None and numbers.share > 0.9:
        return "numbers"
    if parse_dates(known) is not None:
        return "dates"
    paths = known.str.contains(r"^\S*\.[A-Za-z][A-Za-z0-9]{1,4}$|^\S*[/\\]\S+[/\\]\S*$").mean()
    return "paths of files" if cast(float, paths) > 0.9 else None
