"""Which rows hold the same: equal rows of a table, texts that differ by a few words, pictures and sounds that look or
sound alike.

Source for texts: Broder, 1997, "On the resemblance and containment of documents" (shingles, least hashes).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from typing import NamedTuple

import numpy as np
import polars as pl

from deepglass.data.table import Table
from deepglass.doctor.ids import id_like
from deepglass.doctor.media_summary import MediaSummary
from deepglass.doctor.near_duplicates import equal_pairs, near_pairs
from deepglass.features.base import Feature, Media, Raw, sequence_of

ALIKE = {"image": 0.996, "audio": 0.97}  # correlation from which two small copies are taken for one
CHANCE = 0.1  # share of equal rows that chance explains, from which on nothing is said
RESEMBLANCE = 0.7  # of two texts: shared pairs of words beside all of theirs
LEAST_WORDS = 3  # of a text that says something
FEWEST_WORDS = 6  # of a text that may be nearly the same as another
HASHES, BANDS = 32, 16  # least hashes of a text, in bands any of which may bring two texts together
MOST_TEXTS = 50_000  # beyond which only equal texts are found
NOTHING = np.zeros((0, 2), np.int64)


class Same(NamedTuple):
    """Pairs of rows that hold the same, (P, 2), the smaller row first.

    Args:
        by: what was compared, for people.
        sure: how sure it is that they are no coincidence.
        shared: (P,) whether both rows name the same file.
    """

    pairs: np.ndarray
    by: str
    sure: float
    shared: np.ndarray


def same_rows(table: Table, inputs: Sequence[Feature], small: Mapping[str, MediaSummary], answers: bool) -> Same:
    """The rows whose inputs are the same; columns that only number the rows are not compared.

    Args:
        answers: whether the rows have any; lines without are one text that goes on, and may come again.
    """
    if small:
        pairs = reduce(_both, (_alike(table[column], small[column]) for column in small))
        shared = np.array([all(_one_file(table[c], a, b) for c in small) for a, b in pairs], bool)
        return Same(pairs, " and ".join(small), 1.0, shared)
    columns = {f.column: table[f.column] for f in inputs}
    kinds = {f.column: f.kind for f in inputs}
    compared = [c for c, raw in columns.items() if not id_like(c, raw, kinds[c])] or list(columns)
    if not compared:
        return Same(NOTHING, "", 1.0, np.zeros(0, bool))
    keys = [_keys(columns[c], kinds[c]) for c in compared]
    pairs, sure = _equal(keys, [_empty(columns[c]) for c in compared])
    if all(kinds[c] == "text" for c in compared):
        pairs = _of_some_words(pairs, [columns[c] for c in compared]) if answers else NOTHING  # a text goes on
        if answers and len(table) <= MOST_TEXTS:
            near = reduce(_both, (_resembling(columns[c]) for c in compared))
            pairs = np.unique(np.concatenate([pairs, near]), axis=0)
    by = compared[0] if len(compared) == 1 else f"in all {len(compared)} inputs"
    return Same(pairs, by, sure, np.zeros(len(pairs), bool))


def _both(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The pairs that are in both."""
    return np.array(sorted(set(map(tuple, a.tolist())) & set(map(tuple, b.tolist()))), np.int64).reshape(-1, 2)


# -- rows of a table ---------------------------------------------------------------------------------------------


def _keys(raw: Raw, kind: str) -> np.ndarray:
    """A number a row that is equal where the values are; upper case, spaces and signs of a text do not count."""
    if isinstance(raw, np.ndarray):
        return pl.Series([np.ascontiguousarray(row).tobytes() for row in raw], dtype=pl.Binary).hash().to_numpy()
    if not isinstance(raw, pl.Series) or raw.dtype.is_nested() or raw.dtype == pl.Object:
        return pl.Series([_plain(v) for v in sequence_of(raw)], dtype=pl.String).hash().to_numpy()
    if raw.dtype.is_float():
        raw = raw.cast(pl.Float32) + 0.0  # -0.0 and 0.0 are one
    elif raw.dtype == pl.String:
        lower = raw.str.to_lowercase()
        raw = lower.str.replace_all(r"[\W_]+", " ").str.strip_chars() if kind == "text" else lower.str.strip_chars()
    return raw.hash().to_numpy()


def _plain(value: object) -> str:
    return str(value.to_list()) if isinstance(value, pl.Series) else repr(value)


def _empty(raw: Raw) -> np.ndarray:
    if isinstance(raw, pl.Series):
        return raw.is_null().to_numpy()
    if isinstance(raw, np.ndarray) and raw.dtype.kind == "f":
        return np.asarray(np.isnan(raw.reshape(len(raw), -1)).all(1))
    return np.array([isinstance(raw, list) and v is None for v in raw], bool)


def _equal(keys: Sequence[np.ndarray], empty: Sequence[np.ndarray]) -> tuple[np.ndarray, float]:
    """Equal rows, and how sure it is that they are no chance: were columns independent, how many pairs would be."""
    whole = np.zeros(len(keys[0]), np.uint64)
    chance = 1.0
    for key in keys:
        whole = whole * np.uint64(0x9E3779B97F4A7C15) + key
        _, counts = np.unique(key, return_counts=True)
        chance *= float(((counts / len(key)) ** 2).sum())
    rows = np.flatnonzero(~np.all(empty, axis=0))
    pairs = equal_pairs(whole, rows)
    if not len(pairs):
        return NOTHING, 1.0
    _, counts = np.unique(whole[rows], return_counts=True)
    found = float((counts * (counts - 1) / 2).sum())
    # of a row that differs from all others in a column, chance still makes that column's equality one in N
    expected = chance * len(rows) ** 2 / 2
    share = expected / found
    return (NOTHING, 1.0) if share > CHANCE else (pairs, 1 - share)


