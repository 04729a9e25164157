"""Texts in another language, or other letters, than most of their column."""

from __future__ import annotations

import re
from functools import cache

import numpy as np
import polars as pl

from deepglass.doctor.base import Finding
from deepglass.doctor.base import DataContext, join_limited

# The commonest words that few other languages have; a text needs several of them.
COMMON = {
    "English": "the and of to for was with it on are this be at from which you have not by his they",
    "French": "le les et est une dans pour qui sur avec au pas sont ce cette du elle nous vous",
    "German": "der das und ist nicht ein eine mit von zu auf den sich auch dem wird für sind",
    "Spanish": "el los las por pero más está este muy también sus fue hay",
    "Italian": "il gli della che di sono nel anche più questo alla dei delle nella",
    "Portuguese": "uma com não em mas foi ao dos são pelo muito pela você",
    "Dutch": "het een niet voor zijn aan ook wordt naar deze worden heeft ze",
}
LETTERS = {
    "Cyrillic": "\u0400-\u04ff",
    "Greek": "\u0370-\u03ff",
    "Arabic": "\u0600-\u06ff",
    "Hebrew": "\u0590-\u05ff",
    "Devanagari": "\u0900-\u097f",
    "Chinese or Japanese": "\u3040-\u30ff\u4e00-\u9fff",
    "Korean": "\uac00-\ud7af",
}
LEAST_WORDS = 4  # common words of a language in a text, and three times as many as of any other
MOST_SHARE = 0.2  # of the texts in other languages; where there are more, it is a collection in many languages
MOST = 50_000  # texts that are looked at


def mixed_language(case: DataContext) -> list[Finding]:
    found = []
    for feature in case.features:
        raw = case.table[feature.column]
        if feature.kind != "text" or not isinstance(raw, pl.Series) or raw.dtype != pl.String:
            continue
        said = _languages(raw.head(MOST))
        names = [n for n in np.unique(said) if n]
        if not names:
            continue
        counts = {n: int((said == n).sum()) for n in names}
        own = max(counts, key=counts.__getitem__)
        others = {n: c for n, c in counts.items() if n != own}
        known = sum(counts.values())
        if others and sum(others.values()) <= MOST_SHARE * known:
            rows = np.flatnonzero((said != own) & (said != ""))
            text = f"{feature.column}: {counts[own]:,} texts are in {own}, but " + join_limited(
                [f"{c:,} in {n}" for n, c in sorted(others.items(), key=lambda p: -p[1])]
            )
            found.append(case.finding("mixed_language", rows, [feature.column], 0.7, text))
    return found


def _languages(raw: pl.Series) -> np.ndarray:
    """The language of each text, or its letters; "" where a text says too little."""
    texts = raw.fill_null("").str.slice(0, 1000).str.to_lowercase()
    counts = np.stack([texts.str.count_matches(_words(n)).to_numpy() for n in COMMON], 1).astype(np.int64)
    order = np.sort(counts, 1)
    clear = (order[:, -1] >= LEAST_WORDS) & (order[:, -1] >= 3 * order[:, -2])
    said = np.where(clear, np.array(list(COMMON))[counts.argmax(1)], "").astype("U24")
    letters = texts.str.count_matches(r"\p{L}").to_numpy().astype(np.int64)
    for name, span in LETTERS.items():
        said[texts.str.count_matches(f"[{span}]").to_numpy() > np.maximum(0.5 * letters, 3)] = name
    return said


@cache
def _words(language: str) -> str:
    return r"\b(?:" + "|".join(map(re.escape, COMMON[language].split())) + r")\b"
