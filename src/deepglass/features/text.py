"""Texts: a bag of n-grams, or a sequence of tokens."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, Literal, Self, cast

import numpy as np
import polars as pl

from deepglass.constraints import Count
from deepglass.dates import parse_dates
from deepglass.features._cell_statistics import Statistic, floats
from deepglass.features._ngrams import (
    Lexicon,
    SubwordFeatures,
    WordFeatures,
    Words,
    count_characters,
    count_ngrams,
    count_truncated,
    learn_word_features,
    slices,
    split_words,
    words_of,
)
from deepglass.features._subwords import Subwords
from deepglass.features._tokenizers import Bytes, Characters, Codec, Codes, Pieces, WordLevel, append_end, truncate
from deepglass.features.base import Column, Feature, Raw, TypeGuess
from deepglass.parsing import is_missing, parse_numbers

if TYPE_CHECKING:
    from torch import nn


Tokenization = Literal["ngrams", "words", "word_level", "pieces", "characters", "bytes", "bpe", "unigram"]

_SHORT_TEXT_CHARS = 40  # mean; shorter texts are names and codes, for which character n-grams work better
_MAX_FIT_CHARS = 20_000_000  # characters that the vocabulary is learned from: of more, every k-th text
_MAX_VOCABULARY = {
    "ngrams": 100_000,
    "words": 50_000,
    "word_level": 500_000,
    "pieces": 16_000,
    "characters": 10_000,
    "bpe": 8_000,
    "unigram": 8_000,
}
_WORD_DROPOUT = 0.1  # share of the words that are replaced by unknown in training


@dataclass(frozen=True, kw_only=True)
class Text(Feature):
    """Free text in any language.

    As a bag, a text is its words, punctuation, bigrams, stems and capitalised words; short texts (names, codes) have
    character n-grams instead of the latter two. For sequence networks it is a sequence of words or smaller tokens.
    Lists of words are not split further.

    Args:
        tokenization: "ngrams" (bag of words and n-grams), "words" (with their prefixes and suffixes; inputs only),
            "word_level" (whole words in lower case, for word vectors), "pieces" (words with a character fallback),
            "characters", "bytes", "bpe" or "unigram" (learned from the texts; need the extra `text`); None chooses by
            the network.
        tokenizer: a tokenizer.json, or the folder of a pretrained model with one; replaces `tokenization`.
        ngrams: 1 for single words, 2 for bigrams too.
        subword_features: subwords of a bag, "stems" or "characters"; None chooses by the length of the texts.
        max_vocabulary: size limit of the vocabulary, most frequent first; > 0; None takes the tokenization's default.
        min_count: occurrences from which a word of "word_level" is in the vocabulary.
        max_words: longer texts are truncated to so many words or tokens; > 0.

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
    subword_features: SubwordFeatures | None = None
    max_vocabulary: Count | None = None
    min_count: Count = 5
    max_words: Count = 1_000

    vocabulary_: tuple[str, ...] | None = None  # by falling count, ties in alphabetical order
    counts_: tuple[int, ...] | None = None  # ngrams: document frequencies; outputs: of each code
    rows_: int | None = None  # training texts that were counted
    subword_features_: SubwordFeatures | Literal[""] | None = None
    content_: str | None = None  # JSON of a subword tokenizer
    lists_: bool | None = None  # cells are lists of words
    length_: int | None = None  # tokens of the longest training text
    mean_length_: float | None = None

    sequential: ClassVar[bool] = True
    is_text: ClassVar[bool] = True
    terminated: ClassVar[bool] = False  # codes end with END, and an empty text is not missing: outputs

    @classmethod
    def infer_type(cls, raw: Raw, name: str) -> TypeGuess | None:
        """By the number of words, and the share of distinct texts."""
        if not isinstance(raw, pl.Series) or raw.dtype != pl.String:
            return None
        texts = raw.filter(~is_missing(raw))
        if not len(texts):
            return TypeGuess(0.05, "no value")
        if (why := _other_kind(texts)) is not None:
            return TypeGuess(0.15, why)
        distinct = texts.n_unique()
        distinct_share, words = distinct / len(texts), cast(float, texts.str.count_matches(r"\s+\S").mean()) + 1
        cell = f"{words:.0f} word{'' if round(words) == 1 else 's'}"
        why = f"{cell} per text, {distinct} different texts in {len(texts):,} rows"
        if words >= 4 and (distinct_share > 0.3 or cast(float, texts.str.len_chars().mean()) > 50):
            return TypeGuess(0.9, why)
        return TypeGuess(0.6 if distinct_share >= 0.3 else 0.45 if words >= 2 else 0.3, why)

    @classmethod
    def statistics(cls, raw: Raw) -> list[Statistic]:
        if not isinstance(raw, pl.Series) or raw.dtype not in (pl.String, pl.List(pl.String)):
            return []
        return [Statistic("words", floats(raw.str.count_matches(r"\S+") if raw.dtype == pl.String else raw.list.len()))]

    def as_sequence(self) -> Self:
        return self if self.tokenization or self.tokenizer else replace(self, tokenization="words")

    def fit(self, chunks: Iterable[Raw]) -> Self:
        chunks = list(chunks)
        lists = any(isinstance(raw, pl.Series) and raw.dtype == pl.List(pl.String) for raw in chunks)
        if lists and self.tokenization not in (None, "words", "ngrams"):
            raise self.bad_value(f"lists of words take tokenization words, not {self.tokenization}")
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
            feature = replace(
                feature, vocabulary_=(), content_=Subwords.learn(self.tokenization, texts, self._vocabulary_limit)
            )
        elif feature._tokenization == "words":
            vocabulary = learn_word_features(feature._split(texts), self._vocabulary_limit)
            return replace(feature, vocabulary_=vocabulary, rows_=len(texts))
        elif feature._tokenization == "word_level":
            feature = replace(feature, vocabulary_=WordLevel.learn(texts, self._vocabulary_limit, self.min_count))
            if not feature.vocabulary_:
                raise self.bad_value(
                    f"no word occurs min_count={self.min_count:,} times in the training texts; lower it"
                )
        else:
            learn = {"pieces": Pieces.learn, "characters": Characters.learn}.get(self.tokenization)
            feature = replace(feature, vocabulary_=learn(texts, self._vocabulary_limit) if learn else ())
        codes = feature._coded(texts)
        counted = self.terminated or self.tokenization == "word_level"
        return replace(
            feature,
            rows_=len(texts),
            counts_=tuple(np.bincount(codes.values, minlength=feature.size).tolist()) if counted else (),
            length_=int(codes.lengths.max(initial=1)),
            mean_length_=float(codes.lengths.mean()) if len(texts) else 1.0,
        )

    def encode(self, raw: Raw) -> Column:
        """Codes (total,) int32; (total, 7) of words; ascending codes of a bag, 1 + index in the vocabulary."""
        texts = self._texts(raw)
        mask = texts.is_not_null().to_numpy()
        if self._tokenization == "words":
            words = self._split(texts)
            offsets = np.concatenate([[0], np.cumsum(words.lengths)])
            return Column(self._word_encoder.encode(words), mask if self.lists_ else words.lengths > 0, offsets)
        if self._tokenization == "ngrams":
            parts = [self._bag(part) for part in self._slices(texts)]
        else:
            parts = [self._coded(part) for part in self._slices(texts)]
        lengths = np.concatenate([np.zeros(1, np.int64), *(p.lengths for p in parts)])
        values = np.concatenate([np.zeros(0, np.int32), *(p.values for p in parts)])
        return Column(values, mask if self.terminated else lengths[1:] > 0, np.cumsum(lengths))

    def count_anomalies(self, raw: Raw) -> dict[str, int]:
        if self.lists_:
            return {}
        texts = self._texts(raw)
        if self._tokenization in ("ngrams", "words"):
            unit, count = "words", count_truncated(texts, self.max_words)
        else:
            unit = self.tokenization or "tokens"
            count = int((self._codec.encode(texts).lengths > self.max_words).sum())
        return {f"text longer than {self.max_words:,} {unit}, truncated": count} if count else {}

    @property
    def size(self) -> int:
        """Number of codes."""
        return 1 + len(self.vocabulary_) if self._tokenization in ("ngrams", "words") else self._codec.size

    def text_of(self, codes: Iterable[int]) -> str:
        """The text of codes, for tokenizations that can be decoded."""
        return self._codec.decode(codes)

    def piece_of(self, codes: Sequence[int]) -> str:
        """The text of codes inside a text, which may begin with a space."""
        if self.tokenization in ("characters", "bytes"):
            return self._codec.decode(codes)
        before = self._codec.encode(pl.Series(["a"])).values.tolist()  # keeps a leading space
        return self._codec.decode([*before, *codes])[1:]

    def encoder(self, dim: int) -> nn.Module:
        if self._tokenization != "ngrams":
            from deepglass.nn.embeddings import TokenEncoder

            return TokenEncoder(self.size, dim, _WORD_DROPOUT if self._tokenization == "words" else 0.0)
        from deepglass.nn.bag import BagEmbedding, BagEncoder, inverse_document_frequency

        weights = inverse_document_frequency([self.rows_, *self.counts_], self.rows_)
        return BagEncoder(BagEmbedding(weights.square(), dim, drop=0.3))

    def _fit_bag(self, texts: pl.Series) -> Self:
        chars = count_characters(texts, self.max_words) if not self.lists_ else _SHORT_TEXT_CHARS * len(texts)
        parts = self.subword_features or ("characters" if chars < _SHORT_TEXT_CHARS * len(texts) else "stems")
        sample = texts.gather_every(1 + chars // _MAX_FIT_CHARS)
        counts = count_ngrams(self._split(sample), parts, self.ngrams > 1, self._vocabulary_limit)
        return replace(
            self,
            vocabulary_=tuple(gram for gram, _ in counts),
            counts_=tuple(n for _, n in counts),
            rows_=len(sample),
            subword_features_=parts,
        )

    def _bag(self, texts: pl.Series) -> Codes:
        return Codes(*self._lexicon.encode(self._split(texts), cast(SubwordFeatures, self.subword_features_)))

    def _coded(self, texts: pl.Series) -> Codes:
        codes = truncate(self._codec.encode(texts), self.max_words)
        return append_end(codes, texts.is_not_null().to_numpy()) if self.terminated else codes

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
    def _vocabulary_limit(self) -> int:
        return self.max_vocabulary or _MAX_VOCABULARY.get(self._tokenization, 0)

    @cached_property
    def _lexicon(self) -> Lexicon:
        return Lexicon(self.vocabulary_)

    @cached_property
    def _word_encoder(self) -> WordFeatures:
        return WordFeatures(self.vocabulary_)

    @cached_property
    def _codec(self) -> Codec:
        if self.content_:
            return Subwords(self.content_, add_special_tokens=bool(self.tokenizer) and not self.terminated)
        if self.tokenization == "bytes":
            return Bytes()
        if self.tokenization == "word_level":
            return WordLevel(self.vocabulary_)
        return Characters(self.vocabulary_) if self.tokenization == "characters" else Pieces(self.vocabulary_)

    def _texts(self, raw: Raw) -> pl.Series:
        series = raw if isinstance(raw, pl.Series) else pl.Series(values=list(raw))
        if self.lists_ and series.dtype in (pl.List(pl.String), pl.Null):
            return series.cast(pl.List(pl.String))
        if series.dtype.is_nested() or series.dtype in (pl.Binary, pl.Object):
            raise self.bad_value(f"expected texts, not {series.dtype}")
        series = series.cast(pl.String)
        if self.lists_:  # words separated by spaces
            series = series.str.extract_all(r"\S+")
            return series.set(series.list.len() == 0, None)
        return series.set(is_missing(series), None)


def _other_kind(texts: pl.Series) -> str | None:
    """The other kind that a column of texts fits better, if any."""
    numbers = parse_numbers(texts)
    if numbers is not None and numbers.share > 0.9:
        return "numbers"
    if parse_dates(texts) is not None:
        return "dates"
    paths = texts.str.contains(r"^\S*\.[A-Za-z][A-Za-z0-9]{1,4}$|^\S*[/\\]\S+[/\\]\S*$").mean()
    return "paths of files" if cast(float, paths) > 0.9 else None
