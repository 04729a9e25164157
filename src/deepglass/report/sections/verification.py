"""Identity verification: similarities of pairs of the same and of different identities, and the hardest pairs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from markupsafe import Markup

from deepglass.features.outputs.base import Output
from deepglass.features.outputs.identity import IdentityOutput
from deepglass.introspect.rows import OutputRows, row_image
from deepglass.report.charts.axes import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Axis
from deepglass.report.data import ReportData, View
from deepglass.report.sections.base import Section
from deepglass.report.templates import draw, titled

MAX_ROWS = 700  # whose pairs are compared: a quarter of a million
NUM_BINS = 48
NUM_PAIRS = 6  # shown of the same and of different identities
MAX_SIDE = 120  # pixels of an image


class VerificationPair(NamedTuple):
    """Two compared images, their rows in the source, their similarity, and whether the identity is the same."""

    first: bytes
    second: bytes
    rows: tuple[int, int]
    similarity: float
    same: bool


@dataclass(frozen=True, kw_only=True)
class VerificationFacts:
    """How well a similarity tells same from different identities.

    Args:
        low, high: ends of both histograms.
        same, different: counts of the pairs in bins of one width.
        threshold: from this similarity on a pair is predicted the same.
        missed: share of the same pairs below it.
        alarms: share of the different pairs at or above it.
        hardest: the pairs that are farthest on the wrong side, or nearest to it.
    """

    name: str
    low: float
    high: float
    same: tuple[int, ...]
    different: tuple[int, ...]
    threshold: float
    missed: float
    alarms: float
    hardest: tuple[VerificationPair, ...] = ()

    def without_rows(self) -> VerificationFacts:
        """Without the pairs themselves."""
        return replace(self, hardest=())


class VerificationSection(Section):
    """A histogram and pairs an output; None where no output is an identity."""

    title, nav, position = "Verification", "Verification", 100
    layer = "result"
    requires = ("test_predictions",)

    def collect(self, report: ReportData) -> tuple[VerificationFacts, ...]:
        outputs = (verification_facts(feature, rows) for feature, rows in report.tested_outputs)
        return tuple(o for o in outputs if o is not None)

    def view(self, facts: tuple[VerificationFacts, ...], report: ReportData) -> View | None:
        outputs = [
            {
                "name": f.name,
                "chart": _histogram(f),
                "threshold": f.threshold,
                "groups": [
                    ("Same identity, least similar", [p for p in f.hardest if p.same]),
                    ("Different identities, most similar", [p for p in f.hardest if not p.same]),
                ],
            }
            for f in facts
        ]
        return {"outputs": outputs}


# -- facts -----------------------------------------------------------------------------------------------------------


def verification_facts(feature: Output, rows: OutputRows) -> VerificationFacts | None:
    """The pairs of the test rows; None for other outputs, and where all pairs are the same or all are different."""
    if not isinstance(feature, IdentityOutput):
        return None
    labelled = np.flatnonzero(rows.truth.mask)
    if len(labelled) > MAX_ROWS:
        labelled = np.sort(np.random.default_rng(0).choice(labelled, MAX_ROWS, replace=False))
    unit = rows.best["embedding"][labelled].astype(np.float64)
    codes = rows.truth.values[labelled].reshape(len(labelled))
    pairs = np.stack(np.triu_indices(len(labelled), 1), 1)  # (P, 2)
    similarity = np.einsum("pe,pe->p", unit[pairs[:, 0]], unit[pairs[:, 1]])
    same = codes[pairs[:, 0]] == codes[pairs[:, 1]]
    if not same.any() or same.all():
        return None
    threshold = float(rows.calibration.get("threshold", _equal_error_threshold(similarity, same)))
    low, high = float(min(similarity.min(), threshold)), float(max(similarity.max(), threshold))
    counts = [np.histogram(similarity[w], NUM_BINS, (low, max(high, low + 1e-6)))[0] for w in (same, ~same)]
    by_similarity = np.argsort(similarity, kind="stable")
    hardest = [
        *_hardest(rows, labelled[pairs], similarity, by_similarity[same[by_similarity]], True),
        *_hardest(rows, labelled[pairs], similarity, by_similarity[~same[by_similarity]][::-1], False),
    ]
    return VerificationFacts(
        name=feature.name,
        low=low,
        high=high,
        same=tuple(counts[0].tolist()),
        different=tuple(counts[1].tolist()),
        threshold=threshold,
        missed=float((similarity[same] < threshold).mean()),
        alarms=float((similarity[~same] >= threshold).mean()),
        hardest=tuple(hardest),
    )


def _equal_error_threshold(similarity: np.ndarray, same: np.ndarray) -> float:
    """The threshold at which the share of missed same pairs equals the share of accepted different pairs."""
    thresholds = np.quantile(similarity, np.linspace(0, 1, 401))
    missed = np.searchsorted(np.sort(similarity[same]), thresholds) / same.sum()
    alarms = 1 - np.searchsorted(np.sort(similarity[~same]), thresholds) / (~same).sum()
    return float(thresholds[np.abs(missed - alarms).argmin()])


def _hardest(
    rows: OutputRows, pairs: np.ndarray, similarity: np.ndarray, order: np.ndarray, same: bool
) -> list[VerificationPair]:
    """The first pairs in this order; a row is in one of them at most. None where a row has no image."""
    used: set[int] = set()
    hardest: list[VerificationPair] = []
    for p in order:
        a, b = map(int, pairs[p])
        if a in used or b in used:
            continue
        first, second = row_image(rows, a, MAX_SIDE), row_image(rows, b, MAX_SIDE)
        if first is None or second is None:
            return []
        used |= {a, b}
        places = (rows.place(a), rows.place(b))
        hardest.append(VerificationPair(first.encoded, second.encoded, places, float(similarity[p]), same))
        if len(hardest) == NUM_PAIRS:
            break
    return hardest


def _histogram(facts: VerificationFacts) -> Markup:
    same, different = ([c / max(sum(counts), 1) for c in counts] for counts in (facts.same, facts.different))
    low, high = (facts.low, facts.high) if facts.high > facts.low else (facts.low - 0.5, facts.low + 0.5)
    x = Axis(low, high, LEFT, WIDTH - RIGHT)
    y = Axis(0.0, max([*same, *different, 1e-9]) * 1.06, HEIGHT - BOTTOM, TOP + 6, share=True)
    title = titled("Similarity of pairs", "share of each kind")
    return draw("similarities", title=title, facts=facts, same=same, different=different, x=x, y=y)
