"""Words in order, each by what it is and how it begins and ends, so that an unknown word still says something."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from deepglass.features._ngrams import Words

SLOTS = 7  # codes a word
_WORD_CHARS = 40
_MIN_COUNT = 2


def learn(words: Words, limit: int) -> tuple[str, ...]:
    """The looks of words that are known, by falling count; each stands for one slot."""
    times = np.bincount(words.places, minlength=len(words.distinct)).tolist()
    counts: Counter[str] = Counter()
    for word, n in zip(words.distinct, times, strict=True):
        for look in _looks(word):
            counts[look] += n
    known = sorted((k for k, n in counts.items() if n >= _MIN_COUNT), key=lambda k: (-counts[k], k))
    return tuple(known[:limit])


class Looks:
    """Words to codes.

    Args:
        vocabulary: what `learn` gave; code 0 is "unknown", 1 + k the k-th.
    """

    def __init__(self, vocabulary: Sequence[str]) -> None:
        self.codes = {look: code for code, look in enumerate(vocabulary, 1)}

    def encode(self, words: Words) -> np.ndarray:
        """Codes (n, SLOTS) int32; the first slot is the word itself."""
        table = np.array(
            [[self.codes.get(look, 0) for look in _looks(word)] for word in words.distinct], dtype=np.int32
        ).reshape(-1, SLOTS)
        return table[words.places] if len(words.places) else table[:0]


def _looks(word: str) -> list[str]:
    """The word, its shape, two beginnings and three endings; a mark before each keeps the slots apart."""
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
    """Capital, small letter, digit or mark a character, each run as one: "McDonald's" is XxXx'x."""
    kinds = ["X" if c.isupper() else "x" if c.isalpha() else "9" if c.isdigit() else c for c in word]
    return "".join(k for i, k in enumerate(kinds) if i == 0 or k != kinds[i - 1])[:6]
