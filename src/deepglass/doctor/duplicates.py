"""Duplicate detection: equal rows of a table, texts that differ by a few words, near-equal images and sounds.

Source for texts: Broder, 1997, "On the resemblance and containment of documents" (shingles, MinHash).
"""

from collections.abc import Mapping, Sequence
from functools import reduce
from math import prod
from typing import NamedTuple

import numpy as np
import polars as pl

from deepglass.data.table import Table
from deepglass.doctor.media_summary import MediaSummary
from deepglass.doctor.near_duplicates import equal_pairs, near_pairs
from deepglass.features.base import Feature, Media, Raw, sequence_of
from deepglass.prepare.uninformative import uninformative

MIN_IMAGE_CORRELATION, MIN_AUDIO_CORRELATION = 0.996, 0.97  # of two thumbnails or spectra that count as equal
MAX_LENGTH_RATIO = 0.05  # logarithm, of two equal sounds
MAX_CHANCE = 0.1  # share of the equal rows that chance explains
MIN_RESEMBLANCE = 0.7  # Jaccard index of two texts' word pairs
MIN_WORDS = 3  # of equal texts; shorter ones repeat by chance
MIN_NEAR_WORDS = 6  # of nearly equal texts
NUM_HASHES, NUM_BANDS = 32, 16  # of MinHash; a band of equal hashes makes two texts candidates
MAX_TEXTS = 50_000  # beyond which only equal texts are searched
CHECKED_AFTER = (1, 4, 16, 64)  # columns, whether rows are still equal
NO_PAIRS = np.zeros((0, 2), np.int64)


class Duplicates(NamedTuple):
    """Pairs of equal rows.

    Args:
        pairs: (P, 2), the smaller row first.
        by: what was compared, for people.
        confidence: that they are no coincidence, from 0 to 1.
        same_file: (P,) whether both rows name the same file.
        near: whether some pairs are nearly equal only.
    """

    pairs: np.ndarray
    by: str
    confidence: float
    same_file: np.ndarray
    near: bool = False


def find_duplicates(
    table: Table, inputs: Sequence[Feature], media: Mapping[str, MediaSummary], has_outputs: bool
) -> Duplicates:
    """Pairs of rows with equal inputs; columns that only number the rows are not compared.

    Args:
        has_outputs: False for a running text, whose lines may repeat.
    """
    if media:
        pairs = reduce(_both, (_near_media(table[column], media[column]) for column in media))
        same_file = np.array([all(_one_file(table[c], a, b) for c in media) for a, b in pairs], bool)
        return Duplicates(pairs, " and ".join(media), 1.0, same_file, near=True)
    columns = {f.column: table[f.column] for f in inputs}
    texts = {f.column for f in inputs if f.is_text}
    ids = {f.column for f in inputs if uninformative(table[f.column], f.column, f.kind) is not None}
    compared = [c for c in columns if c not in ids] or list(columns)
    if not compared:
        return Duplicates(NO_PAIRS, "", 1.0, np.zeros(0, bool))
    pairs, confidence = _equal([(columns[c], c in texts) for c in compared])
    num_equal = len(pairs)
    if texts.issuperset(compared):
        pairs = _long_enough(pairs, [columns[c] for c in compared]) if has_outputs else NO_PAIRS
        if has_outputs and len(table) <= MAX_TEXTS:
            near = reduce(_both, (_resembling(columns[c]) for c in compared))
            pairs = np.unique(np.concatenate([pairs, near]), axis=0)
    by = compared[0] if len(compared) == 1 else f"in all {len(compared)} inputs"
    return Duplicates(pairs, by, confidence, np.zeros(len(pairs), bool), near=len(pairs) > num_equal)


