"""Details of the points of a map: thumbnails, texts, values, labels and predictions."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
from PIL import Image as Pillow

from deepglass.features._display import spectrogram, to_pixels
from deepglass.features.audio import Audio
from deepglass.features.base import Column
from deepglass.features.image import Image
from deepglass.features.text import Text
from deepglass.formatting import plain_number, prediction_text
from deepglass.prepare.prepared_data import PreparedData
from deepglass.projection.facts import UNKNOWN, Coloring, PointDetails, SpriteSheet
from deepglass.projection.points import EmbeddedPoints

MAX_SIDE = 32  # pixels of a thumbnail
MAX_BYTES = 3_500_000  # of all thumbnails
MAX_CHARACTERS, MAX_VALUES = 200, 6  # of a text; columns of a row


def point_details(prepared: PreparedData, points: EmbeddedPoints, colours: Sequence[Coloring]) -> PointDetails:
    """Details of the detailed points."""
    rows = points.rows[points.detailed]
    pictured = next((f for f in prepared.inputs if isinstance(f, Image | Audio)), None)
    texts: tuple[str, ...] = ()
    if pictured is None or any(isinstance(f, Text) for f in prepared.inputs):
        texts = tuple(_text(prepared, int(row)) for row in rows)
    return PointDetails(
        rows=tuple(int(p) for p in prepared.source_rows[rows]),
        labels=_labels(prepared, points, colours),
        texts=texts,
        sprites=_sprites(pictured, points) if pictured is not None else None,
    )


def _labels(prepared: PreparedData, points: EmbeddedPoints, colours: Sequence[Coloring]) -> tuple[str, ...]:
    """`5, predicted 3`, one output after the other."""
    by_name = {c.name: c for c in colours}
    lines: list[list[str]] = [[] for _ in points.detailed]
    for feature in prepared.outputs:
        label, answer = by_name.get(feature.name), by_name.get(f"{feature.name}: prediction")
        if label is None:
            continue
        named = f"{feature.name} " if len(prepared.outputs) > 1 else ""
        true = _words(label, points.detailed)
        said = _words(answer, points.detailed) if answer is not None else true
        for line, t, s in zip(lines, true, said, strict=True):
            line.append(named + (t if t == s or s is None else f"{t}, predicted {s}" if t else f"predicted {s}"))
    return tuple("; ".join(line) for line in lines)


def _words(colour: Coloring, places: np.ndarray) -> list[str]:
    codes = colour.codes[places].tolist()
    if colour.names:
        return ["" if c == UNKNOWN else colour.names[c] for c in codes]
    low, high = colour.ends
    return ["" if c == UNKNOWN else "≈ " + plain_number(low + (high - low) * c / 255) for c in codes]


def _text(prepared: PreparedData, row: int) -> str:
    """A row's text, or its first values."""
    parts: list[str] = []
    for feature in prepared.inputs:
        value = prepared.table[feature.column][row]
        if isinstance(feature, Text) and value is not None:
            return " ".join(str(value).split())[:MAX_CHARACTERS]
        if value is not None and not isinstance(feature, Image | Audio) and len(parts) < MAX_VALUES:
            value = value.item() if isinstance(value, np.generic) else value
            shown = prediction_text(value) if isinstance(value, str | int | float | bool) else _some(value)
            parts.append(f"{feature.name} {shown}"[:60])
    return " · ".join(parts)


def _some(value: object) -> str:
    numbers = np.asarray(value).reshape(-1) if not isinstance(value, str) else np.array([value])
    shown = ", ".join(plain_number(v) if isinstance(v, float) else str(v) for v in numbers[:4].tolist())
    return shown + (", …" if len(numbers) > 4 else "")


def _sprites(feature: Image | Audio, points: EmbeddedPoints) -> SpriteSheet | None:
    """Thumbnails of all detailed points, as PNG or a JPEG of at most `MAX_BYTES`."""
    tiles = _pictures(feature, points) if isinstance(feature, Image) else _sounds(feature, points.inputs)
    N, Y, X, C = tiles.shape
    if not N:
        return None
    across = math.ceil(math.sqrt(N))
    down = -(-N // across)
    sheet = np.zeros((down * across, Y, X, C), np.uint8)
    sheet[:N] = tiles
    sheet = sheet.reshape(down, across, Y, X, C).swapaxes(1, 2).reshape(down * Y, across * X, C)
    return SpriteSheet(_small(Pillow.fromarray(sheet if C == 3 else sheet[..., 0])), (Y, X), across)


def _small(sheet: Pillow.Image) -> bytes:
    out = io.BytesIO()
    if sheet.mode == "L":
        sheet.save(out, "PNG", compress_level=3)
    for quality in (80, 60, 40):
        if 0 < out.tell() <= MAX_BYTES:
            break
        out = io.BytesIO()
        sheet.save(out, "JPEG", quality=quality)
    return out.getvalue()


def _pictures(feature: Image, points: EmbeddedPoints) -> np.ndarray:
    """(N, Y, X, C) of bytes, C 1 or 3."""
    codes = points.inputs[feature.name].values
    tiles = [to_pixels(c, feature.levels_ or 255) for c in codes]
    if max(codes.shape[2:]) > MAX_SIDE:
        tiles = [_shrunk(t) for t in tiles]
    return np.stack(tiles) if tiles else np.zeros((0, 1, 1, 1), np.uint8)


def _shrunk(pixels: np.ndarray) -> np.ndarray:
    tile = Pillow.fromarray(np.ascontiguousarray(pixels if pixels.shape[2] == 3 else pixels[..., 0]))
    tile.thumbnail((MAX_SIDE, MAX_SIDE), Pillow.Resampling.BOX)
    return np.atleast_3d(np.asarray(tile))


def _sounds(feature: Audio, inputs: Mapping[str, Column]) -> np.ndarray:
    """(N, Y, X, 3) of bytes: spectrograms."""
    column = inputs[feature.name]
    bounds, values = column.offsets, column.values
    assert bounds is not None
    tiles = []
    for start, end in pairwise(bounds):
        wave = values[start:end] if end > start else np.zeros(feature.frames.rate // 10, values.dtype)
        picture = Pillow.open(io.BytesIO(spectrogram(wave, feature.frames)), formats=["PNG"]).convert("RGB")
        tiles.append(np.asarray(picture.resize((MAX_SIDE * 3 // 2, MAX_SIDE), Pillow.Resampling.BOX)))
    return np.stack(tiles) if tiles else np.zeros((0, 1, 1, 3), np.uint8)
