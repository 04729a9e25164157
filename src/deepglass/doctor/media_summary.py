"""Thumbnails and statistics of images and audio, to find duplicates and dark, loud, short or odd-sized items."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from deepglass.errors import SourceError
from deepglass.features._audio_files import read_audio, read_header
from deepglass.features._images import (
    RawImage,
    as_images,
    channels_last,
    decode_sized,
    map_images,
    resize,
    shrink_by_averages,
    with_channels,
)
from deepglass.features.base import Feature, Media, Raw

SIDE = 16  # pixels of a thumbnail
NUM_BANDS, NUM_TIMES = 24, 24  # of a spectrum
MIN_POWER = 1e-4  # of a spectrum's peak; what is less counts as silence
MAX_SECONDS = 10.0  # of audio that are read
ARRAY_SPEED = 4  # images in an array are read so many times as fast as files
AUDIO_COST = 4  # an audio file takes so many times as long to read as an image
IMAGE_STATISTICS = ("height", "width", "brightness", "contrast")
AUDIO_STATISTICS = ("seconds", "loudness", "samples a second", "clipped")

Summary = tuple[np.ndarray, tuple[float, ...]]
"""Flattened thumbnail or spectrum, and the statistics of one item."""


class MediaSummary(NamedTuple):
    """Summary of a column of images or audio.

    Args:
        rows: (n,) rows that were read.
        values: (n, F) float32, flattened thumbnails or spectra.
        statistics: name -> (N,) float64 over all rows, NaN where nothing was read.
    """

    rows: np.ndarray
    values: np.ndarray
    statistics: dict[str, np.ndarray]

    @property
    def is_audio(self) -> bool:
        return "seconds" in self.statistics


def summarise_media(feature_type: type[Feature], raw: Raw, max_items: int) -> MediaSummary | None:
    """The summary of a column, from at most about `max_items` evenly spread rows; None for other types."""
    if feature_type.is_image and feature_type.file_based:
        if isinstance(raw, np.ndarray) and raw.ndim >= 3:
            return _summarise_array(raw, ARRAY_SPEED * max_items)
        return _summarise_files(as_images(raw), _read_image, IMAGE_STATISTICS, max_items)
    if feature_type.is_audio and feature_type.file_based and isinstance(raw, list):
        return _summarise_files(raw, _read_audio, AUDIO_STATISTICS, max(max_items // AUDIO_COST, 1))
    return None


def spread_evenly(count: int, max_rows: int) -> np.ndarray:
    """At most `max_rows` of `count` rows, evenly spread."""
    return np.arange(count) if count <= max_rows else np.linspace(0, count - 1, max_rows).astype(np.int64)


def _summarise_files(
    items: Sequence[Any], read: Callable[[Any], Summary | None], names: Sequence[str], max_items: int
) -> MediaSummary:
    """The summary of files, of which one that several rows name is opened once.

    Args:
        read: an item -> its summary; None for a missing or unreadable one.
        names: of the statistics.
    """
    rows = spread_evenly(len(items), max_items)
    keys = [(m.path, m.member) if isinstance(m := items[i], Media) else i for i in rows.tolist()]
    distinct = {key: items[i] for key, i in zip(keys, rows.tolist(), strict=True)}
    results = dict(zip(distinct, map_images(read, list(distinct.values())), strict=True))
    read_rows = [(i, summary) for i, key in zip(rows, keys, strict=True) if (summary := results[key]) is not None]
    present = np.array([i for i, _ in read_rows], np.int64)
    values = np.stack([values for _, (values, _) in read_rows]) if read_rows else np.zeros((0, 1), np.float32)
    statistics = np.array([own for _, (_, own) in read_rows], np.float64).reshape(-1, len(names))
    return MediaSummary(present, values, _over_all(present, dict(zip(names, statistics.T, strict=True)), len(items)))


def _over_all(rows: np.ndarray, statistics: Mapping[str, np.ndarray], count: int) -> dict[str, np.ndarray]:
    """Statistics of some rows as (count,) arrays with NaN for the others."""
    result = {name: np.full(count, np.nan) for name in statistics}
    for name, values in statistics.items():
        result[name][rows] = values
    return result


# -- images ------------------------------------------------------------------------------------------------------


def _summarise_array(raw: np.ndarray, max_items: int) -> MediaSummary:
    """Images in one array, (N, Y, X) or with channels."""
    x = channels_last(raw)
    rows = spread_evenly(len(x), max_items)
    chunks = [_thumbnails(x[rows[start : start + 1024]]) for start in range(0, len(rows), 1024)]
    values = np.concatenate(chunks) if chunks else np.zeros((0, 1), np.float32)
    valid = np.isfinite(values).all(1)
    rows, values = rows[valid], values[valid]
    light = {"brightness": values.mean(1, dtype=np.float64), "contrast": values.std(1, dtype=np.float64)}
    return MediaSummary(rows, values, _over_all(rows, light, len(x)))


def _thumbnails(x: np.ndarray) -> np.ndarray:
    """Grey thumbnails by area averaging, (n, pixels), from (n, Y, X, C)."""
    grey = x.astype(np.float32).mean(3)  # (n, Y, X)
    return shrink_by_averages(grey, SIDE).reshape(len(grey), -1).astype(np.float32)


def _read_image(image: RawImage) -> Summary | None:
    """Grey thumbnail; height, width, brightness and contrast."""
    if image is None:
        return None
    try:
        pixels, size = decode_sized(image, target_size=(2 * SIDE, 2 * SIDE))
        scale = 255.0 / float(np.iinfo(pixels.dtype).max) if pixels.dtype.kind == "u" else 1.0
        grey = with_channels(pixels, 1, 1.0) if pixels.shape[2] <= 4 else pixels.mean(2, keepdims=True)
        values = resize(grey.astype(np.float32) * scale, (SIDE, SIDE)).reshape(-1).astype(np.float32)
    except SourceError:
        return None
    return values, (*size, float(values.mean(dtype=np.float64)), float(values.std(dtype=np.float64)))


# -- audio -------------------------------------------------------------------------------------------------------


def _read_audio(media: Media | None) -> Summary | None:
    """Spectrum; length in seconds, loudness in decibels, sampling rate, share of samples at the largest value."""
    if not isinstance(media, Media):
        return None
    try:
        header = read_header(media)
        wave = read_audio(media, None, MAX_SECONDS).astype(np.float32) / 32767
    except SourceError:
        return None
    loudness = 20 * float(np.log10(np.sqrt((wave**2).mean()) + 1e-5))
    peak = float(np.abs(wave).max(initial=0.0))
    clipped = float((np.abs(wave) >= 0.999 * peak).mean()) if peak > 0 else 0.0
    return band_energies(wave), (header.samples / header.rate, loudness, float(header.rate), clipped)


def band_energies(wave: np.ndarray) -> np.ndarray:
    """Power in frequency bands and time segments, (NUM_BANDS * NUM_TIMES,) float32, in decibels."""
    cuts = np.linspace(0, max(len(wave), NUM_TIMES), NUM_TIMES + 1).astype(int)
    padded = np.pad(wave, (0, max(NUM_TIMES - len(wave), 0)))
    bands = np.zeros((NUM_TIMES, NUM_BANDS), np.float32)
    for t in range(NUM_TIMES):
        piece = padded[cuts[t] : cuts[t + 1]]
        power = np.abs(np.fft.rfft(piece, max(len(piece), 2 * NUM_BANDS))) ** 2
        edges = np.linspace(0, len(power), NUM_BANDS + 1).astype(int)
        bands[t] = np.add.reduceat(power, edges[:-1]) / np.diff(edges)
    return (10 * np.log10(bands + MIN_POWER * max(float(bands.max()), 1e-9))).reshape(-1)