def _both(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The pairs that are in both."""
    return np.array(sorted(set(map(tuple, a.tolist())) & set(map(tuple, b.tolist()))), np.int64).reshape(-1, 2)


# -- rows of a table ---------------------------------------------------------------------------------------------


def _keys(raw: Raw, text: bool) -> np.ndarray:
    """A hash per row; case, spaces and punctuation of a text do not count."""
    if isinstance(raw, np.ndarray):
        return pl.Series([np.ascontiguousarray(row).tobytes() for row in raw], dtype=pl.Binary).hash().to_numpy()
    if not isinstance(raw, pl.Series) or raw.dtype.is_nested() or raw.dtype == pl.Object:
        texts = [str(v.to_list()) if isinstance(v, pl.Series) else repr(v) for v in sequence_of(raw)]
        return pl.Series(texts, dtype=pl.String).hash().to_numpy()
    if raw.dtype.is_float():
        raw = raw.cast(pl.Float32) + 0.0  # -0.0 and 0.0 are one
    elif raw.dtype == pl.String:
        lower = raw.str.to_lowercase()
        raw = lower.str.replace_all(r"[\W_]+", " ").str.strip_chars() if text else lower.str.strip_chars()
    return raw.hash().to_numpy()


def _empty(raw: Raw) -> np.ndarray:
    if isinstance(raw, pl.Series):
        return raw.is_null().to_numpy().copy()
    if isinstance(raw, np.ndarray) and raw.dtype.kind == "f":
        return np.asarray(np.isnan(raw.reshape(len(raw), -1)).all(1))
    return np.array([isinstance(raw, list) and v is None for v in raw], bool)


def _equal(columns: Sequence[tuple[Raw, bool]]) -> tuple[np.ndarray, float]:
    """Pairs of equal rows, and the confidence: 1 - expected share of pairs if the columns were independent.

    Where the first few columns tell all rows apart, the others are not looked at.

    Args:
        columns: with whether each is a text.
    """
    whole, empty = _keys(*columns[0]), _empty(columns[0][0])
    for i, (raw, text) in enumerate(columns[1:], 1):
        if i in CHECKED_AFTER and not pl.Series(whole).is_duplicated().any():
            return NO_PAIRS, 1.0
        whole = whole * np.uint64(0x9E3779B97F4A7C15) + _keys(raw, text)
        empty &= _empty(raw)
    rows = np.flatnonzero(~empty)
    pairs = equal_pairs(whole, rows)
    if not len(pairs):
        return NO_PAIRS, 1.0
    counts = _counts(whole[rows])
    observed = float((counts * (counts - 1) / 2).sum())
    chance = prod(float(((_counts(_keys(*column)) / len(whole)) ** 2).sum()) for column in columns)
    expected = chance * len(rows) ** 2 / 2
    share = expected / observed
    return (NO_PAIRS, 1.0) if share > MAX_CHANCE else (pairs, 1 - share)


def _counts(values: np.ndarray) -> np.ndarray:
    """How often each value occurs, in their order; numpy's `unique` hashes, ten times slower on millions of values."""
    ordered = np.sort(values)
    first = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1], [True]]))
    return np.diff(first)


# -- texts -------------------------------------------------------------------------------------------------------


def _long_enough(pairs: np.ndarray, texts: Sequence[Raw]) -> np.ndarray:
    """Duplicate pairs whose text has at least `MIN_WORDS` words; shorter texts repeat by chance."""
    counts = np.zeros(len(texts[0]), np.int64)
    for raw in texts:
        if isinstance(raw, pl.Series):
            words = raw.str.count_matches(r"\w+") if raw.dtype == pl.String else raw.list.len()
            counts += words.fill_null(0).to_numpy()
    return pairs[counts[pairs[:, 0]] >= MIN_WORDS]


