"""Values of a row for a page: images, audio, texts, curves, plain values."""

import io
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
from PIL import Image as Pillow

from deepglass.data.table import Table
from deepglass.errors import SourceError
from deepglass.features._audio_files import wav
from deepglass.features._frames import as_videos, read_frames
from deepglass.features._images import as_images, decode
from deepglass.features.audio import Audio
from deepglass.features.base import Feature, take_raw
from deepglass.features.image import Image
from deepglass.features.text import Text
from deepglass.features.video import Video
from deepglass.formatting import plain_number

MOST = 20_000  # characters of a text
LONG = 60  # characters from which on a value is shown as a text
POINTS = 2_000  # of a curve
LONGEST = 1_024  # pixels of a picture's longer side
FRAMES = 6  # of a video
RATES = (8_000, 48_000)  # samples a second that browsers play
COLUMNS = 200  # of a table's row
DARK = 32  # of 255: a picture that is nowhere brighter is drawn brighter, as nobody could see it


def cells(inputs: Sequence[Feature], table: Table, row: int) -> list[dict[str, Any]]:
    """A row's inputs: {"name", "kind": image | audio | text | curve | value, and "text" or "points"}."""
    shown = [_cell(f, table, row) for f in inputs if f.column in table.columns]
    return sorted(shown[:COLUMNS], key=lambda c: ("image", "audio", "text", "curve", "value").index(c["kind"]))


def medium(feature: Feature, table: Table, row: int) -> tuple[bytes, str]:
    """A picture or a sound, and its type.

    Raises:
        SourceError: for one that cannot be read; `not-found` where there is none.
    """
    raw = take_raw(table[feature.column], np.array([row]))
    if isinstance(feature, Audio):
        return _sound(feature, raw), "audio/wav"
    if isinstance(feature, Video):
        return _png([_visible(f, None, None) for f in read_frames(as_videos(raw)[0], FRAMES)]), "image/png"
    if isinstance(feature, Image):
        picture = as_images(raw)[0]
        if picture is None:
            raise SourceError("not-found", f"{feature.name}: there is no picture in this row")
        return _png(
            [_visible(decode(picture, target_size=(LONGEST, LONGEST)), feature.low_, feature.high_)]
        ), "image/png"
    raise SourceError("not-found", f"{feature.name}: is neither a picture nor a sound")


def _cell(feature: Feature, table: Table, row: int) -> dict[str, Any]:
    cell: dict[str, Any] = {"name": feature.name}
    if isinstance(feature, Image | Video):
        return {**cell, "kind": "image"}
    if isinstance(feature, Audio):
        return {**cell, "kind": "audio"}
    value = table[feature.column][row]
    value = value.to_list() if isinstance(value, pl.Series) else value
    value = value.tolist() if isinstance(value, np.ndarray | np.generic) else value
    if _is_curve(value):
        step = -(-len(value) // POINTS)
        return {**cell, "kind": "curve", "points": value[::step]}
    text = _text(value)
    return {**cell, "kind": "text" if len(text) > LONG or isinstance(feature, Text) else "value", "text": text}


def _is_curve(value: Any) -> bool:
    return isinstance(value, list) and len(value) > 2 and all(isinstance(v, int | float) for v in value)


def _text(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, list):
        words = all(isinstance(v, str) for v in value)
        text = " ".join(value) if words else json.dumps(value, ensure_ascii=False, default=str)
    else:
        text = plain_number(value) if isinstance(value, float) else str(value)
    return text if len(text) <= MOST else f"{text[:MOST]} … ({len(text):,} characters)"


def _visible(pixels: np.ndarray, low: float | None, high: float | None) -> np.ndarray:
    """Pixels (Y, X, C) as bytes; of more than four bands the first three are shown."""
    pixels = pixels if pixels.shape[2] <= 4 else pixels[..., :3]
    brightest = int(pixels.max(initial=0)) if pixels.dtype == np.uint8 else 0
    if brightest > DARK and (high is None or high >= 255):
        return pixels
    if 0 < brightest <= DARK:
        high = float(brightest)
    top = high if high is not None else 65535.0 if pixels.dtype == np.uint16 else float(np.nanmax(pixels, initial=1))
    bottom = low or 0.0
    share = (np.nan_to_num(pixels.astype(np.float32), nan=bottom) - bottom) / max(top - bottom, 1e-9)
    return np.round(255 * np.clip(share, 0, 1)).astype(np.uint8)


def _png(parts: list[np.ndarray]) -> bytes:
    """Pictures side by side; the longer side of each at most LONGEST."""
    drawn = [Pillow.fromarray(p[..., 0] if p.shape[2] == 1 else p) for p in parts]
    for picture in drawn:
        picture.thumbnail((LONGEST, LONGEST))
    whole = drawn[0]
    if len(drawn) > 1:
        whole = Pillow.new(drawn[0].mode, (sum(p.width for p in drawn), max(p.height for p in drawn)))
        left = 0
        for picture in drawn:
            whole.paste(picture, (left, 0))
            left += picture.width
    out = io.BytesIO()
    whole.save(out, "PNG")
    return out.getvalue()


def _sound(feature: Audio, raw: Any) -> bytes:
    return wav(feature.encode(raw).values, feature.rate_ or RATES[0], RATES)
