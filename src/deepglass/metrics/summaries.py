"""Summaries of arrays for reports: histograms, intervals, reliability diagrams, threshold curves, thumbnails."""

import io
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from PIL import Image

from deepglass import metrics
from deepglass.metrics.calibration import apply_temperature
from deepglass.metrics.classes import binned_error, row_blocks

MAX_VALUE = float(np.finfo(float).max) / 4  # of a histogram: the difference of two is finite


class Histogram(NamedTuple):
    """Histogram: `counts` in bins of equal width from `low` to `high`.

    Args:
        least, greatest: of all values; those beyond the bins are counted in the end bins. None: the bins hold all.
    """

    low: float
    high: float
    counts: tuple[int, ...]
    least: float | None = None
    greatest: float | None = None

    @property
    def range(self) -> tuple[float, float]:
        """The least and the greatest value."""
        return (
            self.low if self.least is None else self.least,
            self.high if self.greatest is None else self.greatest,
        )


class TopValues(NamedTuple):
    """The most frequent values with their counts, rows with other values, and number of distinct values."""

    values: tuple[tuple[str, int], ...]
    others: int = 0
    distinct: int = 0


class Figure(NamedTuple):
    """A metric and its 95 % interval."""

    value: float
    low: float | None = None
    high: float | None = None


class Bin(NamedTuple):
    """Bin of a reliability diagram: mean confidence, accuracy and number of rows."""

    confidence: float
    accuracy: float
    rows: int


@dataclass(frozen=True, kw_only=True)
class Reliability:
    """Reliability diagram before and after temperature scaling, with expected calibration errors."""

    after: tuple[Bin, ...]
    ece_after: float
    before: tuple[Bin, ...] = ()
    ece_before: float | None = None
    temperature: float | None = None


@dataclass(frozen=True, kw_only=True)
class Thresholds:
    """Confusion counts of a binary output at each threshold, for the ROC curve.

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
    """Histogram of the finite values, None without any; far outliers are counted in the end bins."""
    values = np.asarray(values, dtype=float)
    values = values[np.isfinite(values)].clip(-MAX_VALUE, MAX_VALUE)
    if not len(values):
        return None
    least, low, high, greatest = map(float, np.quantile(values, [0, 0.005, 0.995, 1]))
    far = (high - low) / 2 or np.inf
    low, high = least if low - least <= far else low, greatest if greatest - high <= far else high
    if low == high:
        return Histogram(low, high, (len(values),), least, greatest)
    if high - low < 2 * bins * np.spacing(max(abs(low), abs(high))):  # no float lies between the edges of a bin
        bins = 1
    counts, _ = np.histogram(np.clip(values, low, high), bins=bins, range=(low, high))
    return Histogram(low, high, tuple(int(c) for c in counts), least, greatest)


def top_values(values: Iterable[object], show: int = 4) -> TopValues:
    """The most frequent values, None left out."""
    counts = Counter(str(v) for v in values if v is not None)
    top = counts.most_common(show)
    return TopValues(tuple(top), counts.total() - sum(n for _, n in top), len(counts))


def sample(rows: int, at_most: int = 2000, seed: int = 0) -> np.ndarray:
    """Random row indices, at most `at_most`, in ascending order."""
    if rows <= at_most:
        return np.arange(rows)
    return np.sort(np.random.default_rng(seed).choice(rows, at_most, replace=False))


def share_interval(successes: int, rows: int) -> Figure:
    """A share, such as an accuracy, with its 95 % Wilson interval."""
    return Figure(successes / rows, *metrics.share_interval(successes, rows)) if rows else Figure(float("nan"))


def reliability(
    log_probs: np.ndarray, labels: np.ndarray, temperature: float | None, confidence: np.ndarray, correct: np.ndarray
) -> Reliability:
    """Reliability diagram before and after temperature scaling.

    Args:
        log_probs: (N, K) before it.
        labels: (N,) codes.
        temperature: None where none was fitted.
        confidence: (N,) of the answers that were given.
        right: (N,) bool, whether these were.
    """
    before = np.exp(log_probs.max(1))
    return Reliability(
        after=reliability_bins(confidence, correct),
        ece_after=_calibration_error(log_probs, labels, temperature or 1.0),
        before=reliability_bins(before, log_probs.argmax(1) == labels),
        ece_before=_calibration_error(log_probs, labels, 1.0),
        temperature=temperature,
    )


def _calibration_error(log_probs: np.ndarray, labels: np.ndarray, temperature: float) -> float:
    """Expected calibration error at a temperature, by blocks of rows."""
    if not len(labels):
        return float("nan")
    confidences, correct = [], []
    for rows in row_blocks(log_probs.shape):
        probs = np.exp(apply_temperature(log_probs[rows], temperature))
        confidences.append(probs.max(1).astype(np.float64))
        correct.append(probs.argmax(1) == labels[rows])
    return binned_error(np.concatenate(confidences), np.concatenate(correct))


def reliability_bins(confidence: np.ndarray, correct: np.ndarray, bins: int = 15) -> tuple[Bin, ...]:
    """Bins of a reliability diagram, without empty ones.

    Args:
        confidence: (N,) 0 to 1, of the answer that was given.
        right: (N,) bool.
    """
    bin_of = np.clip((confidence * bins).astype(int), 0, bins - 1)
    result = []
    for i in np.unique(bin_of):
        in_bin = bin_of == i
        result.append(Bin(float(confidence[in_bin].mean()), float(correct[in_bin].mean()), int(in_bin.sum())))
    return tuple(result)


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


def thumbnail(pixels: np.ndarray | Image.Image, max_side: int = 96) -> bytes:
    """An image as a small PNG; small images keep their pixels.

    Shapes: `pixels`: (Y, X), (Y, X, 1), (Y, X, 3) or (Y, X, 4), uint8.
    """
    if isinstance(pixels, Image.Image):
        image = pixels.convert("RGB") if pixels.mode not in ("L", "RGB", "RGBA") else pixels.copy()
    else:
        image = Image.fromarray(pixels[:, :, 0] if pixels.ndim == 3 and pixels.shape[2] == 1 else pixels)
    image.thumbnail((max_side, max_side), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    return file.getvalue()
