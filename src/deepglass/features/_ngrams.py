"""Texts as n-grams: words and marks, their parts, and pairs of neighbours; counted, and looked up, a column at a time.

Each distinct word is taken apart once, in Python; what concerns each word of each text is numpy.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, NamedTuple

import numpy as np
import polars as pl

Parts = Literal["stems", "characters"]

APART = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"  # written without spaces
_WORD = rf"[{APART}]|[\w--[{APART}]]+|[^\w\s]"  # a mark of punctuation says something too
_STEM = 4  # letters: "elect" and "elections" begin alike
_WORD_CHARS = 40  # of a longer word only the beginning is looked at
_CHARS_A_WORD = 10  # so many are read at most for each word that may be kept
_SLICE = 4_000_000  # bytes that are worked on at once
_PAIR_WORDS = 200_000  # pairs are looked for among so many words, so that their codes stay below 2^63
_MIN_COUNT = 2  # an n-gram of one training text cannot be told from chance


class Words(NamedTuple):
    """The words and marks of some texts end to end, each as its place among the distinct ones."""

    distinct: list[str]  # as written
    places: np.ndarray  # (n,)
    rows: np.ndarray  # (n,) int64: the text that it stands in
    lengths: np.ndarray  # (N,) int64: words a text


def split_words(texts: pl.Series, limit: int) -> Words:
    """The first words of each text."""
    return words_of(_lists(texts, limit), _WORD_CHARS)


def words_of(lists: pl.Series, longest: int | None = None) -> Words:
    """Lists of words as they are, or the first `longest` characters of each word."""
    lengths = lists.list.len().fill_null(0).to_numpy().astype(np.int64)
    flat = lists.explode(empty_as_null=False).drop_nulls().str.slice(0, longest)
    distinct = flat.unique(maintain_order=True)
    places = flat.cast(pl.Enum(distinct)).to_physical().to_numpy()
    return Words(distinct.to_list(), places, np.repeat(np.arange(len(lists)), lengths), lengths)


def chars_read(texts: pl.Series, limit: int) -> int:
    """How many characters `split_words` looks at."""
    return int(texts.str.len_chars().clip(upper_bound=_CHARS_A_WORD * limit).sum())


def too_long(texts: pl.Series, limit: int) -> int:
    """How many texts have more words than are read."""
    long = texts.filter((texts.str.len_bytes() > limit).fill_null(False))  # a word has at least one byte
    cut = long.str.len_chars() > _CHARS_A_WORD * limit
    return int(cut.sum()) + sum(
        int((_lists(part, limit + 1).list.len() > limit).sum()) for part in slices(long.filter(~cut), limit)
    )


def slices(texts: pl.Series, limit: int) -> Iterator[pl.Series]:
    """Parts of a column, small enough to be worked on at once."""
    size = texts.str.len_bytes().fill_null(0).clip(upper_bound=_CHARS_A_WORD * limit).cast(pl.Int64)
    ends = np.flatnonzero(np.diff(size.cum_sum().to_numpy() // _SLICE)) + 1
    for start, end in zip([0, *ends.tolist()], [*ends.tolist(), len(texts)], strict=True):
        if end > start:
            yield texts[start:end]


def count_ngrams(words: Words, parts: Parts, pairs: bool, limit: int) -> list[tuple[str, int]]:
    """The n-grams of more than one text and in how many they stand, falling, equals in the order of their text."""
    known: dict[str, int] = {}
    pieces = [[known.setdefault(p, len(known)) for p in pieces_of(w, parts)] for w in words.distinct]
    names = list(known)
    counts = [(names[code], n) for code, n in _frequent(*spread(words, pieces))]
    if pairs:
        # A pair stands in no more texts than its words do.
        among = Pairs.among(gram for gram, _ in _most(counts, min(limit, _PAIR_WORDS)))
        counts += [(among.name(code), n) for code, n in _frequent(*among.neighbours(words))]
    return _most(counts, limit)


def pieces_of(word: str, parts: Parts) -> list[str]:
    """What one word adds to the bag; a sign at the end keeps the kinds apart."""
    lower = word.lower()
    if parts == "characters":
        framed = f"<{lower}>"
        return [lower, *(framed[i : i + n] + "~" for n in (2, 3, 4) for i in range(len(framed) - n + 1))]
    stem = [lower[:_STEM] + "*"] if len(lower) > _STEM else []
    return [lower, *stem, *([lower + "^"] if lower != word else [])]


class Pairs(NamedTuple):
    """Pairs of neighbours among some words: the code is the first one's place times their number, plus the second's."""

    words: dict[str, int]
    names: list[str]

    @classmethod
    def among(cls, words: Iterable[str]) -> Pairs:
        names = list(dict.fromkeys(words))
        return cls({w: i for i, w in enumerate(names)}, names)

    def code(self, pair: str) -> int:
        first, second = pair.split(" ")
        return self.words[first] * len(self.words) + self.words[second]

    def name(self, code: int) -> str:
        first, second = divmod(code, len(self.words))
        return f"{self.names[first]} {self.names[second]}"

    def neighbours(self, words: Words) -> tuple[np.ndarray, np.ndarray]:
        """Rows and codes of all neighbours that are both among the words."""
        place = np.array([self.words.get(w.lower(), -1) for w in words.distinct], dtype=np.int64)[words.places]
        first, second = place[:-1], place[1:]
        known = (words.rows[:-1] == words.rows[1:]) & (first >= 0) & (second >= 0)
        return words.rows[:-1][known], first[known] * len(self.words) + second[known]


class Lexicon:
    """A vocabulary made ready for looking up; its n-grams are numbered from 1, and 0 is "nothing known"."""

    def __init__(self, vocabulary: Sequence[str]) -> None:
        self.codes = {gram: code for code, gram in enumerate(vocabulary, 1)}
        together = [gram for gram in vocabulary if " " in gram]
        self.pairs = Pairs.among(word for gram in together for word in gram.split(" "))
        keys = np.array([self.pairs.code(gram) for gram in together], dtype=np.int64)
        order = np.argsort(keys)
        self.pair_keys = keys[order]
        self.pair_codes = np.array([self.codes[gram] for gram in together], dtype=np.int64)[order]

    def encode(self, words: Words, parts: Parts) -> tuple[np.ndarray, np.ndarray]:
        """How many codes each text has, (N,) int64, and the codes end to end, int32, ascending in each text.

        What stands n times in a text is there 1 + floor(log2(n)) times: the tenth time says little.
        """
        pieces = [[c for p in pieces_of(w, parts) if (c := self.codes.get(p)) is not None] for w in words.distinct]
        rows, codes = spread(words, pieces)
        pair_rows, pairs = self._known_pairs(words)
        rows, codes = np.concatenate([rows, pair_rows]), np.concatenate([codes, pairs])
        texts = len(words.lengths)
        unknown = np.flatnonzero((words.lengths > 0) & (np.bincount(rows, minlength=texts) == 0))
        rows, codes = np.concatenate([rows, unknown]), np.concatenate([codes, np.zeros_like(unknown)])
        keys = np.sort(rows * (1 + len(self.codes)) + codes)
        nth = _nth(keys)
        rows, codes = np.divmod(keys[nth & (nth - 1) == 0], 1 + len(self.codes))  # the 1st, 2nd, 4th, 8th, ...
        return np.bincount(rows, minlength=texts), codes.astype(np.int32)

    def _known_pairs(self, words: Words) -> tuple[np.ndarray, np.ndarray]:
        rows, keys = self.pairs.neighbours(words)
        if not len(self.pair_keys):
            return rows[:0], keys[:0]
        at = np.searchsorted(self.pair_keys, keys).clip(max=len(self.pair_keys) - 1)
        known = self.pair_keys[at] == keys
        return rows[known], self.pair_codes[at[known]]


def _lists(texts: pl.Series, limit: int) -> pl.Series:
    return texts.str.slice(0, _CHARS_A_WORD * limit).str.extract_all(_WORD).list.head(limit)


def spread(words: Words, pieces: Sequence[Sequence[int]]) -> tuple[np.ndarray, np.ndarray]:
    """Give each word of the texts what its distinct word has: rows and codes, (total,) int64 both."""
    counts = np.array([len(p) for p in pieces], dtype=np.int64)
    flat = np.array([code for p in pieces for code in p], dtype=np.int64)
    starts = np.cumsum(counts) - counts
    number = counts[words.places]
    ends = np.cumsum(number)
    inside = np.arange(number.sum()) - np.repeat(ends - number, number)
    return np.repeat(words.rows, number), flat[np.repeat(starts[words.places], number) + inside]


def _frequent(rows: np.ndarray, codes: np.ndarray) -> list[tuple[int, int]]:
    """Codes that stand in enough rows, and in how many."""
    size = int(rows.max(initial=0)) + 1
    keys = np.sort(codes * size + rows)
    codes = keys[_is_first(keys)] // size  # each code once a row
    starts = np.flatnonzero(_is_first(codes))
    counts = np.diff(starts, append=len(codes))
    kept = counts >= _MIN_COUNT
    return list(zip(codes[starts[kept]].tolist(), counts[kept].tolist(), strict=True))


def _most(counts: list[tuple[str, int]], limit: int) -> list[tuple[str, int]]:
    return sorted(counts, key=lambda pair: (-pair[1], pair[0]))[:limit]


def _is_first(ascending: np.ndarray) -> np.ndarray:
    """Where a new value begins."""
    first = np.ones(len(ascending), dtype=bool)
    first[1:] = ascending[1:] != ascending[:-1]
    return first


def _nth(ascending: np.ndarray) -> np.ndarray:
    """The how-manieth of its value each one is, from 1."""
    place = np.arange(len(ascending))
    return place - np.maximum.accumulate(np.where(_is_first(ascending), place, 0)) + 1
