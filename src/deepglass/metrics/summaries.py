"""The less obvious parts of `Facts`, from arrays: spreads, intervals, reliability, thresholds, thumbnails."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from PIL import Image

from deepglass.metrics import ece
from deepglass.metrics.calibration import apply_temperature


class Histogram(NamedTuple):
    """How numbers are spread: `counts` in bins of one width from `low` to `high`."""

    low: float
    high: float
    counts: tuple[int, ...]


class TopValues(NamedTuple):
    """The most frequent values with their counts, the rows of all others, and how many values there are."""

    values: tuple[tuple[str, int], ...]
    others: int = 0
    distinct: int = 0


class Figure(NamedTuple):
    """A measured figure and the ends of its 95 % interval."""

    value: float
    low: float | None = None
    high: float | None = None


class Bin(NamedTuple):
    """The rows whose confidence falls into one bin: its mean, the share that was right, how many."""

    confidence: float
    accuracy: float
    rows: int


@dataclass(frozen=True, kw_only=True)
class Reliability:
    """How true confidences are, before and after the temperature; `ece` is the expected calibration error."""

    after: tuple[Bin, ...]
    ece_after: float
    before: tuple[Bin, ...] = ()
    ece_before: float | None = None
    temperature: float | None = None


@dataclass(frozen=True, kw_only=True)
class Thresholds:
    """What a yes-or-no output does at each threshold; the ROC curve follows from it.

    Args:
        at: thresholds in ascending order, (T,). A row is called positive when its probability reaches it.
        true_positive: counts, (T,); the other three alike.
        chosen: the threshold that the run answers with.
        positive: the name of the positive class.
    """

    at: np.ndarray
    true_positive: np.ndarray
    false_positive: np.ndarray
    false_negative: np.ndarray
    true_negative: np.ndarray
    chosen: float = 0.5
    positive: str = "yes"


def histogram(values: np.ndarray, bins: int = 24) -> Histogram | None:
    """How numbers are spread; None where there is no finite one. Far outliers join the end bins."""
    values = np.asarray(values, dtype=float)
    values = values[np.isfinite(values)]
    if not len(values):
        return None
    least, low, high, most = np.quantile(values, [0, 0.005, 0.995, 1])
    far = (high - low) / 2 or np.inf
    low, high = least if low - least <= far else low, most if most - high <= far else high
    counts, _ = np.histogram(np.clip(values, low, high), bins=1 if low == high else bins, range=(low, high))
    return Histogram(float(low), float(high), tuple(int(c) for c in counts))


def top_values(values: Iterable[object], show: int = 4) -> TopValues:
    """The most frequent values, None left out."""
    counts = Counter(str(v) for v in values if v is not None)
    top = counts.most_common(show)
    return TopValues(tuple(top), counts.total() - sum(n for _, n in top), len(counts))


def sample(rows: int, at_most: int = 2000, seed: int = 0) -> np.ndarray:
    """Places of at most so many of the rows, in ascending order."""
    if rows <= at_most:
        return np.arange(rows)
    return np.sort(np.random.default_rng(seed).choice(rows, at_most, replace=False))


def share_interval(right: int, rows: int) -> Figure:
    """A share such as an accuracy with its 95 % interval.

    Source: Wilson, 1927, JASA 22, the score interval.
    """
    if not rows:
        return Figure(float("nan"))
    p, z = right / rows, 1.959964
    middle = (p + z * z / (2 * rows)) / (1 + z * z / rows)
    half = z * np.sqrt(p * (1 - p) / rows + z * z / (4 * rows * rows)) / (1 + z * z / rows)
    return Figure(p, float(max(middle - half, 0.0)), float(min(middle + half, 1.0)))


def bootstrap(metric: Callable[[np.ndarray], float], rows: int, repeats: int = 200, seed: int = 0) -> Figure:
    """Any metric with its 95 % interval.

    Args:
        metric: the figure over these rows, which it gets as an index array (with repeats).
        rows: how many rows there are.

    Source: Efron, 1979, Annals of Statistics 7, the percentile bootstrap.
    """
    value = float(metric(np.arange(rows)))
    random = np.random.default_rng(seed)
    drawn = np.array([metric(random.integers(0, rows, rows)) for _ in range(repeats)], dtype=float)
    drawn = drawn[np.isfinite(drawn)]
    if not len(drawn):
        return Figure(value)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Figure(value, float(low), float(high))


def reliability(
    log_probs: np.ndarray, labels: np.ndarray, temperature: float | None, confidence: np.ndarray, right: np.ndarray
) -> Reliability:
    """How true confidences are, before and after the temperature.

    Args:
        log_probs: (N, K) before it.
        labels: (N,) codes.
        temperature: None where none was fitted.
        confidence: (N,) of the answers that were given.
        right: (N,) bool, whether these were.
    """
    raw = apply_temperature(log_probs, 1.0)
    return Reliability(
        after=reliability_bins(confidence, right),
        ece_after=ece(labels, np.exp(apply_temperature(log_probs, temperature or 1.0))),
        before=reliability_bins(np.exp(raw.max(1)), raw.argmax(1) == labels),
        ece_before=ece(labels, np.exp(raw)),
        temperature=temperature,
    )


def reliability_bins(confidence: np.ndarray, right: np.ndarray, bins: int = 15) -> tuple[Bin, ...]:
    """Rows gathered by their confidence, empty bins left out.

    Args:
        confidence: (N,) 0 to 1, of the answer that was given.
        right: (N,) bool.
    """
    place = np.clip((confidence * bins).astype(int), 0, bins - 1)
    found = []
    for i in np.unique(place):
        inside = place == i
        found.append(Bin(float(confidence[inside].mean()), float(right[inside].mean()), int(inside.sum())))
    return tuple(found)


def thresholds(
    score: np.ndarray, truth: np.ndarray, *, chosen: float = 0.5, positive: str = "yes", at_most: int = 200
) -> Thresholds:
    """What each threshold does, at the quantiles of the scores, at 0.5 and at the chosen one.

    Args:
        score: (N,) probability of the positive class.
        truth: (N,) bool.
    """
    at = np.unique(np.r_[0.0, np.quantile(score, np.linspace(0, 1, at_most - 4)), 0.5, chosen, np.nextafter(1, 2)])
    positives, negatives = np.sort(score[truth]), np.sort(score[~truth])
    true_positive = len(positives) - np.searchsorted(positives, at)
    false_positive = len(negatives) - np.searchsorted(negatives, at)
    return Thresholds(
        at=at,
        true_positive=true_positive,
        false_positive=false_positive,
        false_negative=len(positives) - true_positive,
        true_negative=len(negatives) - false_positive,
        chosen=chosen,
        positive=positive,
    )


def thumbnail(pixels: np.ndarray | Image.Image, longest: int = 96) -> bytes:
    """A picture as a small PNG; one that is small already keeps its pixels.

    Shapes: `pixels`: (Y, X), (Y, X, 1), (Y, X, 3) or (Y, X, 4), uint8.
    """
    if isinstance(pixels, Image.Image):
        picture = pixels.convert("RGB") if pixels.mode not in ("L", "RGB", "RGBA") else pixels.copy()
    else:
        picture = Image.fromarray(pixels[:, :, 0] if pixels.ndim == 3 and pixels.shape[2] == 1 else pixels)
    picture.thumbnail((longest, longest), Image.Resampling.LANCZOS)
    written = io.BytesIO()
    picture.save(written, "PNG", optimize=True)
    return written.getvalue()