def _resembling(raw: Raw) -> np.ndarray:
    """Pairs of texts with a Jaccard index of word pairs of at least `MIN_RESEMBLANCE`."""
    if not isinstance(raw, pl.Series) or raw.dtype != pl.String:
        return NO_PAIRS
    words = raw.fill_null("").str.to_lowercase().str.extract_all(r"[^\W_]+")
    counts = words.list.len().to_numpy().astype(np.int64)
    rows = np.flatnonzero(counts >= MIN_NEAR_WORDS)
    if len(rows) < 2:
        return NO_PAIRS
    codes = words.gather(rows).explode().hash(seed=1).to_numpy()
    shingles, starts = _pairs_of_words(codes, counts[rows])
    hashes = _min_hashes(shingles, starts)
    candidates = [_candidates(hashes[:, b::NUM_BANDS]) for b in range(NUM_BANDS)]
    near = np.unique(np.concatenate(candidates), axis=0)
    ends = np.append(starts[1:], len(shingles))
    sets = {i: frozenset(shingles[starts[i] : ends[i]].tolist()) for i in np.unique(near).tolist()}
    pairs = [(a, b) for a, b in near.tolist() if len(sets[a] & sets[b]) / len(sets[a] | sets[b]) >= MIN_RESEMBLANCE]
    return rows[np.array(pairs, np.int64).reshape(-1, 2)]


def _pairs_of_words(codes: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Hashes of each text's word pairs, concatenated, and the start of each text."""
    following = codes[:-1] * np.uint64(0x9E3779B97F4A7C15) + codes[1:]
    last = np.cumsum(counts)[:-1] - 1  # the last word of a text and the first of the next are no neighbours
    shingles = np.delete(following, last)
    starts = np.concatenate([[0], np.cumsum(counts - 1)[:-1]])
    return shingles, starts


def _min_hashes(shingles: np.ndarray, starts: np.ndarray) -> np.ndarray:
    random = np.random.default_rng(0)
    factors = random.integers(1, 2**63, NUM_HASHES, dtype=np.uint64) | np.uint64(1)
    shifts = random.integers(0, 2**63, NUM_HASHES, dtype=np.uint64)
    columns = [
        np.minimum.reduceat((shingles * f + s) >> np.uint64(20), starts) for f, s in zip(factors, shifts, strict=True)
    ]
    return np.stack(columns, 1)


def _candidates(band: np.ndarray) -> np.ndarray:
    """Pairs of rows with equal bands: each with its predecessor and with the first of its bucket."""
    key = band[:, 0].copy()
    for column in band.T[1:]:
        key = key * np.uint64(0x9E3779B97F4A7C15) + column
    order = np.argsort(key, kind="stable")
    a, b = order[:-1], order[1:]
    beside = np.stack([a, b], 1)[key[a] == key[b]]
    return np.concatenate([beside, equal_pairs(key, np.arange(len(key)))])


# -- images and sounds -------------------------------------------------------------------------------------------


def _near_media(raw: Raw, summary: MediaSummary) -> np.ndarray:
    """Pairs of near-equal items; of items that were not opened, those of the same file."""
    correlation = MIN_AUDIO_CORRELATION if summary.is_audio else MIN_IMAGE_CORRELATION
    near = summary.rows[near_pairs(summary.values, correlation)]
    if summary.is_audio and len(near):  # equal spectra of different length are different sounds
        seconds = summary.statistics["seconds"]
        near = near[np.abs(np.log(seconds[near[:, 0]] / seconds[near[:, 1]])) < MAX_LENGTH_RATIO]
    if len(summary.rows) == len(raw) or not isinstance(raw, list | np.ndarray):
        return near
    if isinstance(raw, list):
        names = pl.Series([f"{m.path}|{m.member}" if isinstance(m, Media) else None for m in raw])
        keys, present = names.hash().to_numpy(), np.flatnonzero(names.is_not_null())
    else:
        keys, present = _keys(raw, False), np.flatnonzero(~_empty(raw))
    return np.unique(np.concatenate([near, equal_pairs(keys, present)]), axis=0)


def _one_file(raw: Raw, a: int, b: int) -> bool:
    if not isinstance(raw, list) or not isinstance(raw[a], Media):
        return False
    return (raw[a].path, raw[a].member) == (raw[b].path, raw[b].member)
