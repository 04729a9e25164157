"""Tokenizers: characters, bytes, words with a character fallback, and whole words.

Codes: 0 unknown (or blank), 1 end of text, then the vocabulary.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

import numpy as np
import polars as pl

from deepglass.features._alignment import prefix_mask
from deepglass.features._ngrams import UNSPACED_SCRIPTS, expand, words_of

UNKNOWN, END, FIRST = 0, 1, 2

_WORD = rf"[{UNSPACED_SCRIPTS}]|[\w--[{UNSPACED_SCRIPTS}]]+(?:['’][\w--[{UNSPACED_SCRIPTS}]]+)*"
_PIECE = rf" ?[{UNSPACED_SCRIPTS}]| ?[\w--[{UNSPACED_SCRIPTS}]]+| ?[^\w\s]|\s"
_MIN_COUNT = 2  # rarer words are spelled by characters
_UNKNOWN_CHAR = "\ufffd"


class Codes(NamedTuple):
    """Concatenated codes of texts.

    Shapes:
        lengths: (N,) int64; values: (total,) int32.
    """

    lengths: np.ndarray
    values: np.ndarray


class Codec(Protocol):
    """Tokenizer between texts and codes below `size`."""

    @property
    def size(self) -> int: ...

    def encode(self, texts: pl.Series) -> Codes:
        """Codes of each text; none for null."""
        ...

    def decode(self, codes: Iterable[int]) -> str: ...


class Characters:
    """Character tokenizer.

    Example:
        >>> codec = Characters(("a", "b"))
        >>> codec.decode(codec.encode(pl.Series(["abba"])).values)
        'abba'
    """

    def __init__(self, vocabulary: Sequence[str]) -> None:
        self.vocabulary = vocabulary
        self.size = FIRST + len(vocabulary)
        points = np.array([ord(c) for c in vocabulary], dtype=np.uint32)
        self._order = np.argsort(points)
        self._points = points[self._order]

    @staticmethod
    def learn(texts: pl.Series, limit: int) -> tuple[str, ...]:
        """The most frequent characters, by falling count."""
        points, counts = np.unique(_code_points(texts), return_counts=True)
        order = np.lexsort([points, -counts])[:limit]
        return tuple(map(chr, points[order].tolist()))

    def encode(self, texts: pl.Series) -> Codes:
        lengths = texts.str.len_chars().fill_null(0).to_numpy().astype(np.int64)
        points = _code_points(texts)
        if not len(self._points):
            return Codes(lengths, np.zeros(len(points), np.int32))
        index = np.searchsorted(self._points, points).clip(max=len(self._points) - 1)
        codes = np.where(self._points[index] == points, FIRST + self._order[index], UNKNOWN)
        return Codes(lengths, codes.astype(np.int32))

    def decode(self, codes: Iterable[int]) -> str:
        return _join(self.vocabulary, codes)


class Bytes:
    """UTF-8 byte tokenizer."""

    size = FIRST + 256

    def encode(self, texts: pl.Series) -> Codes:
        lengths = texts.str.len_bytes().fill_null(0).to_numpy().astype(np.int64)
        data = "".join(t for t in texts.to_list() if t).encode()
        return Codes(lengths, FIRST + np.frombuffer(data, np.uint8).astype(np.int32))

    def decode(self, codes: Iterable[int]) -> str:
        return bytes(c - FIRST for c in codes if c >= FIRST).decode("utf-8", "replace")


class Pieces:
    """Word tokenizer that spells words outside the vocabulary by characters.

    A word includes the space before it, so that texts of characters of the vocabulary round-trip.

    Args:
        vocabulary: characters and words.
    """

    def __init__(self, vocabulary: Sequence[str]) -> None:
        self.vocabulary = vocabulary
        self.size = FIRST + len(vocabulary)
        self._codes = {piece: code for code, piece in enumerate(vocabulary, FIRST)}

    @staticmethod
    def learn(texts: pl.Series, limit: int) -> tuple[str, ...]:
        """The characters and the most frequent words, at most `limit` together."""
        characters = Characters.learn(_prefix_space(texts), min(1_000, limit))
        pieces = _split_pieces(texts).explode().drop_nulls().value_counts(sort=False)
        counts = Counter(dict(zip(pieces.to_series(0).to_list(), pieces["count"].to_list(), strict=True)))
        words = sorted((w for w, n in counts.items() if len(w) > 1 and n >= _MIN_COUNT), key=lambda w: (-counts[w], w))
        return (*characters, *words[: limit - len(characters)])

    def encode(self, texts: pl.Series) -> Codes:
        words = words_of(_split_pieces(texts))
        rows, codes = expand(words, [self._spell(piece) for piece in words.distinct])
        return Codes(np.bincount(rows, minlength=len(texts)), codes.astype(np.int32))

    def decode(self, codes: Iterable[int]) -> str:
        return _join(self.vocabulary, codes).removeprefix(" ")

    def _spell(self, piece: str) -> list[int]:
        code = self._codes.get(piece)
        return [code] if code is not None else [self._codes.get(c, UNKNOWN) for c in piece]


class WordLevel:
    """Tokenizer of whole words in lower case, without punctuation; a rarer word is unknown.

    Args:
        vocabulary: words.

    Example:
        >>> codec = WordLevel(("the", "queen"))
        >>> codec.decode(codec.encode(pl.Series(["The Queen!"])).values)
        'the queen'
    """

    def __init__(self, vocabulary: Sequence[str]) -> None:
        self.vocabulary = vocabulary
        self.size = FIRST + len(vocabulary)
        self.codes = {word: code for code, word in enumerate(vocabulary, FIRST)}

    @staticmethod
    def learn(texts: pl.Series, limit: int, min_count: int) -> tuple[str, ...]:
        """The most frequent words, by falling count."""
        counts = _split_words(texts).explode().drop_nulls().alias("word").value_counts(sort=False)
        frequent = counts.filter(pl.col("count") >= min_count).sort(["count", "word"], descending=[True, False])
        return tuple(frequent["word"].head(limit).to_list())

    def encode(self, texts: pl.Series) -> Codes:
        words = words_of(_split_words(texts))
        codes = np.array([self.codes.get(word, UNKNOWN) for word in words.distinct], np.int32)
        return Codes(words.lengths, codes[words.indices] if len(codes) else codes)

    def decode(self, codes: Iterable[int]) -> str:
        return " ".join(self.vocabulary[c - FIRST] if c >= FIRST else _UNKNOWN_CHAR for c in codes if c != END)


def truncate(codes: Codes, limit: int) -> Codes:
    """The first `limit` codes of each text."""
    if not (codes.lengths > limit).any():
        return codes
    lengths = codes.lengths.clip(max=limit)
    return Codes(lengths, codes.values[prefix_mask(codes.lengths, lengths)])


def append_end(codes: Codes, present: np.ndarray) -> Codes:
    """Append END to each text that is present, (N,) bool."""
    ends = np.cumsum(codes.lengths)[present]
    return Codes(codes.lengths + present, np.insert(codes.values, ends, END).astype(np.int32))


def _join(vocabulary: Sequence[str], codes: Iterable[int]) -> str:
    return "".join(vocabulary[c - FIRST] if c >= FIRST else _UNKNOWN_CHAR for c in codes if c != END)


def _code_points(texts: pl.Series) -> np.ndarray:
    text = "".join(t for t in texts.to_list() if t)
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)


def _split_words(texts: pl.Series) -> pl.Series:
    return texts.str.to_lowercase().str.extract_all(_WORD)


def _prefix_space(texts: pl.Series) -> pl.Series:
    return " " + texts


def _split_pieces(texts: pl.Series) -> pl.Series:
    return _prefix_space(texts).str.extract_all(_PIECE)
