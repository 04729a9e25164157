"""The same or not: how alike pairs of pictures were found, and the hardest of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from deepglass.features.identity import Identity
from deepglass.introspect.rows import OutputRows, row_image
from deepglass.report.image_facts import Pair, Verification

COMPARED = 700  # rows whose pairs are looked at, a quarter of a million
BINS = 48
PAIRS = 6  # of the same and of different ones
LONGEST = 120  # pixels


def pairs(feature: Identity, seen: OutputRows) -> dict[str, Any]:
    known = np.flatnonzero(seen.truth.mask)
    if len(known) > COMPARED:
        known = np.sort(np.random.default_rng(0).choice(known, COMPARED, replace=False))
    unit = seen.best["embedding"][known].astype(np.float64)
    codes = seen.truth.values[known].reshape(len(known))
    first, second = np.triu_indices(len(known), 1)
    similarity = np.einsum("pe,pe->p", unit[first], unit[second])
    same = codes[first] == codes[second]
    if not same.any() or same.all():
        return {}
    threshold = float(seen.calibration.get("threshold", _even(similarity, same)))
    low, high = float(min(similarity.min(), threshold)), float(max(similarity.max(), threshold))
    counts = [np.histogram(similarity[w], BINS, (low, max(high, low + 1e-6)))[0] for w in (same, ~same)]
    hardest = [
        *_hard(seen, known, first, second, similarity, np.flatnonzero(same), least=True),
        *_hard(seen, known, first, second, similarity, np.flatnonzero(~same), least=False),
    ]
    found = Verification(
        low=low,
        high=high,
        same=tuple(counts[0].tolist()),
        different=tuple(counts[1].tolist()),
        threshold=threshold,
        missed=float((similarity[same] < threshold).mean()),
        alarms=float((similarity[~same] >= threshold).mean()),
        hardest=tuple(hardest),
    )
    return {"verification": found}


def _even(similarity: np.ndarray, same: np.ndarray) -> float:
    """The threshold at which as large a share of the same pairs is missed as of the others is let through."""
    at = np.quantile(similarity, np.linspace(0, 1, 401))
    missed = np.searchsorted(np.sort(similarity[same]), at) / same.sum()
    alarms = 1 - np.searchsorted(np.sort(similarity[~same]), at) / (~same).sum()
    return float(at[np.abs(missed - alarms).argmin()])


def _hard(
    seen: OutputRows,
    known: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    similarity: np.ndarray,
    places: np.ndarray,
    *,
    least: bool,
) -> list[Pair]:
    """The pairs on the wrong side, or nearest to it; a row in one of them at most."""
    order = places[np.argsort(similarity[places] if least else -similarity[places], kind="stable")]
    used: set[int] = set()
    hard = []
    for p in order:
        a, b = int(known[first[p]]), int(known[second[p]])
        if a in used or b in used:
            continue
        found = [row_image(seen, i, LONGEST) for i in (a, b)]
        if found[0] is None or found[1] is None:
            return []
        used |= {a, b}
        rows = (seen.place(a), seen.place(b))
        hard.append(Pair(found[0].encoded, found[1].encoded, rows, float(similarity[p]), least))
        if len(hard) == PAIRS:
            break
    return hard
