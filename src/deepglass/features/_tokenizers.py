"""Texts as codes in order, and back: characters, bytes, and words that are spelled where they are unknown.

Codes of all of these: 0 is unknown (or nothing), 1 ends a text, the others follow.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

import numpy as np
import polars as pl

from deepglass.features._alignment import first_of_each
from deepglass.features._ngrams import APART, spread, words_of

UNKNOWN, END, FIRST = 0, 1, 2

_PIECE = rf" ?[{APART}]| ?[\w--[{APART}]]+| ?[^\w\s]|\s"
_MIN_COUNT = 2  # a word that was met once is spelled
_RARE = "\ufffd"


class Codes(NamedTuple):
    """Codes of texts end to end.

    Shapes:
        lengths: (N,) int64; values: (total,) int32.
    """

    lengths: np.ndarray
    values: np.ndarray


class Codec(Protocol):
    """A way from texts to codes and back; codes are below `size`."""

    @property
    def size(self) -> int: ...

    def encode(self, texts: pl.Series) -> Codes:
        """Null has no code."""
        ...

    def decode(self, codes: Iterable[int]) -> str: ...


class Characters:
    """A code a character.

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
        """The commonest characters, by falling count."""
        points, counts = np.unique(_points_of(texts), return_counts=True)
        order = np.lexsort([points, -counts])[:limit]
        return tuple(map(chr, points[order].tolist()))

    def encode(self, texts: pl.Series) -> Codes:
        lengths = texts.str.len_chars().fill_null(0).to_numpy().astype(np.int64)
        points = _points_of(texts)
        if not len(self._points):
            return Codes(lengths, np.zeros(len(points), np.int32))
        at = np.searchsorted(self._points, points).clip(max=len(self._points) - 1)
        codes = np.where(self._points[at] == points, FIRST + self._order[at], UNKNOWN)
        return Codes(lengths, codes.astype(np.int32))

    def decode(self, codes: Iterable[int]) -> str:
        return _joined(self.vocabulary, codes)


class Bytes:
    """A code a byte of UTF-8: 256 of them say any text of any language."""

    size = FIRST + 256

    def encode(self, texts: pl.Series) -> Codes:
        lengths = texts.str.len_bytes().fill_null(0).to_numpy().astype(np.int64)
        joined = "".join(t for t in texts.to_list() if t).encode()
        return Codes(lengths, FIRST + np.frombuffer(joined, np.uint8).astype(np.int32))

    def decode(self, codes: Iterable[int]) -> str:
        return bytes(c - FIRST for c in codes if c >= FIRST).decode("utf-8", "replace")


class Pieces:
    """A code a word, with the space before it, or a mark; a word that is not known is spelled.

    So a text of known characters comes back as it was, and a network can write words that it has never met.

    Args:
        vocabulary: characters and words.
    """

    def __init__(self, vocabulary: Sequence[str]) -> None:
        self.vocabulary = vocabulary
        self.size = FIRST + len(vocabulary)
        self._codes = {piece: code for code, piece in enumerate(vocabulary, FIRST)}

    @staticmethod
    def learn(texts: pl.Series, limit: int) -> tuple[str, ...]:
        """All characters and the commonest words, at most `limit` together."""
        characters = Characters.learn(_spaced(texts), min(1_000, limit))
        pieces = _pieces_of(texts).explode().drop_nulls().value_counts(sort=False)
        counts = Counter(dict(zip(pieces.to_series(0).to_list(), pieces["count"].to_list(), strict=True)))
        words = sorted((w for w, n in counts.items() if len(w) > 1 and n >= _MIN_COUNT), key=lambda w: (-counts[w], w))
        return (*characters, *words[: limit - len(characters)])

    def encode(self, texts: pl.Series) -> Codes:
        words = words_of(_pieces_of(texts))
        rows, codes = spread(words, [self._spell(piece) for piece in words.distinct])
        return Codes(np.bincount(rows, minlength=len(texts)), codes.astype(np.int32))

    def decode(self, codes: Iterable[int]) -> str:
        return _joined(self.vocabulary, codes).removeprefix(" ")

    def _spell(self, piece: str) -> list[int]:
        code = self._codes.get(piece)
        return [code] if code is not None else [self._codes.get(c, UNKNOWN) for c in piece]


def cut(codes: Codes, limit: int) -> Codes:
    """At most so many codes a text, from its beginning."""
    if not (codes.lengths > limit).any():
        return codes
    lengths = codes.lengths.clip(max=limit)
    return Codes(lengths, codes.values[first_of_each(codes.lengths, lengths)])


def ended(codes: Codes, present: np.ndarray) -> Codes:
    """With the code that ends a text after each that is present, (N,) bool."""
    ends = np.cumsum(codes.lengths)[present]
    return Codes(codes.lengths + present, np.insert(codes.values, ends, END).astype(np.int32))


def _joined(vocabulary: Sequence[str], codes: Iterable[int]) -> str:
    return "".join(vocabulary[c - FIRST] if c >= FIRST else _RARE for c in codes if c != END)


def _points_of(texts: pl.Series) -> np.ndarray:
    joined = "".join(t for t in texts.to_list() if t)
    return np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), np.uint32)


def _spaced(texts: pl.Series) -> pl.Series:
    return " " + texts


def _pieces_of(texts: pl.Series) -> pl.Series:
    return _spaced(texts).str.extract_all(_PIECE)
