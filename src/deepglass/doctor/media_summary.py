"""Thumbnails and statistics of images and sounds: enough to find duplicates, dark, loud, short or odd-sized items."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import polars as pl

from deepglass.errors import SourceError
from deepglass.features._audio_files import read_audio, read_header
from deepglass.features._images import (
    RawImage,
    as_images,
    channels_last,
    decode_sized,
    map_images,
    resize,
    with_channels,
)
from deepglass.features.base import Feature, Media, Raw

SIDE = 16  # pixels of a thumbnail
NUM_BANDS, NUM_TIMES = 24, 24  # of a spectrum
MIN_POWER = 1e-4  # of a spectrum's peak; what is less counts as silence
MAX_SECONDS = 10.0  # of a sound that are read
ARRAY_SPEED = 4  # images in an array are read so many times as fast as files
SOUND_COST = 4  # a sound takes so many times as long to read as an image


class MediaSummary(NamedTuple):
    """Summary of a column of images or sounds.

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
    if not feature_type.file_based:
        return None
    if feature_type.is_image:
        return _arrays(np.asarray(raw), ARRAY_SPEED * max_items) if _is_grid(raw) else _files(raw, max_items)
    if feature_type.is_audio and isinstance(raw, list):
        return _sounds(raw, max(max_items // SOUND_COST, 1))
    return None


def spread_evenly(count: int, max_rows: int) -> np.ndarray:
    """At most `max_rows` of `count` rows, evenly spread."""
    return np.arange(count) if count <= max_rows else np.linspace(0, count - 1, max_rows).astype(np.int64)


# -- images ------------------------------------------------------------------------------------------------------


def _is_grid(raw: Raw) -> bool:
    return isinstance(raw, np.ndarray) and raw.ndim >= 3


def _arrays(raw: np.ndarray, max_items: int) -> MediaSummary:
    """Images in one array, (N, Y, X) or with channels."""
    x = channels_last(raw)
    at = spread_evenly(len(x), max_items)
    parts = [_thumbnails(x[at[start : start + 1024]]) for start in range(0, len(at), 1024)]
    values = np.concatenate(parts) if parts else np.zeros((0, 1), np.float32)
    valid = np.isfinite(values).all(1)
    return _image_summary(at[valid], values[valid], len(x), {})


def _thumbnails(x: np.ndarray) -> np.ndarray:
    """Grey thumbnails by area averaging, (n, pixels), from (n, Y, X, C)."""
    grey = x.astype(np.float32).mean(3)  # (n, Y, X)
    for axis in (1, 2):
        size = grey.shape[axis]
        edges = np.linspace(0, size, min(size, SIDE) + 1).astype(int)
        shape = [-1 if a == axis else 1 for a in range(3)]
        grey = np.add.reduceat(grey, edges[:-1], axis=axis) / np.diff(edges).reshape(shape)
    return grey.reshape(len(grey), -1).astype(np.float32)


def _files(raw: Raw, max_items: int) -> MediaSummary:
    items = as_images(raw)
    at = spread_evenly(len(items), max_items)
    results = _read_once([items[i] for i in at])
    rows = np.array([i for i, result in zip(at, results, strict=True) if result is not None], np.int64)
    read = [result for result in results if result is not None]
    values = np.stack([thumbnail for thumbnail, _ in read]) if read else np.zeros((0, SIDE * SIDE), np.float32)
    size = np.array([size for _, size in read], np.float64).reshape(-1, 2)
    return _image_summary(rows, values, len(items), {"height": size[:, 0], "width": size[:, 1]})


def _read_once(items: Sequence[RawImage]) -> list[tuple[np.ndarray, tuple[int, int]] | None]:
    """`_read` of each image; a file that several rows name is opened once."""
    keys = [(m.path, m.member) if isinstance(m, Media) else i for i, m in enumerate(items)]
    first = {key: i for i, key in reversed(list(enumerate(keys)))}
    opened = sorted(first.values())
    results = dict(zip(opened, map_images(_read, [items[i] for i in opened]), strict=True))
    return [results[first[key]] for key in keys]


def _read(picture: RawImage) -> tuple[np.ndarray, tuple[int, int]] | None:
    """Grey thumbnail and size; None for a missing or unreadable image."""
    if picture is None:
        return None
    try:
        pixels, size = decode_sized(picture, target_size=(2 * SIDE, 2 * SIDE))
        top = 255.0 / float(np.iinfo(pixels.dtype).max) if pixels.dtype.kind == "u" else 1.0
        grey = with_channels(pixels, 1, 1.0) if pixels.shape[2] <= 4 else pixels.mean(2, keepdims=True)
        return resize(grey.astype(np.float32) * top, (SIDE, SIDE)).reshape(-1).astype(np.float32), size
    except SourceError:
        return None


def _image_summary(rows: np.ndarray, values: np.ndarray, count: int, statistics: dict[str, np.ndarray]) -> MediaSummary:
    light = {"brightness": values.mean(1, dtype=np.float64), "contrast": values.std(1, dtype=np.float64)}
    return MediaSummary(rows, values, {n: _over_all(rows, v, count) for n, v in (statistics | light).items()})


def _over_all(rows: np.ndarray, values: np.ndarray, count: int) -> np.ndarray:
    whole = np.full(count, np.nan)
    whole[rows] = values
    return whole


# -- sounds ------------------------------------------------------------------------------------------------------


def _sounds(raw: list[Media], max_items: int) -> MediaSummary:
    rows, spectra, statistics = [], [], []
    for i in spread_evenly(len(raw), max_items):
        media = raw[i]
        if isinstance(media, Media) and (result := _read_audio(media)) is not None:
            rows.append(i)
            spectra.append(result[0])
            statistics.append(result[1])
    values = np.stack(spectra) if spectra else np.zeros((0, NUM_BANDS * NUM_TIMES), np.float32)
    measured = np.array(statistics, np.float64).reshape(-1, 3)
    names = ("seconds", "loudness", "samples a second")
    at = np.array(rows, np.int64)
    return MediaSummary(at, values, {n: _over_all(at, measured[:, k], len(raw)) for k, n in enumerate(names)})


def _read_audio(media: Media) -> tuple[np.ndarray, tuple[float, float, float]] | None:
    try:
        header = read_header(media)
        wave = read_audio(media, None, MAX_SECONDS).astype(np.float32) / 32767
    except SourceError:
        return None
    loudness = 20 * float(np.log10(np.sqrt((wave**2).mean()) + 1e-5))
    return band_energies(wave), (header.samples / header.rate, loudness, float(header.rate))


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


def display_names(raw: Raw, rows: np.ndarray) -> list[str]:
    """Names of some items for messages: of the files, or the row numbers."""
    if isinstance(raw, pl.Series | np.ndarray):
        return [f"row {r}" for r in rows]
    return [getattr(raw[r], "name", f"row {r}") for r in rows]
