"""Pictures and sounds in small: enough to see which are alike, dark, loud, short, or of an odd size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import polars as pl

from deepglass.errors import SourceError
from deepglass.features._audio_files import header_of, read_sound
from deepglass.features._images import Picture, channels_last, decode_sized, each, pictures, resize, with_channels
from deepglass.features.base import Media, Raw

SIDE = 16  # of a small picture, in pixels
BANDS, TIMES = 24, 24  # of a small spectrum
QUIET = 1e-4  # of a spectrum's peak: what is less is silence, whatever its noise
SECONDS = 10.0  # of a sound that are listened to
CHEAP = 4  # pictures in one array are so many times as quickly looked at as files
SOUNDS_SHARE = 4  # a sound takes so many times as long to open as a picture


class Small(NamedTuple):
    """Items in small.

    Args:
        rows: (n,) those that were looked at and could be read.
        values: (n, F) float32, the small pictures or spectra, laid flat.
        facts: what is measured -> (N,) float64 over all rows, NaN where nothing was.
    """

    rows: np.ndarray
    values: np.ndarray
    facts: dict[str, np.ndarray]


def small_of(kind: str, raw: Raw, most: int) -> Small | None:
    """A column of pictures or sounds in small; of more than `most` some, spread over the rows, are looked at."""
    if kind == "image":
        return _pixels(np.asarray(raw), CHEAP * most) if _is_grid(raw) else _files(raw, most)
    if kind == "audio" and isinstance(raw, list):
        return _sounds(raw, max(most // SOUNDS_SHARE, 1))
    return None


def spread(count: int, most: int) -> np.ndarray:
    """At most so many of `count` rows, evenly over them."""
    return np.arange(count) if count <= most else np.linspace(0, count - 1, most).astype(np.int64)


# -- pictures ----------------------------------------------------------------------------------------------------


def _is_grid(raw: Raw) -> bool:
    return isinstance(raw, np.ndarray) and raw.ndim >= 3


def _pixels(raw: np.ndarray, most: int) -> Small:
    """Pictures in one array, (N, Y, X) or with channels: shrunk by the means of their areas."""
    x = channels_last(raw)
    at = spread(len(x), most)
    parts = [_shrunk(x[at[start : start + 1024]]) for start in range(0, len(at), 1024)]
    values = np.concatenate(parts) if parts else np.zeros((0, 1), np.float32)
    known = np.isfinite(values).all(1)
    return _with_light(at[known], values[known], len(x), {})


def _shrunk(x: np.ndarray) -> np.ndarray:
    grey = x.astype(np.float32).mean(3)  # (n, Y, X)
    for axis in (1, 2):
        size = grey.shape[axis]
        edges = np.linspace(0, size, min(size, SIDE) + 1).astype(int)
        shape = [-1 if a == axis else 1 for a in range(3)]
        grey = np.add.reduceat(grey, edges[:-1], axis=axis) / np.diff(edges).reshape(shape)
    return grey.reshape(len(grey), -1).astype(np.float32)


def _files(raw: Raw, most: int) -> Small:
    items = pictures(raw)
    at = spread(len(items), most)
    found = _each_once([items[i] for i in at])
    rows = np.array([i for i, one in zip(at, found, strict=True) if one is not None], np.int64)
    seen = [one for one in found if one is not None]
    values = np.stack([one[0] for one in seen]) if seen else np.zeros((0, SIDE * SIDE), np.float32)
    size = np.array([one[1] for one in seen], np.float64).reshape(-1, 2)
    facts = {"height": size[:, 0], "width": size[:, 1]}
    return _with_light(rows, values, len(items), facts)


def _each_once(items: Sequence[Picture]) -> list[tuple[np.ndarray, tuple[int, int]] | None]:
    """What `_look` says of each picture; files that several rows name are opened once."""
    keys = [(m.path, m.member) if isinstance(m, Media) else i for i, m in enumerate(items)]
    first = {key: i for i, key in reversed(list(enumerate(keys)))}
    opened = sorted(first.values())
    looked = dict(zip(opened, each(_look, [items[i] for i in opened]), strict=True))
    return [looked[first[key]] for key in keys]


def _look(picture: Picture) -> tuple[np.ndarray, tuple[int, int]] | None:
    """A picture's small grey copy and its size; None for one that is missing or cannot be read."""
    if picture is None:
        return None
    try:
        pixels, size = decode_sized(picture, near=(2 * SIDE, 2 * SIDE))
        top = 255.0 / float(np.iinfo(pixels.dtype).max) if pixels.dtype.kind == "u" else 1.0
        grey = with_channels(pixels, 1, 1.0) if pixels.shape[2] <= 4 else pixels.mean(2, keepdims=True)
        return resize(grey.astype(np.float32) * top, (SIDE, SIDE)).reshape(-1).astype(np.float32), size
    except SourceError:
        return None