# -- texts -------------------------------------------------------------------------------------------------------


def _of_some_words(pairs: np.ndarray, texts: Sequence[Raw]) -> np.ndarray:
    """The pairs of texts that are more than a word or two, which anybody may say again."""
    counts = np.zeros(len(texts[0]), np.int64)
    for raw in texts:
        if isinstance(raw, pl.Series):
            words = raw.str.count_matches(r"\w+") if raw.dtype == pl.String else raw.list.len()
            counts += words.fill_null(0).to_numpy()
    return pairs[counts[pairs[:, 0]] >= LEAST_WORDS]


def _resembling(raw: Raw) -> np.ndarray:
    """Texts that share most of their pairs of neighbouring words."""
    if not isinstance(raw, pl.Series) or raw.dtype != pl.String:
        return NOTHING
    words = raw.fill_null("").str.to_lowercase().str.extract_all(r"[^\W_]+")
    counts = words.list.len().to_numpy().astype(np.int64)
    rows = np.flatnonzero(counts >= FEWEST_WORDS)
    if len(rows) < 2:
        return NOTHING
    codes = words.gather(rows).explode().hash(seed=1).to_numpy()
    shingles, starts = _pairs_of_words(codes, counts[rows])
    least = _least_hashes(shingles, starts)
    found = [_neighbours(least[:, b::BANDS]) for b in range(BANDS)]
    near = np.unique(np.concatenate(found), axis=0)
    ends = np.append(starts[1:], len(shingles))
    sets: dict[int, frozenset[int]] = {}
    for i in np.unique(near):
        sets[int(i)] = frozenset(shingles[starts[i] : ends[i]].tolist())
    kept = [(a, b) for a, b in near.tolist() if _resemblance(sets[a], sets[b]) >= RESEMBLANCE]
    return rows[np.array(kept, np.int64).reshape(-1, 2)]


def _pairs_of_words(codes: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each text's pairs of neighbouring words as numbers, laid end to end, and where each text's begin."""
    following = codes[:-1] * np.uint64(0x9E3779B97F4A7C15) + codes[1:]
    last = np.cumsum(counts)[:-1] - 1  # the last word of a text and the first of the next are no neighbours
    shingles = np.delete(following, last)
    starts = np.concatenate([[0], np.cumsum(counts - 1)[:-1]])
    return shingles, starts


def _least_hashes(shingles: np.ndarray, starts: np.ndarray) -> np.ndarray:
    random = np.random.default_rng(0)
    factors = random.integers(1, 2**63, HASHES, dtype=np.uint64) | np.uint64(1)
    shifts = random.integers(0, 2**63, HASHES, dtype=np.uint64)
    columns = [
        np.minimum.reduceat((shingles * f + s) >> np.uint64(20), starts) for f, s in zip(factors, shifts, strict=True)
    ]
    return np.stack(columns, 1)


def _neighbours(band: np.ndarray) -> np.ndarray:
    """Rows of equal bands, each beside the one before and the first of its bucket."""
    key = band[:, 0].copy()
    for column in band.T[1:]:
        key = key * np.uint64(0x9E3779B97F4A7C15) + column
    order = np.argsort(key, kind="stable")
    a, b = order[:-1], order[1:]
    beside = np.stack([a, b], 1)[key[a] == key[b]]
    return np.concatenate([beside, equal_pairs(key, np.arange(len(key)))])


def _resemblance(a: frozenset[int], b: frozenset[int]) -> float:
    shared = len(a & b)
    return shared / max(len(a) + len(b) - shared, 1)


# -- pictures and sounds -----------------------------------------------------------------------------------------


def _alike(raw: Raw, small: MediaSummary) -> np.ndarray:
    kind = "audio" if "seconds" in small.facts else "image"
    near = small.rows[near_pairs(small.values, ALIKE[kind])]
    if kind == "audio" and len(near):  # equal spectra of different length are different sounds
        seconds = small.facts["seconds"]
        near = near[np.abs(np.log(seconds[near[:, 0]] / seconds[near[:, 1]])) < 0.05]
    if len(small.rows) == len(raw) or not isinstance(raw, list | np.ndarray):
        return near
    if isinstance(raw, list):  # more than are opened: equal files by name alone
        names = pl.Series([f"{m.path}|{m.member}" if isinstance(m, Media) else None for m in raw])
        keys, known = names.hash().to_numpy(), np.flatnonzero(names.is_not_null())
    else:
        keys, known = _keys(raw, "image"), np.flatnonzero(~_empty(raw))
    return np.unique(np.concatenate([near, equal_pairs(keys, known)]), axis=0)


def _one_file(raw: Raw, a: int, b: int) -> bool:
    if not isinstance(raw, list) or not isinstance(raw[a], Media):
        return False
    return (raw[a].path, raw[a].member) == (raw[b].path, raw[b].member)
