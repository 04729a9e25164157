"""Word pairs with scores of people, such as WordSim-353, and how word vectors agree with them.

Source: Finkelstein et al., 2002, ACM TOIS 20 (WordSim-353).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from deepglass.data.sources import read
from deepglass.errors import SourceError
from deepglass.features.text import Text

MIN_PAIRS = 3  # of a correlation


class WordPairs(NamedTuple):
    """Pairs of words of a vocabulary with scores.

    Shapes:
        first, second: (n,) indices in the vocabulary; scores: (n,) float.
    """

    first: np.ndarray
    second: np.ndarray
    scores: np.ndarray

    def spearman(self, unit_vectors: np.ndarray) -> float:
        """Spearman correlation of the scores with the cosines of vectors (V, D) of length 1."""
        cosines = (unit_vectors[self.first] * unit_vectors[self.second]).sum(1)
        frame = pl.DataFrame({"cosine": cosines.astype(np.float64), "score": self.scores})
        return float(frame.select(pl.corr("cosine", "score", method="spearman")).item())


def read_word_pairs(source: str, text: Text, data_root: Sequence[Path] = ()) -> WordPairs:
    """The pairs of which both words are in the vocabulary of a text.

    Args:
        source: rows of two words and a score.
        data_root: folders of named sets.

    Raises:
        SourceError: what reading raises; `bad-value` for other columns, or fewer than three pairs of known words.
    """
    table = read(source, data_root=data_root)
    texts = [name for name in table.names if isinstance(v := table[name], pl.Series) and v.dtype == pl.String]
    numbers = [name for name in table.names if isinstance(v := table[name], pl.Series) and v.dtype.is_numeric()]
    if len(texts) != 2 or len(numbers) != 1:
        came = f"{len(texts)} columns of text and {len(numbers)} of numbers"
        raise SourceError("bad-value", f"objective.word_pairs: {source}: expected word, word, score, got {came}")
    words = text.vocabulary_ or ()
    index = pl.DataFrame({"word": words, "index": np.arange(len(words))}, schema_overrides={"word": pl.String})
    pairs = pl.DataFrame({"a": table[texts[0]], "b": table[texts[1]], "score": table[numbers[0]]}).drop_nulls()
    for name in ("a", "b"):
        lower = pl.col(name).str.strip_chars().str.to_lowercase()
        pairs = pairs.with_columns(lower).join(index, left_on=name, right_on="word", maintain_order="left")
        pairs = pairs.rename({"index": f"{name}_index"})
    if len(pairs) < MIN_PAIRS:
        text_of = f"objective.word_pairs: {source}: {len(pairs)} of its {len(table):,} pairs are words of the texts"
        raise SourceError("bad-value", f"{text_of}; expected at least {MIN_PAIRS}")
    return WordPairs(
        pairs["a_index"].to_numpy(), pairs["b_index"].to_numpy(), pairs["score"].cast(pl.Float64).to_numpy()
    )
