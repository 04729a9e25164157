"""Which words the classes of a text rest on: what is lost when a word is removed from the texts that have it."""

import re
from typing import NamedTuple

import numpy as np
import polars as pl

from deepglass.explain.global_rows import GlobalRows
from deepglass.explain.importance import estimate
from deepglass.features.base import Feature

MAX_WORDS = 12  # of a class that are tried, those that go with it most
MIN_TEXTS = 5  # with a word
WORD = r"\w[\w'’-]*"


class WordEffect(NamedTuple):
    """A word and a class.

    Args:
        texts: number of texts predicted as the class that have the word.
        coverage: these as a share of the texts predicted as the class.
        fall: mean fall of the log probability of the class in these texts without the word; error: its standard error.
        changed: share of these texts whose predicted class changes without the word.
    """

    word: str
    texts: int
    coverage: float
    fall: float
    error: float
    changed: float


def word_effects(rows: GlobalRows, feature: Feature) -> dict[str, tuple[WordEffect, ...]]:
    """Class -> its words, those of the largest effect times coverage first; {} for outputs without classes.

    Args:
        feature: a text input.
    """
    raw = rows.table[feature.column]
    if not rows.output.has_classes or not isinstance(raw, pl.Series) or raw.dtype != pl.String:
        return {}
    texts = raw.fill_null("")
    predicted = rows.output.predicted_classes(rows.plain, rows.calibration)
    frame = pl.DataFrame({"row": np.arange(len(texts)), "class": predicted}).with_columns(
        word=texts.str.to_lowercase().str.extract_all(WORD).list.unique()
    )
    counts = frame.explode("word").drop_nulls().group_by("word", "class").len()
    totals = counts.group_by("word").agg(total=pl.col("len").sum())
    counts = counts.join(totals, on="word").filter(pl.col("len") >= MIN_TEXTS)
    effects: dict[str, tuple[WordEffect, ...]] = {}
    for k in np.unique(predicted).tolist():
        size = max(int((predicted == k).sum()), 1)
        share = size / len(texts)
        own = counts.filter(pl.col("class") == k).with_columns(
            score=pl.col("len") / size * (pl.col("len") / pl.col("total") - share)
        )
        candidates = own.sort("score", "word", descending=[True, False]).head(MAX_WORDS)
        tried = [_effect(rows, feature, texts, predicted, k, word, size) for word in candidates["word"]]
        tried.sort(key=lambda e: -e.fall * e.coverage)
        effects[rows.output.class_names[k]] = tuple(e for e in tried if e.fall > 2 * e.error)
    return effects


def _effect(
    rows: GlobalRows, feature: Feature, texts: pl.Series, predicted: np.ndarray, k: int, word: str, size: int
) -> WordEffect:
    pattern = rf"(?i)(^|[^\w'’-]){re.escape(word)}($|[^\w'’-])"
    having = np.flatnonzero(texts.str.contains(pattern).to_numpy() & (predicted == k))
    some = rows.take(having)
    without = texts.gather(having).str.replace_all(pattern, "${1} ${2}")
    predictions = some.predict({feature.name: feature.encode(without.alias(feature.column))})
    falls = (rows.plain["log_probs"][having, k] - predictions["log_probs"][:, k]).astype(np.float64)
    changed = rows.output.predicted_classes(predictions, rows.calibration) != k
    if len(having) < 2:
        return WordEffect(word, len(having), len(having) / size, 0.0, 0.0, 0.0)
    fall = estimate(falls.tolist())
    return WordEffect(word, len(having), len(having) / size, fall.value, fall.error, float(changed.mean()))
