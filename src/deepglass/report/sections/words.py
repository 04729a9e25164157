"""Word vectors: the nearest words of some words, and analogies."""

from typing import NamedTuple

import numpy as np

from deepglass.objectives._nearest_words import NearestWord, WordIndex
from deepglass.objectives._word_vectors import WordVectors
from deepglass.report.data import ReportData, View
from deepglass.report.sections.base import Section

NUM_WORDS, NUM_NEAREST = 12, 6
FIRST_RANK, LAST_RANK = 200, 4_000  # of the shown words by frequency: before them stand "the" and "of"
ANALOGIES = (
    ("king - man + woman", "queen"),
    ("brother - man + woman", "sister"),
    ("his - he + she", "her"),
    ("paris - france + england", "london"),
    ("german - germany + france", "french"),
    ("better - good + bad", "worse"),
    ("went - go + come", "came"),
    ("feet - foot + hand", "hands"),
)


class Analogy(NamedTuple):
    """A sum of words, the expected word, and the nearest words."""

    query: str
    expected: str
    nearest: tuple[NearestWord, ...]


class WordFacts(NamedTuple):
    """Words with their nearest words; analogies whose words all have vectors.

    Args:
        num_words: that have a vector.
    """

    num_words: int
    neighbours: tuple[tuple[str, tuple[NearestWord, ...]], ...]
    analogies: tuple[Analogy, ...]

    def without_rows(self) -> None:
        """Each line names words of the training texts."""


class WordsSection(Section):
    """Nearest words of words over the range of frequencies, and analogies in English."""

    title, nav, position = "Nearest words and analogies", "Words", 25

    def collect(self, report: ReportData) -> WordFacts | None:
        objective = report.context.objective
        return word_facts(objective.index()) if isinstance(objective, WordVectors) else None

    def view(self, facts: WordFacts, report: ReportData) -> View:
        solved = sum(a.expected == a.nearest[0].word for a in facts.analogies if a.nearest)
        return {"facts": facts, "solved": solved}


def word_facts(index: WordIndex) -> WordFacts:
    """Facts of the vectors of a run."""
    vocabulary = index.vocabulary
    last = min(LAST_RANK, len(vocabulary) - 1)
    ranks = np.geomspace(min(FIRST_RANK, max(last // 2, 1)), max(last, 1), NUM_WORDS).astype(int)
    words = [vocabulary[i] for i in np.unique(ranks.clip(0, len(vocabulary) - 1))]
    analogies = [(q, e) for q, e in ANALOGIES if all(w in index for w in (e, *q.replace("+", "-").split(" - ")))]
    return WordFacts(
        len(vocabulary),
        tuple((word, tuple(index.nearest(word, NUM_NEAREST))) for word in words),
        tuple(Analogy(q, e, tuple(index.nearest(q, NUM_NEAREST))) for q, e in analogies),
    )
