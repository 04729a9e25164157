"""Texts without content of their own: empty ones, placeholders, markup, and passages that many texts share."""

from collections.abc import Iterator

import numpy as np
import polars as pl

from deepglass.doctor.base import DataContext, Finding, join_limited

WORDS = "n/?a|none|null|nil|nan|unknown|missing|empty|test|lorem ipsum.*|todo|tbd|xxx+|removed|deleted"
PLACEHOLDER = rf"(?i)^\W*({WORDS})?\W*$"
MARKUP = r"</?(p|div|br|a|b|i|span|td|tr|li|ul|table|script|img|html|body|h[1-6])\b[^<>]*>"
MIN_MARKUP = 3  # texts
MAX_SHARE = 0.3  # of texts with markup; beyond it the texts are markup
EDGE = 30  # characters at the beginning or end that texts share
MIN_SHARED, MIN_SHARED_SHARE = 10, 0.05  # texts that share them


def _text_columns(context: DataContext) -> Iterator[tuple[str, pl.Series]]:
    yield from ((f.column, raw) for f, raw in context.texts([f for f in context.inputs if f.is_text]))


def empty_text(context: DataContext) -> Iterator[Finding]:
    """One finding per column with texts that are empty or placeholders."""
    for column, raw in _text_columns(context):
        yield from _empty_text(context, column, raw)


def _empty_text(context: DataContext, column: str, raw: pl.Series) -> Iterator[Finding]:
    rows = np.flatnonzero(raw.str.contains(PLACEHOLDER).fill_null(False).to_numpy())
    if len(rows):
        examples = join_limited([repr(v) for v in raw.gather(rows).unique(maintain_order=True).head(3)], 3)
        are = "1 text is empty or a placeholder" if len(rows) == 1 else f"{len(rows):,} texts are empty or placeholders"
        yield context.finding(
            "empty_text", rows, [column], 0.9, f"{column}: {are}: {examples}", "data.fix=[empty_text]"
        )


def markup(context: DataContext) -> Iterator[Finding]:
    """One finding per column in which a few texts have markup."""
    for column, raw in _text_columns(context):
        yield from _markup(context, column, raw)


def _markup(context: DataContext, column: str, raw: pl.Series) -> Iterator[Finding]:
    rows = np.flatnonzero(raw.str.contains(MARKUP).fill_null(False).to_numpy())
    if MIN_MARKUP <= len(rows) <= MAX_SHARE * len(raw):
        examples = join_limited([repr(v) for v in raw.gather(rows[:3]).str.extract(f"({MARKUP})").to_list()], 3)
        text = f"{column}: {len(rows):,} texts have markup, such as {examples}; the others have none"
        yield context.finding("markup", rows, [column], 0.8, text)


def boilerplate(context: DataContext) -> Iterator[Finding]:
    """One finding per column and end: the same beginning or end of many texts that differ otherwise."""
    for column, raw in _text_columns(context):
        yield from _boilerplate(context, column, raw)


def _boilerplate(context: DataContext, column: str, raw: pl.Series) -> Iterator[Finding]:
    texts = raw.str.strip_chars()
    long = texts.str.len_chars().fill_null(0) > 2 * EDGE
    edges = {"begin": texts.str.slice(0, EDGE), "end": texts.str.slice(-EDGE)}
    for where, edge in edges.items():
        shared = pl.DataFrame({"edge": edge, "text": texts}).filter(long)
        counts = shared.group_by("edge").agg(pl.col("text").n_unique()).sort("text", "edge", descending=[True, False])
        if not len(counts):
            continue
        passage, count = counts.row(0)
        if count < max(MIN_SHARED, MIN_SHARED_SHARE * len(raw)) or count == len(raw):
            continue
        rows = np.flatnonzero(((edge == passage) & long).fill_null(False).to_numpy())
        text = f"{column}: {len(rows):,} texts {where} with the same words: {passage!r}"
        yield context.finding("boilerplate", rows, [column], 0.8, text)
