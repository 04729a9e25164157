"""Words that a masked language model expects where one is hidden."""

from typing import NamedTuple

import numpy as np

from deepglass.objectives._token_pretraining import TokenPretraining
from deepglass.report.data import ReportData
from deepglass.report.row_selection import evenly_spaced
from deepglass.report.sections.base import Section

TEXTS = 6
HIDDEN = 4  # words of each text
EXPECTED = 3  # pieces shown for each
MAX_TOKENS = 48  # of a text
MIN_LETTERS = 3  # of a word that is hidden: articles and commas say little


class HiddenWord(NamedTuple):
    """A word, hidden alone, and the pieces that the network expects in its place.

    Args:
        token_index: of the hidden token in the text.
        expected: the most likely pieces, each with its probability.
    """

    token_index: int
    expected: tuple[tuple[str, float], ...]


class HiddenText(NamedTuple):
    """A test text as pieces, and its hidden words."""

    row: int
    pieces: tuple[str, ...]
    hidden: tuple[HiddenWord, ...]


class HiddenTexts(NamedTuple):
    """The texts, and how often the first of the expected pieces is the true one."""

    texts: tuple[HiddenText, ...]
    right: int
    words: int

    def without_rows(self) -> None:
        """Nothing: all of it is rows."""


class HiddenWordsSection(Section):
    """Test texts with the expected words under the hidden ones."""

    title, nav, position, layer = "Hidden words", "Hidden words", 16, "inside"

    def collect(self, report: ReportData) -> HiddenTexts | None:
        objective, prepared = report.context.objective, report.context.data
        if not isinstance(objective, TokenPretraining):
            return None
        rows = prepared.rows("test")
        rows = evenly_spaced(rows if len(rows) else prepared.rows("train"), TEXTS)
        codes = objective.feature.encode(prepared.table.take(rows)[objective.feature.column])
        assert codes.offsets is not None
        parts = np.split(codes.values, codes.offsets[1:-1])
        texts = [
            _hide_words(objective, part[:MAX_TOKENS].tolist(), int(prepared.source_rows[row]))
            for part, row in zip(parts, rows, strict=True)
        ]
        texts = [text for text in texts if text.hidden]
        words = [(text.pieces[word.token_index], word.expected[0][0]) for text in texts for word in text.hidden]
        right = sum(true.strip() == first.strip() for true, first in words)
        return HiddenTexts(tuple(texts), right, len(words)) if texts else None


def _hide_words(objective: TokenPretraining, codes: list[int], row: int) -> HiddenText:
    """A text with some of its longer words hidden one at a time."""
    pieces = tuple(objective.feature.piece_of([code]) for code in codes)
    indices = [i for i, piece in enumerate(pieces) if len(piece.strip()) >= MIN_LETTERS and piece.strip().isalpha()]
    chosen = evenly_spaced(np.array(indices, np.int64), HIDDEN).tolist()
    hidden = tuple(HiddenWord(i, tuple(objective.expected_tokens(codes, i, EXPECTED))) for i in chosen)
    return HiddenText(row, pieces, hidden)
