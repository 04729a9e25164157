"""Bags of n-grams: words, punctuation, subwords and bigrams, counted and encoded a column at a time.

Each distinct word is split once, in Python; the rest is numpy over all words of a column.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, NamedTuple

import numpy as np
import polars as pl

SubwordFeatures = Literal["stems", "characters"]

UNSPACED_SCRIPTS = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"  # written without spaces
# A character of an unspaced script, a word, or a punctuation mark.
_WORD = rf"[{UNSPACED_SCRIPTS}]|[\w--[{UNSPACED_SCRIPTS}]]+|[^\w\s]"
_STEM_CHARS = 4  # so "elect" and "elections" share a stem
_MAX_WORD_CHARS = 40  # longer words are truncated
_MAX_CHARS_PER_WORD = 10  # limits the characters that are read of a text
_SLICE_BYTES = 4_000_000  # of texts that are encoded at once
_MAX_BIGRAM_WORDS = 200_000  # keeps the codes of bigrams below 2^63
_MIN_COUNT = 2  # training texts; rarer n-grams are dropped


class Words(NamedTuple):
    """The concatenated words of texts, each as an index into the distinct words."""

    distinct: list[str]  # case-sensitive
    indices: np.ndarray  # (n,)
    rows: np.ndarray  # (n,) int64: index of the text
    lengths: np.ndarray  # (N,) int64: words per text


def split_words(texts: pl.Series, limit: int) -> Words:
    """The first `limit` words of each text."""
    return words_of(_lists(texts, limit), _MAX_WORD_CHARS)


def words_of(lists: pl.Series, max_chars: int | None = None) -> Words:
    """Words of lists, each truncated to `max_chars` characters."""
    lengths = lists.list.len().fill_null(0).to_numpy().astype(np.int64)
    flat = lists.explode(empty_as_null=False).drop_nulls().str.slice(0, max_chars)
    distinct = flat.unique(maintain_order=True)
    indices = flat.cast(pl.Enum(distinct)).to_physical().to_numpy()
    return Words(distinct.to_list(), indices, np.repeat(np.arange(len(lists)), lengths), lengths)


def count_characters(texts: pl.Series, limit: int) -> int:
    """Number of characters that `split_words` reads."""
    return int(texts.str.len_chars().clip(upper_bound=_MAX_CHARS_PER_WORD * limit).sum())


def count_truncated(texts: pl.Series, limit: int) -> int:
    """Number of texts with more than `limit` words."""
    long = texts.filter((texts.str.len_bytes() > limit).fill_null(False))  # a word has at least one byte
    cut = long.str.len_chars() > _MAX_CHARS_PER_WORD * limit
    return int(cut.sum()) + sum(
        int((_lists(part, limit + 1).list.len() > limit).sum()) for part in slices(long.filter(~cut), limit)
    )


def slices(texts: pl.Series, limit: int) -> Iterator[pl.Series]:
    """Slices of a column of at most about `_SLICE_BYTES` bytes."""
    size = texts.str.len_bytes().fill_null(0).clip(upper_bound=_MAX_CHARS_PER_WORD * limit).cast(pl.Int64)
    ends = np.flatnonzero(np.diff(size.cum_sum().to_numpy() // _SLICE_BYTES)) + 1
    for start, end in zip([0, *ends.tolist()], [*ends.tolist(), len(texts)], strict=True):
        if end > start:
            yield texts[start:end]


def count_ngrams(words: Words, parts: SubwordFeatures, use_bigrams: bool, limit: int) -> list[tuple[str, int]]:
    """N-grams and their document frequencies, in falling order, ties in alphabetical order."""
    codes: dict[str, int] = {}
    pieces = [[codes.setdefault(p, len(codes)) for p in pieces_of(w, parts)] for w in words.distinct]
    names = list(codes)
    counts = [(names[code], n) for code, n in _frequent(*expand(words, pieces))]
    if use_bigrams:
        # A bigram is in no more texts than each of its words.
        bigrams = Bigrams.among(gram for gram, _ in _most_frequent(counts, min(limit, _MAX_BIGRAM_WORDS)))
        counts += [(bigrams.name(code), n) for code, n in _frequent(*bigrams.adjacent(words))]
    return _most_frequent(counts, limit)


def pieces_of(word: str, parts: SubwordFeatures) -> list[str]:
    """Unigrams of one word: the word and its subwords; a suffix tells their kinds apart."""
    lower = word.lower()
    if parts == "characters":
        framed = f"<{lower}>"
        return [lower, *(framed[i : i + n] + "~" for n in (2, 3, 4) for i in range(len(framed) - n + 1))]
    stem = [lower[:_STEM_CHARS] + "*"] if len(lower) > _STEM_CHARS else []
    return [lower, *stem, *([lower + "^"] if lower != word else [])]


class Bigrams(NamedTuple):
    """Bigrams over some words; code = index of the first word * number of words + index of the second."""

    words: dict[str, int]
    names: list[str]

    @classmethod
    def among(cls, words: Iterable[str]) -> Bigrams:
        names = list(dict.fromkeys(words))
        return cls({w: i for i, w in enumerate(names)}, names)

    def code(self, pair: str) -> int:
        first, second = pair.split(" ")
        return self.words[first] * len(self.words) + self.words[second]

    def name(self, code: int) -> str:
        first, second = divmod(code, len(self.words))
        return f"{self.names[first]} {self.names[second]}"

    def adjacent(self, words: Words) -> tuple[np.ndarray, np.ndarray]:
        """Rows and codes of all adjacent pairs of these words."""
        index = np.array([self.words.get(w.lower(), -1) for w in words.distinct], dtype=np.int64)[words.indices]
        first, second = index[:-1], index[1:]
        valid = (words.rows[:-1] == words.rows[1:]) & (first >= 0) & (second >= 0)
        return words.rows[:-1][valid], first[valid] * len(self.words) + second[valid]


class Lexicon:
    """Encoder of texts over a vocabulary of n-grams: codes from 1, and 0 for a text without any of them."""

    def __init__(self, vocabulary: Sequence[str]) -> None:
        self.codes = {gram: code for code, gram in enumerate(vocabulary, 1)}
        bigrams = [gram for gram in vocabulary if " " in gram]
        self.bigrams = Bigrams.among(word for gram in bigrams for word in gram.split(" "))
        keys = np.array([self.bigrams.code(gram) for gram in bigrams], dtype=np.int64)
        order = np.argsort(keys)
        self.bigram_keys = keys[order]
        self.bigram_codes = np.array([self.codes[gram] for gram in bigrams], dtype=np.int64)[order]

    def encode(self, words: Words, parts: SubwordFeatures) -> tuple[np.ndarray, np.ndarray]:
        """Number of codes of each text (N,) int64, and the concatenated codes int32, ascending within a text.

        An n-gram with n occurrences in a text has its code 1 + floor(log2(n)) times (sublinear term frequency).
        """
        pieces = [[c for p in pieces_of(w, parts) if (c := self.codes.get(p)) is not None] for w in words.distinct]
        rows, codes = expand(words, pieces)
        bigram_rows, bigrams = self._bigrams(words)
        rows, codes = np.concatenate([rows, bigram_rows]), np.concatenate([codes, bigrams])
        texts = len(words.lengths)
        unknown = np.flatnonzero((words.lengths > 0) & (np.bincount(rows, minlength=texts) == 0))
        rows, codes = np.concatenate([rows, unknown]), np.concatenate([codes, np.zeros_like(unknown)])
        keys = np.sort(rows * (1 + len(self.codes)) + codes)
        occurrence = _occurrences(keys)
        rows, codes = np.divmod(
            keys[occurrence & (occurrence - 1) == 0], 1 + len(self.codes)
        )  # the 1st, 2nd, 4th, 8th, ...
        return np.bincount(rows, minlength=texts), codes.astype(np.int32)

    def _bigrams(self, words: Words) -> tuple[np.ndarray, np.ndarray]:
        rows, keys = self.bigrams.adjacent(words)
        if not len(self.bigram_keys):
            return rows[:0], keys[:0]
        at = np.searchsorted(self.bigram_keys, keys).clip(max=len(self.bigram_keys) - 1)
        matches = self.bigram_keys[at] == keys
        return rows[matches], self.bigram_codes[at[matches]]


def _lists(texts: pl.Series, limit: int) -> pl.Series:
    return texts.str.slice(0, _MAX_CHARS_PER_WORD * limit).str.extract_all(_WORD).list.head(limit)


def expand(words: Words, pieces: Sequence[Sequence[int]]) -> tuple[np.ndarray, np.ndarray]:
    """Rows and codes (total,) int64 of all words, from the codes of each distinct word."""
    counts = np.array([len(p) for p in pieces], dtype=np.int64)
    flat = np.array([code for p in pieces for code in p], dtype=np.int64)
    starts = np.cumsum(counts) - counts
    repeats = counts[words.indices]
    ends = np.cumsum(repeats)
    inside = np.arange(repeats.sum()) - np.repeat(ends - repeats, repeats)
    return np.repeat(words.rows, repeats), flat[np.repeat(starts[words.indices], repeats) + inside]


def _frequent(rows: np.ndarray, codes: np.ndarray) -> list[tuple[int, int]]:
    """Codes of enough rows, and their numbers of rows."""
    size = int(rows.max(initial=0)) + 1
    keys = np.sort(codes * size + rows)
    codes = keys[_is_first(keys)] // size  # each code once a row
    starts = np.flatnonzero(_is_first(codes))
    counts = np.diff(starts, append=len(codes))
    is_frequent = counts >= _MIN_COUNT
    return list(zip(codes[starts[is_frequent]].tolist(), counts[is_frequent].tolist(), strict=True))


def _most_frequent(counts: list[tuple[str, int]], limit: int) -> list[tuple[str, int]]:
    return sorted(counts, key=lambda pair: (-pair[1], pair[0]))[:limit]


def _is_first(ascending: np.ndarray) -> np.ndarray:
    """True at the first of equal values."""
    first = np.ones(len(ascending), dtype=bool)
    first[1:] = ascending[1:] != ascending[:-1]
    return first


def _occurrences(ascending: np.ndarray) -> np.ndarray:
    """1 for the first of equal values, 2 for the second, ..."""
    index = np.arange(len(ascending))
    return index - np.maximum.accumulate(np.where(_is_first(ascending), index, 0)) + 1


SLOTS = 7  # codes per word
_WORD_CHARS = 40


def learn_word_features(words: Words, limit: int) -> tuple[str, ...]:
    """The most frequent word features, by falling count."""
    occurrences = np.bincount(words.indices, minlength=len(words.distinct)).tolist()
    counts: Counter[str] = Counter()
    for word, n in zip(words.distinct, occurrences, strict=True):
        for feature in _features_of(word):
            counts[feature] += n
    frequent = sorted((k for k, n in counts.items() if n >= _MIN_COUNT), key=lambda k: (-counts[k], k))
    return tuple(frequent[:limit])


class WordFeatures:
    """Encoder of words as `SLOTS` features each.

    Args:
        vocabulary: as `learn` returns it; code 0 is unknown, 1 + k the k-th.
    """

    def __init__(self, vocabulary: Sequence[str]) -> None:
        self.codes = {feature: code for code, feature in enumerate(vocabulary, 1)}

    def encode(self, words: Words) -> np.ndarray:
        """Codes (n, SLOTS) int32; the first is that of the word itself."""
        table = np.array(
            [[self.codes.get(feature, 0) for feature in _features_of(word)] for word in words.distinct], dtype=np.int32
        ).reshape(-1, SLOTS)
        return table[words.indices] if len(words.indices) else table[:0]


def _features_of(word: str) -> list[str]:
    """The word, its shape, two prefixes and three suffixes; the first character tells the slots apart."""
    word = word[:_WORD_CHARS]
    lower = word.lower()
    return [
        f"={lower}",
        f"#{_shape(word)}",
        f"<{lower[:2]}",
        f"<{lower[:3]}",
        f">{lower[-1:]}",
        f">{lower[-2:]}",
        f">{lower[-3:]}",
    ]


def _shape(word: str) -> str:
    """Word shape with runs collapsed: X upper, x lower case, 9 digit; "McDonald's" is XxXx'x."""
    kinds = ["X" if c.isupper() else "x" if c.isalpha() else "9" if c.isdigit() else c for c in word]
    return "".join(k for i, k in enumerate(kinds) if i == 0 or k != kinds[i - 1])[:6]
