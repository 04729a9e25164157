"""Words in order as features: the word, its shape, prefixes and suffixes, so that unseen words have some too."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from deepglass.features._ngrams import Words

SLOTS = 7  # codes per word
_WORD_CHARS = 40
_MIN_COUNT = 2


def learn(words: Words, limit: int) -> tuple[str, ...]:
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
