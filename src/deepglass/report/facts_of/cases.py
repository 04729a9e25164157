"""Which test rows are shown, and the picture of each."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from deepglass.features.base import CLASSED, Best, Calibration, Column, Feature, take_raw
from deepglass.objectives.base import Objective
from deepglass.prepare.prepared_data import PreparedData
from deepglass.report.facts_of.rows import picture_of, visible
from deepglass.web import encode_image as draw

WORST, TYPICAL = 12, 6


class Seen(NamedTuple):
    """What a kind's function gets.

    Args:
        rows: the test rows' places in the prepared table.
        best: their answers.
        truth: their targets, where the pictures stand.
        objective: what answered, for those who look inside.
    """

    prepared: PreparedData
    rows: np.ndarray
    best: Best
    truth: Column
    calibration: Calibration
    objective: Objective | None = None

    def place(self, i: int) -> int:
        """Where the i-th test row stands in the source."""
        return int(self.prepared.source_rows[self.rows[i]])


class Classed(NamedTuple):
    """A row's true class, the one that was answered, and how sure that was."""

    truth: str
    answer: str
    confidence: float


class Picture(NamedTuple):
    """A picture as it is shown, and which part of the encoded one that is: top, left, height, width as shares."""

    encoded: bytes
    size: tuple[int, int]
    part: tuple[float, float, float, float]


def classed(feature: Feature, seen: Seen) -> dict[int, Classed]:
    """The known rows of an output that is a class or yes-or-no, by their place among the test rows; none for others."""
    if feature.kind not in CLASSED or "log_probs" not in seen.best:
        return {}
    decoded = feature.decode(seen.best, seen.calibration)
    said = seen.best["log_probs"].argmax(1)
    if feature.kind == "binary":
        said = np.array([d["probability"] >= seen.calibration.get("threshold", 0.5) for d in decoded]).astype(int)
    codes, names = seen.truth.values.reshape(-1).astype(int), feature.class_names
    known = (int(i) for i in np.flatnonzero(seen.truth.mask) if 0 < codes[i] <= len(names))
    return {i: Classed(names[codes[i] - 1], names[said[i]], float(decoded[i]["confidence"])) for i in known}


def cases(score: np.ndarray, known: np.ndarray) -> list[tuple[int, bool]]:
    """The worst rows, then some around the median: (row, whether it is one of these).

    Where neighbours score alike, as frames of a film do, they are kept apart, so that not one scene is shown a dozen
    times.
    """
    order = np.flatnonzero(known)
    gap = len(order) // (2 * WORST) if _alike(score[order]) else 0
    order = order[np.argsort(score[order], kind="stable")]
    worst = _apart(order, min(WORST, max(len(order) - TYPICAL, (len(order) + 1) // 2)), gap)
    rest = np.array([i for i in order if i not in worst], int)
    near_median = rest[np.argsort(np.abs(score[rest] - np.median(score[order])), kind="stable")]
    return [*((i, False) for i in worst), *((i, True) for i in _apart(near_median, TYPICAL, gap))]


def _alike(score: np.ndarray) -> bool:
    """Whether the scores of neighbours go together."""
    if len(score) < 3 * WORST or score.std() < 1e-9:
        return False
    centred = score - score.mean()
    return bool((centred[1:] * centred[:-1]).mean() > 0.5 * centred.var())


def _apart(order: np.ndarray, count: int, gap: int) -> list[int]:
    """The first so many that are more than `gap` from each other; nearer ones where there are not enough."""
    chosen: list[int] = []
    for least in (gap, 0):
        for i in map(int, order):
            if len(chosen) < count and i not in chosen and all(abs(i - c) > least for c in chosen):
                chosen.append(i)
    return chosen


def shown(seen: Seen, i: int, longest: int = draw.LONGEST) -> Picture | None:
    """The picture of the i-th test row, without its letterbox."""
    feature = picture_of(seen.prepared)
    if feature is None:
        return None
    raw = take_raw(seen.prepared.table[feature.column], seen.rows[i : i + 1])
    column = feature.encode(raw)
    if not column.mask[0] or column.frame is None:
        return None
    codes = column.values[0]
    Y, X = codes.shape[-2:]
    top, left, height, width = (int(v) for v in column.frame[0, :4])
    part = (top / Y, left / X, max(height, 1) / Y, max(width, 1) / X)
    pixels = visible(codes, feature.levels_ or 255)[top : top + max(height, 1), left : left + max(width, 1)]
    return Picture(draw.photo(pixels, longest), draw.shown_size(pixels.shape[:2], longest), part)