def _with_light(rows: np.ndarray, values: np.ndarray, count: int, facts: dict[str, np.ndarray]) -> Small:
    own = {**facts, "brightness": values.mean(1, dtype=np.float64), "contrast": values.std(1, dtype=np.float64)}
    return Small(rows, values, {what: _over_all(rows, v, count) for what, v in own.items()})


def _over_all(rows: np.ndarray, values: np.ndarray, count: int) -> np.ndarray:
    whole = np.full(count, np.nan)
    whole[rows] = values
    return whole


# -- sounds ------------------------------------------------------------------------------------------------------


def _sounds(raw: list[Media], most: int) -> Small:
    rows, spectra, facts = [], [], []
    for i in spread(len(raw), most):
        media = raw[i]
        if isinstance(media, Media) and (found := _listen(media)) is not None:
            rows.append(i)
            spectra.append(found[0])
            facts.append(found[1])
    values = np.stack(spectra) if spectra else np.zeros((0, BANDS * TIMES), np.float32)
    measured = np.array(facts, np.float64).reshape(-1, 3)
    names = ("seconds", "loudness", "samples a second")
    at = np.array(rows, np.int64)
    return Small(at, values, {n: _over_all(at, measured[:, k], len(raw)) for k, n in enumerate(names)})


def _listen(media: Media) -> tuple[np.ndarray, tuple[float, float, float]] | None:
    try:
        header = header_of(media)
        wave = read_sound(media, None, SECONDS).astype(np.float32) / 32767
    except SourceError:
        return None
    loudness = 20 * float(np.log10(np.sqrt((wave**2).mean()) + 1e-5))
    return spectrum(wave), (header.samples / header.rate, loudness, float(header.rate))


def spectrum(wave: np.ndarray) -> np.ndarray:
    """A wave's loudness in some bands and stretches of its length, (BANDS * TIMES,) float32, in decibels."""
    cuts = np.linspace(0, max(len(wave), TIMES), TIMES + 1).astype(int)
    padded = np.pad(wave, (0, max(TIMES - len(wave), 0)))
    bands = np.zeros((TIMES, BANDS), np.float32)
    for t in range(TIMES):
        piece = padded[cuts[t] : cuts[t + 1]]
        power = np.abs(np.fft.rfft(piece, max(len(piece), 2 * BANDS))) ** 2
        edges = np.linspace(0, len(power), BANDS + 1).astype(int)
        bands[t] = np.add.reduceat(power, edges[:-1]) / np.diff(edges)
    return (10 * np.log10(bands + QUIET * max(float(bands.max()), 1e-9))).reshape(-1)


def names_of(raw: Raw, rows: np.ndarray) -> list[str]:
    """What the user calls some items: the files' names, or the rows' numbers."""
    if isinstance(raw, pl.Series | np.ndarray):
        return [f"row {r}" for r in rows]
    return [getattr(raw[r], "name", f"row {r}") for r in rows]
