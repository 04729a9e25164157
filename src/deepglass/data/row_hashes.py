"""Hashes of the content of rows, by which a run recognises its rows in other files.

A hash depends on what cells mean, not on how they are stored: a row has the same one in a csv file, a parquet file and
a frame, and an image wherever its file lies.
"""

import hashlib
from collections.abc import Iterable
from typing import Any

import numpy as np
import polars as pl

from deepglass.data.table import Table
from deepglass.features.base import Media, Raw
from deepglass.files import open_file
from deepglass.parsing import is_missing

MAX_FLOAT_INTEGER = 2**53  # whole numbers from here on are compared as text, since float64 rounds them
_CHUNK = 2**20  # bytes at the start and at the end of a file that are hashed, with its size


def row_hashes(table: Table, columns: Iterable[str]) -> np.ndarray:
    """A hash per row of the cells of some columns; their order does not matter.

    Numbers are equal if they are so in float32, or as integers. Missing cells are equal.

    Shapes:
        returns: (N,) uint64.

    Raises:
        SourceError: `unknown-column`, and what reading a media file raises.
    """
    hashes = np.zeros(len(table), np.uint64)
    for name in sorted(set(columns)):
        hashes += _mixed(_cell_hashes(table[name]) ^ np.uint64(_hash(name.encode())))
    return _mixed(hashes)


def _cell_hashes(raw: Raw) -> np.ndarray:
    """(N,) uint64; 0 for a missing cell."""
    if isinstance(raw, list):
        return _hashes(None if item is None else _content(item) for item in raw)
    if isinstance(raw, np.ndarray) and raw.ndim > 1:
        rows = raw.astype(np.float32) if raw.dtype.kind == "f" else raw
        return _hashes(np.ascontiguousarray(row).tobytes() for row in rows)
    series = pl.Series(values=raw) if isinstance(raw, np.ndarray) else raw
    if series.dtype.is_nested() or series.dtype in (pl.Object, pl.Binary):
        return _hashes(None if value is None else _plain_bytes(value) for value in series.to_list())
    if series.dtype.is_numeric():
        return _number_hashes(series)
    if series.dtype.is_temporal():  # midnight is the day alone
        return _text_hashes(series.cast(pl.String).str.replace(r"[ T]00:00:00(\.0+)?$", ""))
    texts = series.cast(pl.String).str.strip_chars()
    missing = is_missing(texts)
    numbers = texts.cast(pl.Float64, strict=False)
    is_number = (numbers.is_finite() & (numbers.abs() < MAX_FLOAT_INTEGER)).fill_null(False)
    hashes = np.where(is_number, _number_hashes(numbers), _text_hashes(texts))
    return np.where(missing, np.uint64(0), hashes)


def _number_hashes(series: pl.Series) -> np.ndarray:
    """Whole numbers by their value, others as float32."""
    numbers = series.cast(pl.Float64).to_numpy()
    whole = np.isfinite(numbers) & (np.floor(numbers) == numbers) & (np.abs(numbers) < MAX_FLOAT_INTEGER)
    with np.errstate(over="ignore", invalid="ignore"):
        bits = numbers.astype(np.float32).view(np.uint32).astype(np.uint64)
    integers = np.where(whole, numbers, 0).astype(np.int64).view(np.uint64)
    hashes = np.where(whole, _mixed(integers), _mixed(bits | np.uint64(1 << 63)))
    hashes[np.isnan(numbers)] = 0
    large = np.abs(numbers) >= MAX_FLOAT_INTEGER
    if series.dtype.is_integer() and large.any():
        hashes[large] = _text_hashes(series.filter(pl.Series(large)).cast(pl.String))
    return hashes


def _text_hashes(series: pl.Series) -> np.ndarray:
    """Each different text is hashed once."""
    texts = series.unique().drop_nulls()
    hashes = pl.Series(_hashes(text.encode() for text in texts), dtype=pl.UInt64)
    return series.replace_strict(texts, hashes, default=0, return_dtype=pl.UInt64).to_numpy()


def _content(item: Any) -> bytes:
    """The content of a file, or of an image that is open; of a long file its start, end and size."""
    if not isinstance(item, Media):
        return np.asarray(item).tobytes()
    if item.member is not None:
        return item.read()
    with open_file(item.path, item.name) as file:
        start = file.read(_CHUNK)
        size = file.seek(0, 2)
        file.seek(max(size - _CHUNK, len(start)))
        return b"%d " % size + start + file.read()


def _plain_bytes(value: Any) -> bytes:
    """A nested value; numbers as float32."""
    if isinstance(value, bytes):
        return value
    try:
        return np.asarray(value, np.float32).tobytes()
    except (TypeError, ValueError):
        return repr(value).encode()


def _hashes(contents: Iterable[bytes | None]) -> np.ndarray:
    return np.array([0 if content is None else _hash(content) for content in contents], np.uint64)


def _hash(content: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "little") | 1  # 0 is a missing cell


def _mixed(x: np.ndarray) -> np.ndarray:
    """Each number spread over all bits. Source: Steele, Lea & Flood, 2014, SplitMix64."""
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
