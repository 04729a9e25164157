"""Words nearest to a sum of words, such as `king - man + woman`.

Source: Mikolov, Yih and Zweig, 2013, NAACL (analogies as sums of vectors of length 1; words of the question are no
answers).
"""

import re
from typing import NamedTuple

import numpy as np

from deepglass.errors import SpecError, near_miss

_TERM = re.compile(r"([+\-−])|(\w+(?:['’]\w+)*)")
MAX_QUERY = 200  # characters that an error repeats


class NearestWord(NamedTuple):
    """A word and the cosine of its vector with that of the query."""

    word: str
    similarity: float


class WordIndex:
    """Vectors of words, searched by cosine.

    Args:
        vocabulary: words.

    Shapes:
        unit_vectors: (V, D) of length 1.

    Example:
        >>> index = WordIndex(("up", "down"), np.array([[0.0, 1.0], [0.0, -1.0]]))
        >>> index.nearest("up")
        [NearestWord(word='down', similarity=-1.0)]
    """

    def __init__(self, vocabulary: tuple[str, ...], unit_vectors: np.ndarray) -> None:
        self.vocabulary, self.vectors = vocabulary, unit_vectors
        self.index = {word: i for i, word in enumerate(vocabulary)}

    def __contains__(self, word: str) -> bool:
        return word in self.index

    def nearest(self, query: str, count: int = 10) -> list[NearestWord]:
        """The nearest words, the words of the query left out.

        Args:
            query: words with + and - between them.

        Raises:
            SpecError: `unknown-name` for a word that has no vector, with the near miss; `bad-value` for no word.
        """
        terms = parse_query(query)
        for word, _ in terms:
            if word not in self:
                raise SpecError("unknown-name", f"{query!r:.{MAX_QUERY}}: no vector of {word!r}{self._near(word)}")
        own = [self.index[word] for word, _ in terms]
        point = np.array([sign for _, sign in terms], np.float32) @ self.vectors[own]
        cosines = self.vectors @ (point / max(float(np.linalg.norm(point)), 1e-12))
        cosines[own] = -np.inf
        count = min(count, len(self.vocabulary) - len(set(own)))
        order = np.argsort(-cosines, kind="stable")[:count]
        return [NearestWord(self.vocabulary[i], round(float(cosines[i]), 4)) for i in order]

    def _near(self, word: str) -> str:
        """The near miss, among words that begin alike: a vocabulary is too large to compare with each word."""
        return near_miss(word, [w for w in self.vocabulary if w[:1] == word[:1]])


def parse_query(query: str) -> list[tuple[str, int]]:
    """Words in lower case, each with its sign, +1 or -1."""
    terms, sign = [], 1
    for operator, word in _TERM.findall(query.lower()):
        if operator:
            sign = 1 if operator == "+" else -1
        else:
            terms.append((word, sign))
            sign = 1
    if not terms:
        raise SpecError("bad-value", f"expected words, such as 'king - man + woman', got {query!r:.{MAX_QUERY}}")
    return terms
