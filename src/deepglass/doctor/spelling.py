"""One thing written in several ways: values that differ in case or spaces, dates in two formats, numbers as text."""

import unicodedata
from collections import defaultdict
from collections.abc import Iterator

import numpy as np
import polars as pl

from deepglass.doctor.base import DataContext, Finding, join_limited
from deepglass.features.base import Feature

MAX_DISTINCT = 20_000
MAX_LETTERS = 1  # of values whose case may tell them apart, such as M and m
MIN_NUMBERS = 0.8  # share of cells that are numbers, in a column that was not read as numbers
MIN_ROWS = 20
MIN_FORMAT_ROWS = 2  # of the rarer format


def spelling(context: DataContext) -> Iterator[Finding]:
    """One finding per column with values, dates or numbers that are written in several ways."""
    for feature in context.features:
        raw = context.table[feature.column]
        if not isinstance(raw, pl.Series) or raw.dtype != pl.String:
            continue
        if feature.has_classes and (finding := _variants(context, feature, raw)) is not None:
            yield finding
        if feature.is_time and (finding := _date_formats(context, feature, raw)) is not None:
            yield finding
        if not feature.is_time and (finding := _text_among_numbers(context, feature, raw)) is not None:
            yield finding


def spelling_key(value: str) -> str:
    """What is left of a value without case, spaces and the form of its characters."""
    return "".join(unicodedata.normalize("NFKC", value).casefold().split())


def _variants(context: DataContext, feature: Feature, raw: pl.Series) -> Finding | None:
    """Values of a category that differ in case or spaces alone."""
    counts = raw.drop_nulls().value_counts(sort=True)
    if len(counts) > MAX_DISTINCT:
        return None
    groups = defaultdict(list)
    for value, count in counts.iter_rows():
        if len(value.strip()) > MAX_LETTERS:
            groups[spelling_key(value)].append((value, count))
    several = [sorted(group, key=lambda pair: -pair[1]) for group in groups.values() if len(group) > 1]
    if not several:
        return None
    rare = [value for group in several for value, _ in group[1:]]
    rows = np.flatnonzero(raw.is_in(rare).fill_null(False).to_numpy())
    examples = join_limited([" = ".join(repr(value) for value, _ in group[:4]) for group in several], 3)
    text = f"{feature.column}: {len(rows):,} cells are written in another way than others of the same value: {examples}"
    return context.finding("spelling", rows, [feature.column], 0.9, text)


def _date_formats(context: DataContext, feature: Feature, raw: pl.Series) -> Finding | None:
    """Dates written in two formats."""
    formats = (
        raw.str.strip_chars()
        .str.replace_all(r"\p{L}+", "a")
        .str.replace_all(r"\d{4,}", "Y")
        .str.replace_all(r"\d+", "9")
    )
    counts = formats.drop_nulls().value_counts(sort=True).filter(pl.col("count") >= MIN_FORMAT_ROWS)
    names = counts.to_series(0).to_list()
    others = [name for name in names[1:] if not (name.startswith(names[0]) or names[0].startswith(name))]
    if not others:
        return None
    rows = np.flatnonzero(formats.is_in(others).fill_null(False).to_numpy())
    usual, other = (raw.filter(formats == name)[0] for name in (names[0], others[0]))
    text = f"{feature.column}: {len(rows):,} dates are written like {other!r}, the others like {usual!r}"
    return context.finding("spelling", rows, [feature.column], 0.8, text)


def _text_among_numbers(context: DataContext, feature: Feature, raw: pl.Series) -> Finding | None:
    """Cells that are no numbers in a column where most are."""
    present = raw.is_not_null()
    numbers = raw.str.strip_chars().str.replace_all(",", "").cast(pl.Float64, strict=False).is_not_null()
    total, count = int(present.sum()), int(numbers.sum())
    if total < MIN_ROWS or not MIN_NUMBERS * total <= count < total:
        return None
    texts = raw.filter(present & ~numbers)
    if not texts.str.contains(r"\p{L}|[?*#]").all():  # codes such as 12-34 are written without letters
        return None
    rows = np.flatnonzero((present & ~numbers).to_numpy())
    examples = join_limited([repr(v) for v in texts.unique(maintain_order=True).head(3)], 3)
    fix = f"kinds.{feature.column}=number" if feature.has_classes or feature.is_text else ""
    text = f"{feature.column}: {len(rows):,} of {total:,} cells are no numbers as the others are, such as {examples}"
    return context.finding("spelling", rows, [feature.column], 0.8, text, fix)
