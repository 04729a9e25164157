"""Texts that were decoded with a wrong encoding, or are in another language than most of their column."""

import re
from collections.abc import Iterator
from functools import cache

import numpy as np
import polars as pl

from deepglass.doctor.base import DataContext, Finding, join_limited

# UTF-8 read as Latin 1 or Windows 1252: a leading byte as a letter, then a sign that hardly ever follows one
LEADING = "\u00c2\u00c3\u00c4\u00c5\u00d0\u00d1"
SIGNS = "\u0080-\u00bf\u0152\u0153\u0160\u0161\u017d\u0192\u2013-\u2026\u2030\u2039\u203a\u20ac\u2122"
GARBLED = f"[{LEADING}][{SIGNS}]|\u00e2\u20ac|\u00ef\u00bf\u00bd|\ufffd"

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


def mixed_encoding(context: DataContext) -> Iterator[Finding]:
    """One finding per column with texts such as `cafÃ©` for `café`, or a replacement character for a lost letter."""
    for feature, raw in context.texts(context.features):
        rows = np.flatnonzero(raw.str.contains(GARBLED).fill_null(False).to_numpy())
        if len(rows):
            examples = raw.gather(rows[:3]).str.extract(f"(.{{0,12}}(?:{GARBLED}).{{0,8}})").to_list()
            names = join_limited([repr(s) for s in examples if s is not None])
            text = f"{feature.column}: {len(rows):,} texts were decoded with a wrong encoding, such as {names}"
            yield context.finding("mixed_encoding", rows, [feature.column], 0.9, text, "data.fix=[mixed_encoding]")


def mixed_language(context: DataContext) -> Iterator[Finding]:
    """One finding per column with a few texts in other languages or scripts than most."""
    for feature, raw in context.texts([f for f in context.features if f.is_text]):
        languages = _languages(raw.head(MAX_TEXTS))
        names, counts = np.unique(languages[languages != ""], return_counts=True)
        order = np.argsort(-counts, kind="stable")
        if len(names) > 1 and counts[order[1:]].sum() <= MAX_SHARE * counts.sum():
            own, others = order[0], [f"{counts[k]:,} in {names[k]}" for k in order[1:]]
            rows = np.flatnonzero((languages != names[own]) & (languages != ""))
            text = f"{feature.column}: {counts[own]:,} texts are in {names[own]}, but {join_limited(others)}"
            yield context.finding("mixed_language", rows, [feature.column], 0.7, text)


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
