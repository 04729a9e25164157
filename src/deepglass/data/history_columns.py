"""Columns of past rows as numbers: how they are encoded, which belong to one entity of a pair, and outcomes."""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import polars as pl

from deepglass.data.sources import read
from deepglass.data.table import Table
from deepglass.errors import SourceError, SpecError, near_miss
from deepglass.parsing import MISSING, is_missing, parse_numbers, to_numbers

MAX_VALUES = 50  # of a category, each of which is one number of a step
OUTCOMES = {
    1.0: ("win", "won", "w", "home", "home win", "h", "1", "true", "first"),
    0.5: ("draw", "drawn", "d", "tie", "x", "0.5", "1/2"),
    0.0: ("loss", "lose", "lost", "defeat", "l", "away", "away win", "a", "2", "0", "false", "second"),
}
"""Outcome of the first entity -> texts that state it, in lower case."""


class ScorePair(NamedTuple):
    """Two columns that say the same of the two entities, such as home_score and away_score.

    Args:
        name: without the words for the entities, such as "score".
        first, second: the columns of the first and the second entity.
    """

    name: str
    first: str
    second: str


def score_pairs(entities: Sequence[str], columns: Sequence[str]) -> list[ScorePair]:
    """The pairs among columns, by the words in which the names of two entities differ: `home` and `away`."""
    if len(entities) != 2:
        return []
    first, second = (_words(name) for name in entities)
    different = [(a, b) for a, b in zip(first, second, strict=False) if a != b]
    if len(first) != len(second) or len(different) != 1:
        return []
    a, b = different[0]
    by_words = {tuple(_words(column)): column for column in columns}
    pairs = []
    for words, column in by_words.items():
        partner = by_words.get(tuple(b if word == a else word for word in words))
        if a in words and partner is not None:
            name = "_".join(word for word in words if word != a)
            pairs.append(ScorePair(name or "value", column, partner))
    return pairs


def _words(name: str) -> list[str]:
    return re.findall(r"[a-z]+|[A-Z]+(?![a-z])|[A-Z][a-z]*|\d+|[^\W\d_a-zA-Z]+", name)


def categories(raw: pl.Series, column: str) -> list[str]:
    """The values of a column of categories, the most frequent first; [] for a column of numbers or truth values.

    Raises:
        SpecError: `bad-value` for dates, lists, and texts of too many different values.
    """
    if raw.dtype.is_numeric() or raw.dtype in (pl.Boolean, pl.Null):
        return []
    if raw.dtype not in (pl.String, pl.Categorical, pl.Enum):
        raise SpecError(
            "bad-value", f"data.history.columns: {column!r}: expected numbers or categories, got {raw.dtype}"
        )
    texts = raw.cast(pl.String)
    if parse_numbers(texts) is not None:
        return []
    counts = texts.filter(~is_missing(texts)).value_counts(sort=True)
    counts = counts.sort(["count", counts.columns[0]], descending=[True, False])
    if len(counts) > MAX_VALUES:
        raise SpecError(
            "bad-value",
            f"data.history.columns: {column!r} has {len(counts):,} different values; expected numbers, or categories "
            f"of at most {MAX_VALUES} values",
        )
    return counts[counts.columns[0]].to_list()


def encode(raw: pl.Series, values: Sequence[str]) -> np.ndarray:
    """A column as numbers (N, C) float32, NaN = missing: one column, or one for each value of a category."""
    if values:
        texts = raw.cast(pl.String)
        one_hot = np.stack([(texts == value).fill_null(False).to_numpy() for value in values], 1).astype(np.float32)
        one_hot[is_missing(texts, MISSING).to_numpy()] = np.nan
        return one_hot
    if raw.dtype == pl.String:
        numbers = parse_numbers(raw)
        raw = pl.Series([None] * len(raw), dtype=pl.Float64) if numbers is None else to_numbers(raw, numbers)[0]
    return raw.cast(pl.Float32).fill_null(np.nan).to_numpy().reshape(-1, 1)


def encode_outcomes(raw: pl.Series, column: str) -> np.ndarray:
    """Outcomes of the first entity, (N,) in [0, 1]; NaN = missing.

    Raises:
        SpecError: `bad-value` for values that state no outcome.
    """
    if raw.dtype.is_numeric():
        numbers = raw.cast(pl.Float64).fill_null(np.nan).to_numpy()
        outside = numbers[(numbers < 0) | (numbers > 1)]
        if len(outside):
            raise _no_outcome(column, str(outside[0]))
        return numbers
    texts = raw.cast(pl.String).str.strip_chars().str.to_lowercase()
    by_text = {text: value for value, texts_of in OUTCOMES.items() for text in texts_of}
    values = texts.replace_strict(list(by_text), list(by_text.values()), default=None, return_dtype=pl.Float64)
    unknown = values.is_null() & ~is_missing(texts, [m.lower() for m in MISSING])
    if unknown.any():
        raise _no_outcome(column, repr(raw.filter(unknown)[0]))
    return values.fill_null(np.nan).to_numpy()


def _no_outcome(column: str, value: str) -> SpecError:
    expected = "win, draw and loss of the first entity (also home, draw, away; H, D, A; 1, X, 2) or numbers from 0 to 1"
    return SpecError("bad-value", f"data.history.rating_outcome: {column!r}: expected {expected}, got {value}")


def series_of(table: Table, column: str, where: str) -> pl.Series:
    """A column as a Series.

    Raises:
        SourceError: `unknown-column`.
        SpecError: `bad-value` for files, arrays and lists.
    """
    if column not in table.columns:
        raise SourceError(
            "unknown-column", f"{where}: no column {column!r} in {table.name}{near_miss(column, table.columns)}"
        )
    raw = table[column]
    raw = pl.Series(raw) if isinstance(raw, np.ndarray) and raw.ndim == 1 else raw
    if not isinstance(raw, pl.Series) or raw.dtype.is_nested():
        raise SpecError("bad-value", f"{where}: {column!r} holds files or lists; expected numbers, texts or dates")
    return raw


def former_names(path: str) -> dict[str, str]:
    """Former name -> current name, from a table with these columns.

    Raises:
        SourceError: `unknown-column`, and what reading the file raises.
    """
    table = read(path)
    former, current = (series_of(table, c, "data.history.former_names").cast(pl.String) for c in ("former", "current"))
    return {old: new for old, new in zip(former, current, strict=True) if old is not None and new is not None}


def renamed(entities: pl.Series, names: Mapping[str, str]) -> pl.Series:
    """Names of entities as text, former names replaced; missing ones null."""
    texts = entities.cast(pl.String).str.strip_chars()
    texts = texts.replace(list(names), list(names.values())) if names else texts
    return pl.select(pl.when(texts.is_null() | (texts == "")).then(None).otherwise(texts)).to_series()
