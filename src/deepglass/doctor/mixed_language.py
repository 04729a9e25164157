"""Texts in another language or script than most of their column."""

import re
from functools import cache

import numpy as np
import polars as pl

from deepglass.doctor.base import DataContext, Finding, join_limited

# Frequent words that few other languages have.
COMMON = {
    "English": "the and of to for was with it on are this be at from which you have not by his they",
    "French": "le les et est une dans pour qui sur avec au pas sont ce cette du elle nous vous",
    "German": "der das und ist nicht ein eine mit von zu auf den sich auch dem wird für sind",
    "Spanish": "el los las por pero más está este muy también sus fue hay",
    "Italian": "il gli della che di sono nel anche più questo alla dei delle nella",
    "Portuguese": "uma com não em mas foi ao dos são pelo muito pela você",
    "Dutch": "het een niet voor zijn aan ook wordt naar deze worden heeft ze",
}
SCRIPTS = {
    "Cyrillic": "\u0400-\u04ff",
    "Greek": "\u0370-\u03ff",
    "Arabic": "\u0600-\u06ff",
    "Hebrew": "\u0590-\u05ff",
    "Devanagari": "\u0900-\u097f",
    "Chinese or Japanese": "\u3040-\u30ff\u4e00-\u9fff",
    "Korean": "\uac00-\ud7af",
}
MIN_WORDS = 4  # frequent words of a language in a text, and three times as many as of any other language
MAX_SHARE = 0.2  # of texts in other languages; beyond it the column is multilingual
MAX_TEXTS = 50_000


def mixed_language(context: DataContext) -> list[Finding]:
    """One finding per column."""
    findings = []
    for feature, raw in context.texts([f for f in context.features if f.is_text]):
        languages = _languages(raw.head(MAX_TEXTS))
        names = [n for n in np.unique(languages) if n]
        if not names:
            continue
        counts = {n: int((languages == n).sum()) for n in names}
        own = max(counts, key=counts.__getitem__)
        others = {n: c for n, c in counts.items() if n != own}
        if others and sum(others.values()) <= MAX_SHARE * sum(counts.values()):
            rows = np.flatnonzero((languages != own) & (languages != ""))
            text = f"{feature.column}: {counts[own]:,} texts are in {own}, but " + join_limited(
                [f"{c:,} in {n}" for n, c in sorted(others.items(), key=lambda p: -p[1])]
            )
            findings.append(context.finding("mixed_language", rows, [feature.column], 0.7, text))
    return findings


def _languages(raw: pl.Series) -> np.ndarray:
    """The language or script of each text; "" where it is unclear."""
    texts = raw.fill_null("").str.slice(0, 1000).str.to_lowercase()
    counts = np.stack([texts.str.count_matches(_words(n)).to_numpy() for n in COMMON], 1).astype(np.int64)
    order = np.sort(counts, 1)
    clear = (order[:, -1] >= MIN_WORDS) & (order[:, -1] >= 3 * order[:, -2])
    languages = np.where(clear, np.array(list(COMMON))[counts.argmax(1)], "").astype("U24")
    letters = texts.str.count_matches(r"\p{L}").to_numpy().astype(np.int64)
    for name, span in SCRIPTS.items():
        languages[texts.str.count_matches(f"[{span}]").to_numpy() > np.maximum(0.5 * letters, 3)] = name
    return languages


@cache
def _words(language: str) -> str:
    return r"\b(?:" + "|".join(map(re.escape, COMMON[language].split())) + r")\b"
