"""Texts: a bag of n-grams, or tokens in order for a network that reads or writes them so."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, Literal, Self, cast

import numpy as np
import polars as pl

from deepglass.errors import SourceError
from deepglass.features import _word_features as _words
from deepglass.features._cell_statistics import Statistic, floats
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
from deepglass.features._tokenizers import Bytes, Characters, Codec, Codes, Pieces, cut, ended
from deepglass.features.base import Column, Feature, Raw, TypeGuess
from deepglass.parsing import is_missing, parse_dates, parse_numbers

if TYPE_CHECKING:
    from torch import nn


Tokenization = Literal["ngrams", "words", "pieces", "characters", "bytes", "bpe", "unigram"]

_SHORT = 40  # characters: shorter texts are names and codes, whose characters say more than their words
_FIT_CHARS = 20_000_000  # that the vocabulary is learned from: where there are more, every so manieth text
_MOST = {"ngrams": 100_000, "words": 50_000, "pieces": 16_000, "characters": 10_000, "bpe": 8_000, "unigram": 8_000}
_WORD_DROP = 0.1  # of the words that training takes for unknown ones


@dataclass(frozen=True, kw_only=True)
class Text(Feature):
    """Free text in any language.

    Read without order, a text is a bag of its words, punctuation, bigrams, word prefixes and capitalised words; short
    texts (names, codes) have character n-grams instead of the latter two. Read in order, it is a sequence of words.
    Cells with lists of words are taken as they are.

    Args:
        tokenization: "ngrams" (bag of words and n-grams), "words" (with their prefixes and suffixes; inputs only),
            "pieces" (words, spelled where unknown), "characters", "bytes", "bpe" or "unigram" (learned from the texts,
            need the extra `text`); None decides by the network that reads it.
        tokenizer: a tokenizer.json, or the folder of a pretrained model that holds one, in place of a tokenization.
        ngrams: 1 for single words, 2 for bigrams too.
        subword_features: what a bag reads of a word beside the word; None decides by the length of the texts.
        max_vocabulary: size limit of the vocabulary, most frequent first; > 0; None takes the tokenization's default.
        max_words: a text is truncated to so many words (or tokens of a smaller unit); > 0.

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

    vocabulary_: tuple[str, ...] | None = None  # by falling count, equals in the order of their text
    counts_: tuple[int, ...] | None = None  # ngrams: training texts with each; an answer: of each code
    rows_: int | None = None  # how many training texts were counted
    subword_features_: Parts | Literal[""] | None = None
    content_: str | None = None  # of a tokenizer
    lists_: bool | None = None  # cells are lists of words
    length_: int | None = None  # tokens of the longest training text
    mean_length_: float | None = None

    sequential: ClassVar[bool] = True
    is_text: ClassVar[bool] = True
    terminated: ClassVar[bool] = False  # codes end with END, and an empty text is not missing: outputs

    def __post_init__(self) -> None:
        super().__post_init__()
        for setting in ("max_vocabulary", "max_words"):
            if (value := getattr(self, setting)) is not None and value < 1:
                raise ValueError(f"{setting}: expected at least 1, got {value}")

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

    @classmethod
    def statistics(cls, raw: Raw) -> list[Statistic]:
        if not isinstance(raw, pl.Series) or raw.dtype not in (pl.String, pl.List(pl.String)):
            return []
        return [Statistic("words", floats(raw.str.count_matches(r"\S+") if raw.dtype == pl.String else raw.list.len()))]

    def as_sequence(self) -> Self:
        return self if self.tokenization or self.tokenizer else replace(self, tokenization="words")

    # -- from texts to codes -------------------------------------------------------------------------------------

    def fit(self, chunks: Iterable[Raw]) -> Self:
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
        counts = np.bincount(codes.values, minlength=feature.size) if self.terminated else np.zeros(0, np.int64)
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
        return Column(values, known if self.terminated else lengths[1:] > 0, np.cumsum(lengths))

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

    # -- the rest ------------------------------------------------------------------------------------------------

    def _fit_bag(self, texts: pl.Series) -> Self:
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
        return ended(codes, texts.is_not_null().to_numpy()) if self.terminated else codes

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
            return Subwords(self.content_, wrapped=bool(self.tokenizer) and not self.terminated)
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
