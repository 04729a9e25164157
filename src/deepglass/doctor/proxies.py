"""Inputs that stand for single persons or places rather than for what they measure: names, unmarked ids, zip codes."""

import re
from collections.abc import Iterator

import numpy as np
import polars as pl

from deepglass.doctor.base import DataContext, Finding
from deepglass.features.number import Number
from deepglass.prepare.uninformative import uninformative

MIN_ROWS = 50
PERSON = r"^\s*\p{Lu}[\p{L}'’.-]+,?(\s+(\p{Lu}[\p{L}'’.-]*|\(.*\)?|de|van|von|der|la|di|da|bin|al)\.?,?){1,6}\s*$"
MIN_PERSONS, MIN_DISTINCT = 0.9, 0.7  # share of cells that look like names of persons; share of distinct ones
NAMED = re.compile(r"(?i)(^|[_\W])(full_?name|name|person|customer|patient|employee|author|user_?name)($|[_\W])")
ZIP = re.compile(r"(?i)(^|[_\W])(zip|zip_?code|postal(_?code)?|post_?code|plz)($|[_\W])|zip_?code")
MIN_SPAN = 8.0  # range of ids, in numbers of rows
MAX_CLASSES = 20  # beyond which a target is taken for a number
MAX_KS = 1.36  # Kolmogorov-Smirnov distance to equal spread, times the root of the rows (5 % level)


def proxy(context: DataContext) -> Iterator[Finding]:
    """One finding per such input."""
    for feature in context.inputs:
        raw = context.table[feature.column]
        if not isinstance(raw, pl.Series) or raw.dtype.is_nested() or len(raw) < MIN_ROWS:
            continue
        column = feature.column
        if raw.dtype == pl.String and _persons(column, raw):
            text = f"{column}: the cells are names of persons; a network learns single persons from them, not a rule"
            yield context.finding("proxy", [], [column], 0.8, text, f"data.ignore=[{column}]")
        elif isinstance(feature, Number) and ZIP.search(column) and _whole(raw):
            text = f"{column}: zip codes are read as numbers; they name places, and their size means nothing"
            repeat = uninformative(raw, column, "category") is None
            fix = f"kinds.{column}=category" if repeat else f"data.ignore=[{column}]"
            yield context.finding("proxy", [], [column], 0.8, text if repeat else f"{text}; nearly all differ", fix)
        elif (
            isinstance(feature, Number)
            and raw.dtype.is_integer()
            and uninformative(raw, column, feature.kind) is None
            and _numbers_rows(context, raw)
        ):
            text = (
                f"{column}: each whole number occurs once, they spread evenly over a wide range and tell nothing of "
                "the target: they look like numbers of rows"
            )
            yield context.finding("proxy", [], [column], 0.6, text, f"data.ignore=[{column}]")


def _persons(column: str, raw: pl.Series) -> bool:
    texts = raw.drop_nulls()
    if len(texts) < MIN_ROWS or not NAMED.search(column) or texts.n_unique() < MIN_DISTINCT * len(texts):
        return False
    return float(texts.str.contains(PERSON).to_numpy().mean()) >= MIN_PERSONS


def _whole(raw: pl.Series) -> bool:
    return raw.dtype.is_integer() or raw.dtype == pl.String


def _numbers_rows(context: DataContext, raw: pl.Series) -> bool:
    """Whether whole numbers look like ids: each once, evenly spread over far more numbers than rows, unrelated."""
    values = raw.drop_nulls().to_numpy().astype(np.float64)
    n = len(values)
    if n < MIN_ROWS or len(np.unique(values)) < n or np.ptp(values) < MIN_SPAN * n:
        return False
    share = np.sort((values - values.min()) / np.ptp(values))
    if np.abs(share - np.linspace(0, 1, n)).max() * np.sqrt(n) > MAX_KS:
        return False
    return not any(_related(raw, target.values) for target in context.targets)


def _related(raw: pl.Series, target: np.ndarray) -> bool:
    """Whether ranks of the column and of the target (classes: each against the rest) are correlated beyond chance."""
    values = raw.to_physical().cast(pl.Float64).to_numpy()
    rows = np.flatnonzero(np.isfinite(values) & np.isfinite(target))
    if len(rows) < MIN_ROWS:
        return False
    ranks = pl.Series(values[rows]).rank().to_numpy()
    classes = np.unique(target[rows])
    few = len(classes) <= MAX_CLASSES
    columns = [target[rows] == c for c in classes] if few else [pl.Series(target[rows]).rank().to_numpy()]
    correlations = [abs(np.corrcoef(ranks, c.astype(float))[0, 1]) for c in columns if np.std(c) > 0]
    return bool(correlations) and max(correlations) > 3 / np.sqrt(len(rows))
