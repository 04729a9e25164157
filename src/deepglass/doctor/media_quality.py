"""Images and sounds without content, or recorded wrongly: blank, silent, clipped, noise, upside down, borders."""

from collections.abc import Iterator

import numpy as np

from deepglass.doctor.base import DataContext, Finding, join_limited
from deepglass.doctor.media_summary import NUM_BANDS, NUM_TIMES, SIDE, MediaSummary
from deepglass.features.base import Media

BLANK = 2.0  # contrast of an image, of 255
MIN_USUAL_CONTRAST = 10.0  # of most images of a column in which blank ones are told
SILENT = -70.0  # decibels of full scale
CLIPPED = 0.02  # share of samples at the largest value
FLAT = 0.6  # spectral flatness of noise; of tones and speech it is far less
MAX_SHARE = 0.3  # of the items; beyond it they are meant to be so
MIN_ITEMS = 20
MIN_UPRIGHT = 0.5  # correlation of most images with their mean, for upside-down ones to be told


def media_quality(context: DataContext) -> Iterator[Finding]:
    """One finding per column and kind of fault."""
    for column, summary in context.media.items():
        if len(summary.rows) < MIN_ITEMS:
            continue
        faults = _sounds(summary) if summary.is_audio else _images(summary)
        for what, items in faults.items():
            if 0 < len(items) <= MAX_SHARE * len(summary.rows):
                rows = summary.rows[items]
                raw = context.table[column]
                names = [item.name if isinstance(item := raw[int(r)], Media) else f"row {r}" for r in rows]
                kind = "sound" if summary.is_audio else "image"
                are = f"1 {kind} is {what}" if len(rows) == 1 else f"{len(rows):,} {kind}s are {what}"
                text = f"{column}: {are}: {join_limited(names, 3)}"
                yield context.finding("media_quality", rows, [column], 0.8, text, "data.fix=[media_quality]")


def _images(summary: MediaSummary) -> dict[str, np.ndarray]:
    """Fault -> indices among the images that were read."""
    contrast = summary.statistics["contrast"][summary.rows]
    if np.median(contrast) < MIN_USUAL_CONTRAST:
        return {}
    blank = contrast < BLANK
    faults = {"blank": np.flatnonzero(blank)}
    if (turned := _upside_down(summary.values, ~blank)) is not None:
        faults["upside down beside the others"] = turned
    if (framed := _framed(summary.values, ~blank)) is not None:
        faults["framed by an even border, unlike the others"] = framed
    return faults


def _upside_down(values: np.ndarray, usable: np.ndarray) -> np.ndarray | None:
    """Images that look like the mean image when turned by half a circle, and unlike it as they are.

    Shapes:
        values: (n, SIDE * SIDE); usable: (n,) bool. Returns indices (m,).
    """
    if values.shape[1] != SIDE * SIDE or usable.sum() < MIN_ITEMS:
        return None
    standard = values - values.mean(1, keepdims=True)
    standard /= np.maximum(np.linalg.norm(standard, axis=1, keepdims=True), 1e-9)
    mean = np.median(standard[usable], axis=0)
    norm = max(float(np.linalg.norm(mean)), 1e-9)
    upright = standard @ mean / norm
    turned = standard[:, ::-1] @ mean / norm  # pixels in reverse order: half a turn
    usual = float(np.median(upright[usable]))
    if usual < MIN_UPRIGHT or float(np.median(turned[usable])) > 0.3 * usual:
        return None  # no common direction
    return np.flatnonzero(usable & (turned > 0.7 * usual) & (upright < 0.2 * usual))


def _framed(values: np.ndarray, usable: np.ndarray) -> np.ndarray | None:
    """Images whose four edges all have one grey value, where most images have none such."""
    if values.shape[1] != SIDE * SIDE:
        return None
    grid = values.reshape(-1, SIDE, SIDE)
    edges = np.concatenate([grid[:, 0], grid[:, -1], grid[:, :, 0], grid[:, :, -1]], 1)
    inner = grid[:, 2:-2, 2:-2].reshape(len(grid), -1)
    even = usable & (edges.std(1) < 1.0) & (inner.std(1) > MIN_USUAL_CONTRAST)
    return np.flatnonzero(even) if even.mean() <= 0.1 else None


def _sounds(summary: MediaSummary) -> dict[str, np.ndarray]:
    """Fault -> indices among the sounds that were read."""
    loudness = summary.statistics["loudness"][summary.rows]
    rate = summary.statistics["samples a second"][summary.rows]
    silent = loudness < SILENT
    clipped = summary.statistics["clipped"][summary.rows] > CLIPPED
    power = 10 ** (summary.values.reshape(-1, NUM_TIMES, NUM_BANDS) / 10).mean(1)
    flatness = np.exp(np.log(np.maximum(power, 1e-12)).mean(1)) / np.maximum(power.mean(1), 1e-12)
    noise = ~silent & (flatness > FLAT) & (float(np.median(flatness)) < 0.5 * FLAT)
    rates, counts = np.unique(rate, return_counts=True)
    return {
        "silent": np.flatnonzero(silent),
        "clipped": np.flatnonzero(clipped & ~silent),
        "noise": np.flatnonzero(noise),
        f"not of {rates[counts.argmax()]:,.0f} samples a second as the others": np.flatnonzero(
            rate != rates[counts.argmax()]
        ),
    }
