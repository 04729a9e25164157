"""From an answer that is aligned with a picture, or tells pictures apart, to the facts of its panels.

Each kind has a function from `Seen` to fields of `OutputFacts`; `facts_of` picks it by the kind's name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from deepglass import detection
from deepglass.features.base import Best, Calibration, Column, Feature, take_raw
from deepglass.features.boxes import SHOWN, Boxes
from deepglass.features.identity import Identity
from deepglass.features.mask import Mask
from deepglass.features.set import Set
from deepglass.run.prepare import Prepared
from deepglass.understand.report import draw
from deepglass.understand.report.numerals import percent
from deepglass.understand.report.palette import colour
from deepglass.understand.report.picture_facts import (
    Box,
    Curves,
    Drawn,
    Legend,
    Overlay,
    Pair,
    PrecisionRecall,
    Verification,
)
from deepglass.understand.rows import mistake, picture_of, visible

WORST, TYPICAL = 12, 6
NOTICED = 0.05  # boxes below this confidence are not drawn
BOXES = 80  # a picture, at most
COMPARED = 700  # rows whose pairs are looked at, a quarter of a million
BINS = 48
PAIRS = 6  # of the same and of different ones
MISTAKES = 60


class Seen(NamedTuple):
    """What a kind's function gets.

    Args:
        rows: the test rows' places in the prepared table.
        best: their answers.
        truth: their targets, where the pictures stand.
    """

    prepared: Prepared
    rows: np.ndarray
    best: Best
    truth: Column
    calibration: Calibration

    def place(self, i: int) -> int:
        """Where the i-th test row stands in the source."""
        return int(self.prepared.places[self.rows[i]])


class _Picture(NamedTuple):
    """A picture as it is shown, and which part of the encoded one that is: top, left, height, width as shares."""

    encoded: bytes
    size: tuple[int, int]
    part: tuple[float, float, float, float]


def facts_of(feature: Feature, seen: Seen) -> dict[str, Any]:
    """Fields of `OutputFacts` that a kind fills; none for kinds that are not about pictures."""
    function = KINDS.get(feature.kind)
    return function(feature, seen) if function is not None and seen.truth.mask.any() else {}


# -- masks -------------------------------------------------------------------------------------------------------


def _mask(feature: Mask, seen: Seen) -> dict[str, Any]:
    names = feature.class_names
    colours = tuple(colour(k) for k in range(len(names)))
    counts = feature.condensed(seen.best, seen.truth)[0]["counts"].astype(float)  # (N, K, K), true by said
    right = np.diagonal(counts, axis1=1, axis2=2)
    union = counts.sum(2) + counts.sum(1) - right
    present = counts.sum(2) > 0
    iou = np.divide(right, union, out=np.zeros_like(right), where=union > 0)
    score = np.where(present, iou, 0).sum(1) / np.maximum(present.sum(1), 1)
    overlays = []
    for i, typical in _cases(score, seen.truth.mask & present.any(1)):
        picture = _shown(seen, i)
        if picture is None:
            return {"per_class": feature.per_class(seen.best, seen.truth)}
        true, said = (_cut(v[i].astype(int) - 1, picture.part) for v in (seen.truth.values, seen.best["classes"]))
        wrong = np.where((true >= 0) & (true != said), 0, -1)
        overlays.append(
            Overlay(
                row=seen.place(i),
                picture=picture.encoded,
                size=picture.size,
                truth=Drawn(draw.classes(true, colours)),
                answer=Drawn(draw.classes(said, colours)),
                wrong=draw.classes(wrong, ((255, 60, 20),)),
                score=float(score[i]),
                score_name="miou",
                caption=_taken_for(counts[i], names),
                typical=typical,
            )
        )
    shown = counts.sum((0, 2)) + counts.sum((0, 1)) > 0
    legend = tuple(Legend(n, c) for n, c, s in zip(names, colours, shown, strict=True) if s)
    figures = feature.per_class(seen.best, seen.truth)
    return {"overlays": tuple(overlays), "legend": legend, "per_class": figures}


def _taken_for(counts: np.ndarray, names: tuple[str, ...]) -> str:
    """The most frequent mistake of a picture, such as "road taken for pavement, 12 % of the picture"."""
    wrong = counts * (1 - np.eye(len(counts)))
    share = wrong.max(initial=0) / max(counts.sum(), 1)
    if share < 0.005:
        return ""
    true, said = divmod(int(wrong.argmax()), len(counts))
    return f"{names[true]} taken for {names[said]}, {percent(share, 0)} of the picture"


def _cut(plane: np.ndarray, part: tuple[float, float, float, float]) -> np.ndarray:
    """The part of a plane (Y, X) that shows the picture and not its letterbox."""
    Y, X = plane.shape
    top, left, height, width = np.round(np.array(part) * [Y, X, Y, X]).astype(int)
    return plane[top : top + max(height, 1), left : left + max(width, 1)]


# -- boxes -------------------------------------------------------------------------------------------------------


def _boxes(feature: Boxes, seen: Seen) -> dict[str, Any]:
    calibrated = lambda scores: _confidence(scores, seen.calibration)  # noqa: E731
    at = float(seen.calibration.get("threshold", SHOWN))
    matches = feature.matches(seen.best, seen.truth)
    drawn = [_row_boxes(feature, seen, i, calibrated) for i in range(len(seen.rows))]
    score = np.array([_f1(truth, answer, at) for truth, answer in drawn])
    overlays = []
    for i, typical in _cases(score, seen.truth.mask):
        picture = _shown(seen, i)
        if picture is None:
            break
        truth, answer = (tuple(_moved(b, picture.part) for b in boxes) for boxes in drawn[i])
        overlays.append(
            Overlay(
                row=seen.place(i),
                picture=picture.encoded,
                size=picture.size,
                truth=Drawn(boxes=truth),
                answer=Drawn(boxes=answer),
                score=float(score[i]),
                score_name="f1",
                typical=typical,
            )
        )
    precision = detection.average_precision(matches)  # (thresholds, K)
    return {
        "overlays": tuple(overlays),
        "show_from": at,
        "per_class": _box_figures(feature, matches, precision, calibrated(matches.scores) >= at),
        "curves": _box_curves(feature, matches, precision[0]),
    }


def _confidence(scores: np.ndarray, calibration: Calibration) -> np.ndarray:
    if "slope" not in calibration:
        return scores
    return detection.apply_platt(scores, calibration["slope"], calibration["shift"])


def _row_boxes(
    feature: Boxes, seen: Seen, i: int, calibrated: Callable[[np.ndarray], np.ndarray]
) -> tuple[tuple[Box, ...], tuple[Box, ...]]:
    """The true and the found boxes of a row, matched at an overlap of one half."""
    assert seen.truth.offsets is not None
    names = feature.class_names
    true = seen.truth.values[seen.truth.offsets[i] : seen.truth.offsets[i + 1]]
    best = seen.best
    slots = np.flatnonzero(best["mask"][i])
    sure = calibrated(best["scores"][i, slots])
    order = np.argsort(-sure, kind="stable")[:BOXES]
    slots, sure = slots[order], sure[order]
    keep = sure >= NOTICED
    slots, sure = slots[keep], sure[keep]
    overlap = detection.iou(best["boxes"][i, slots], true[:, 1:])
    overlap[best["labels"][i, slots][:, None] != true[None, :, 0].astype(int)] = 0
    found: dict[int, float] = {}  # true box -> confidence of the answer that found it
    answers = []
    for n, slot in enumerate(slots):
        free = [-1.0 if j in found else o for j, o in enumerate(overlap[n])]
        match = int(np.argmax(free)) if free else -1
        hit = match >= 0 and free[match] >= 0.5
        if hit:
            found[match] = float(sure[n])
        answers.append(
            Box(names[int(best["labels"][i, slot])], *map(float, best["boxes"][i, slot]), float(sure[n]), hit)
        )
    truths = [Box(names[int(b[0])], *map(float, b[1:]), found.get(j)) for j, b in enumerate(true)]
    return tuple(truths), tuple(answers)


def _f1(truth: tuple[Box, ...], answer: tuple[Box, ...], at: float) -> float:
    said = [b for b in answer if b.confidence is not None and b.confidence >= at]
    if not said and not truth:
        return 1.0
    return 2 * sum(b.correct for b in said) / (len(said) + len(truth))


def _moved(box: Box, part: tuple[float, float, float, float]) -> Box:
    """From shares of the encoded picture to shares of the part that is shown."""
    top, left, height, width = part
    x = [min(max((v - left) / width, 0.0), 1.0) for v in (box.left, box.right)]
    y = [min(max((v - top) / height, 0.0), 1.0) for v in (box.top, box.bottom)]
    return box._replace(left=x[0], top=y[0], right=x[1], bottom=y[1])


def _box_figures(
    feature: Boxes, matches: detection.Matches, precision: np.ndarray, shown: np.ndarray
) -> dict[str, dict[str, float]]:
    figures = {}
    for k, name in enumerate(feature.class_names):
        mine = shown & (matches.labels == k)
        hits, said, true = int(matches.hits[mine, 0].sum()), int(mine.sum()), int(matches.truths[k])
        if not said and not true:
            continue
        figures[name] = {
            "rows": float(true),
            "ap50": float(precision[0, k]),
            "ap50_95": float(precision[:, k].mean()),
            "recall": hits / true if true else float("nan"),
            "precision": hits / said if said else float("nan"),
        }
    return figures


def _box_curves(feature: Boxes, matches: detection.Matches, area: np.ndarray) -> Curves | None:
    lines = []
    for k, name in enumerate(feature.class_names):
        if matches.truths[k]:
            found = detection.curve(matches, k)
            lines.append(_line(name, found.precision, found.recall, float(area[k]), int(matches.truths[k])))
    return _curves(lines)


# -- several labels ----------------------------------------------------------------------------------------------


def _set(feature: Set, seen: Seen) -> dict[str, Any]:
    known = np.flatnonzero(seen.truth.mask)
    figures = feature.per_class(seen.best, seen.truth, seen.calibration)
    lines = []
    for k, name in enumerate(feature.class_names):
        true, order = seen.truth.values[known, k] > 0, np.argsort(-seen.best["log_odds"][known, k], kind="stable")
        if true.any():
            hits = true[order].cumsum()
            precision, recall = hits / np.arange(1, len(hits) + 1), hits / true.sum()
            lines.append(_line(name, precision, recall, figures[name]["average_precision"], int(true.sum())))
    decoded = feature.decode(seen.best, seen.calibration)
    names = np.array(feature.class_names, object)
    wrong = []
    for i in known:
        true = names[seen.truth.values[i, : len(names)] > 0].tolist()
        if set(true) != set(decoded[i]["value"]):
            wrong.append((float(decoded[i]["confidence"]), int(i), true, decoded[i]["value"]))
    wrong.sort(key=lambda w: -w[0])
    said = lambda labels: ", ".join(labels) or "none of them"  # noqa: E731
    mistakes = tuple(mistake(seen.prepared, seen.rows, i, said(t), said(p), c) for c, i, t, p in wrong[:MISTAKES])
    return {"per_class": figures, "curves": _curves(lines), "mistakes": mistakes}


def _line(name: str, precision: np.ndarray, recall: np.ndarray, area: float, positives: int) -> PrecisionRecall:
    """A curve read at the common recalls, precision made to fall; zero where it never comes so far."""
    falling = np.maximum.accumulate(precision[::-1])[::-1]
    place = np.searchsorted(recall, detection.RECALLS, side="left")
    return PrecisionRecall(name, tuple(np.append(falling, 0.0)[place].round(4).tolist()), area, positives)


def _curves(lines: list[PrecisionRecall]) -> Curves | None:
    if not lines:
        return None
    mean = np.mean([line.precision for line in lines], 0).round(4).tolist()
    area, positives = float(np.mean([line.area for line in lines])), sum(line.positives for line in lines)
    return Curves(tuple(detection.RECALLS.tolist()), (PrecisionRecall("mean", tuple(mean), area, positives), *lines))


# -- the same or not ---------------------------------------------------------------------------------------------


def _identity(feature: Identity, seen: Seen) -> dict[str, Any]:
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
    seen: Seen,
    known: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    similarity: np.ndarray,
    pairs: np.ndarray,
    *,
    least: bool,
) -> list[Pair]:
    """The pairs on the wrong side, or nearest to it; a row in one of them at most."""
    order = pairs[np.argsort(similarity[pairs] if least else -similarity[pairs], kind="stable")]
    used: set[int] = set()
    hard = []
    for p in order:
        a, b = int(known[first[p]]), int(known[second[p]])
        if a in used or b in used:
            continue
        shown = [_shown(seen, i, 120) for i in (a, b)]
        if shown[0] is None or shown[1] is None:
            return []
        used |= {a, b}
        rows = (seen.place(a), seen.place(b))
        hard.append(Pair(shown[0].encoded, shown[1].encoded, rows, float(similarity[p]), least))
        if len(hard) == PAIRS:
            break
    return hard


# -- pictures and cases ------------------------------------------------------------------------------------------


def _cases(score: np.ndarray, known: np.ndarray) -> list[tuple[int, bool]]:
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


def _shown(seen: Seen, i: int, longest: int = draw.LONGEST) -> _Picture | None:
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
    pixels = visible(codes)[top : top + max(height, 1), left : left + max(width, 1)]
    return _Picture(draw.photo(pixels, longest), draw.shown_size(pixels.shape[:2], longest), part)


KINDS: Mapping[str, Callable[[Any, Seen], dict[str, Any]]] = {
    "mask": _mask,
    "boxes": _boxes,
    "set": _set,
    "identity": _identity,
}
