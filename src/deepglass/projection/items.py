"""Details of the points of a map: thumbnails, texts, values, labels and predictions."""

import io
import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from PIL import Image as Pillow

from deepglass.features._display import spectrogram
from deepglass.features.base import Column, Feature
from deepglass.formatting import plain_number, prediction_text
from deepglass.prepare.prepared_data import PreparedData
from deepglass.projection.facts import STEPS, UNKNOWN, Colouring, PointDetails, SpriteSheet
from deepglass.projection.points import EmbeddedPoints

MAX_SIDE = 32  # pixels of a thumbnail
MAX_BYTES = 3_500_000  # of all thumbnails
MAX_CHARACTERS, MAX_VALUE = 200, 60  # of a text, of another value
MAX_VALUES, MAX_ENTRIES = 6, 4  # columns of a row; entries of a vector


def point_details(prepared: PreparedData, points: EmbeddedPoints, colourings: Sequence[Colouring]) -> PointDetails:
    """Details of the detailed points."""
    rows = points.rows[points.detailed]
    shown = next((f for f in prepared.inputs if f.is_image or f.is_audio), None)
    predictions, truths = _labels(prepared, points, colourings)
    columns = _columns(prepared) if shown is None or any(f.is_text for f in prepared.inputs) else []
    return PointDetails(
        rows=tuple(int(p) for p in prepared.source_rows[rows]),
        predictions=predictions,
        truths=truths,
        names=tuple(f.name for f in columns),
        values=tuple(tuple(_value(prepared, f, int(row)) for f in columns) for row in rows) if columns else (),
        sprites=_sprites(shown, points.inputs[shown.name]) if shown is not None else None,
    )


def _labels(
    prepared: PreparedData, points: EmbeddedPoints, colourings: Sequence[Colouring]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Predictions and labels in words, one output after the other."""
    by_name = {c.name: c for c in colourings}
    outputs = [f for f in prepared.outputs if f.name in by_name]
    predicted: list[list[str]] = [[] for _ in points.detailed]
    true: list[list[str]] = [[] for _ in points.detailed]
    for output in outputs:
        start = f"{output.name} " if len(prepared.outputs) > 1 else ""
        labels = _words(by_name[output.name], points.detailed)
        prediction = by_name.get(f"{output.name}: prediction")
        words = labels if prediction is None else _words(prediction, points.detailed)
        for lines, own in ((predicted, words), (true, [] if prediction is None else labels)):
            for line, word in zip(lines, own):
                line += [start + word] if word else []
    return tuple("; ".join(line) for line in predicted), tuple("; ".join(line) for line in true)


def _words(colouring: Colouring, points: np.ndarray) -> list[str]:
    codes = colouring.codes[points].tolist()
    if colouring.names:
        return ["" if c == UNKNOWN else colouring.names[c] for c in codes]
    low, high = colouring.ends
    return ["" if c == UNKNOWN else "≈ " + plain_number(low + (high - low) * c / STEPS) for c in codes]


def _columns(prepared: PreparedData) -> list[Feature]:
    """The first text, else the first inputs whose values are words or numbers."""
    texts = [f for f in prepared.inputs if f.is_text]
    return texts[:1] or [f for f in prepared.inputs if not (f.is_image or f.is_audio)][:MAX_VALUES]


def _value(prepared: PreparedData, feature: Feature, row: int) -> str:
    """A value of a row in few words; "" for a missing one."""
    value = prepared.table[feature.column][row]
    if value is None:
        return ""
    return " ".join(str(value).split())[:MAX_CHARACTERS] if feature.is_text else _value_text(value)[:MAX_VALUE]


def _value_text(value: Any) -> str:
    if isinstance(value, str | int | float | bool | np.generic):
        return prediction_text(value.item() if isinstance(value, np.generic) else value)
    entries = np.asarray(value).reshape(-1)
    shown = ", ".join(plain_number(v) if isinstance(v, float) else str(v) for v in entries[:MAX_ENTRIES].tolist())
    return shown + (", …" if len(entries) > MAX_ENTRIES else "")


def _sprites(feature: Feature, column: Column) -> SpriteSheet | None:
    """Thumbnails of encoded values, as PNG or a JPEG of at most `MAX_BYTES`."""
    tiles = [np.asarray(t) for t in (_image_tiles if feature.is_image else _spectrogram_tiles)(feature, column)]
    if not tiles:
        return None
    N, (Y, X, C) = len(tiles), tiles[0].shape
    across = math.ceil(math.sqrt(N))
    down = -(-N // across)
    sheet = np.zeros((down * across, Y, X, C), np.uint8)
    sheet[:N] = tiles
    pixels = sheet.reshape(down, across, Y, X, C).swapaxes(1, 2).reshape(down * Y, across * X, C)
    return SpriteSheet(_compressed(Pillow.fromarray(pixels if C == 3 else pixels[..., 0])), (Y, X), across)


def _compressed(sheet: Pillow.Image) -> bytes:
    out = io.BytesIO()
    if sheet.mode == "L":
        sheet.save(out, "PNG", compress_level=3)
    for quality in (80, 60, 40):
        if 0 < out.tell() <= MAX_BYTES:
            break
        out = io.BytesIO()
        sheet.save(out, "JPEG", quality=quality)
    return out.getvalue()


def _image_tiles(feature: Feature, column: Column) -> Iterator[np.ndarray]:
    """Images of at most `MAX_SIDE` pixels a side, (Y, X, 1 or 3) uint8."""
    for codes in column.values:
        pixels = feature.pixels(codes)
        if max(pixels.shape[:2]) > MAX_SIDE:
            tile = Pillow.fromarray(np.ascontiguousarray(pixels if pixels.shape[2] == 3 else pixels[..., 0]))
            tile.thumbnail((MAX_SIDE, MAX_SIDE), Pillow.Resampling.BOX)
            pixels = np.atleast_3d(np.asarray(tile))
        yield pixels


def _spectrogram_tiles(feature: Any, column: Column) -> Iterator[Pillow.Image]:
    """Spectrograms of audio clips, (Y, X, 3) uint8."""
    assert column.offsets is not None
    for start, end in pairwise(column.offsets):
        wave = column.values[start:end] if end > start else np.zeros(feature.frames.rate // 10, column.values.dtype)
        image = Pillow.open(io.BytesIO(spectrogram(wave, feature.frames)), formats=["PNG"]).convert("RGB")
        yield image.resize((MAX_SIDE * 3 // 2, MAX_SIDE), Pillow.Resampling.BOX)
