"""Texts: sentences, articles, names, as inputs; a text becomes the bag of the n-grams that stand in it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal, cast

import numpy as np
import polars as pl

from deepglass.errors import SourceError
from deepglass.features._ngrams import Lexicon, Parts, chars_read, count_ngrams, slices, split_words, too_long
from deepglass.features.base import Column, Feature, Guess, Raw
from deepglass.parsing import is_missing, parse_dates, parse_numbers

if TYPE_CHECKING:
    from torch import nn

_SHORT = 40  # characters: shorter texts are names and codes, whose characters say more than their words
_FIT_CHARS = 20_000_000  # that the vocabulary is learned from: where there are more, every so manieth text


@dataclass(frozen=True, kw_only=True)
class Text(Feature):
    """Free text in any language, as an input.

    A text is the bag of its words and marks, pairs of neighbours, beginnings of words and capitalised words; in short
    texts (names, codes) the words' character n-grams take the place of the latter two.

    Args:
        ngrams: 1 for single words, 2 for pairs of neighbours too.
        parts: what else of a word is looked at; None decides by the length of the texts.
        max_vocabulary: at most so many n-grams are known, those that stand in the most texts; > 0.
        max_words: of a longer text only the beginning is read; > 0.

    Example:
        >>> text = Text(name="review").fit([pl.Series(["very good", "very bad", "good"])])
        >>> text.encode(pl.Series(["good day", None])).mask
        array([ True, False])

    Source: Joulin et al., 2016, arXiv 1607.01759 (words and pairs); Bojanowski et al., 2017, arXiv 1607.04606
    (character n-grams).
    """

    ngrams: Literal[1, 2] = 2
    parts: Parts | None = None
    max_vocabulary: int = 100_000
    max_words: int = 1_000

    vocabulary_: tuple[str, ...] | None = None  # by falling count, equals in the order of their text
    counts_: tuple[int, ...] | None = None  # how many training texts each stands in
    rows_: int | None = None  # how many training texts were counted
    parts_: Parts | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        for setting in ("max_vocabulary", "max_words"):
            if (value := getattr(self, setting)) < 1:
                raise ValueError(f"{setting}: expected at least 1, got {value}")

    @classmethod
    def recognise(cls, raw: Raw, name: str) -> Guess | None:
        """By how many words a cell has, and how seldom cells repeat."""
        if not isinstance(raw, pl.Series) or raw.dtype != pl.String:
            return None
        known = raw.filter(~is_missing(raw))
        if not len(known):
            return Guess(0.05, "no value at all")
        if (why := _other_kind(known)) is not None:
            return Guess(0.15, why)
        distinct = known.n_unique()
        share, words = distinct / len(known), cast(float, known.str.count_matches(r"\s+\S").mean()) + 1
        cell = f"{words:.0f} word{'' if round(words) == 1 else 's'}"
        said = f"{cell} a cell, {distinct} different texts in {len(known):,} rows"
        if words >= 4 and (share > 0.3 or cast(float, known.str.len_chars().mean()) > 50):
            return Guess(0.9, said)
        return Guess(0.6 if share >= 0.3 else 0.45 if words >= 2 else 0.3, said)

    def fit(self, chunks: Iterable[Raw]) -> Text:
        texts = pl.concat([pl.Series(values=[], dtype=pl.String), *(self._texts(raw) for raw in chunks)]).drop_nulls()
        chars = chars_read(texts, self.max_words)
        parts = self.parts or ("characters" if chars < _SHORT * len(texts) else "stems")
        sample = texts.gather_every(1 + chars // _FIT_CHARS)
        words = split_words(sample, self.max_words)
        counts = count_ngrams(words, parts, self.ngrams > 1, self.max_vocabulary)
        return replace(
            self,
            vocabulary_=tuple(gram for gram, _ in counts),
            counts_=tuple(n for _, n in counts),
            rows_=len(sample),
            parts_=parts,
        )

    def encode(self, raw: Raw) -> Column:
        """Codes (total,) int32, ascending in each row: 1 + place in the vocabulary, 0 where nothing is known."""
        lengths, values = [np.zeros(1, np.int64)], [np.zeros(0, np.int32)]
        for part in slices(self._texts(raw), self.max_words):
            number, codes = self._lexicon.encode(split_words(part, self.max_words), self.parts_)
            lengths.append(number)
            values.append(codes)
        offsets = np.cumsum(np.concatenate(lengths))
        return Column(np.concatenate(values), np.diff(offsets) > 0, offsets)

    def notes(self, raw: Raw) -> dict[str, int]:
        cut = too_long(self._texts(raw), self.max_words)
        return {f"text longer than {self.max_words:,} words, its end left out": cut} if cut else {}

    def encoder(self, dim: int) -> nn.Module:
        from deepglass.nn.bag import BagEmbedding, BagEncoder, inverse_document_frequency

        weights = inverse_document_frequency([self.rows_, *self.counts_], self.rows_)
        return BagEncoder(BagEmbedding(weights.square(), dim, drop=0.3))

    @cached_property
    def _lexicon(self) -> Lexicon:
        return Lexicon(self.vocabulary_)

    def _texts(self, raw: Raw) -> pl.Series:
        series = raw if isinstance(raw, pl.Series) else pl.Series(values=list(raw))
        if series.dtype.is_nested() or series.dtype in (pl.Binary, pl.Object):
            raise SourceError("bad-value", f"column {self.column!r}: expected texts, not {series.dtype}")
        series = series.cast(pl.String)
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
