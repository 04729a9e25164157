"""Explanations written to files: JSON, and in a folder the pictures and sounds that go with it."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as Pillow

from deepglass.errors import SpecError
from deepglass.explain.explanation import Explanation
from deepglass.explain.sound import important_cells, isolate
from deepglass.features._audio_files import wav
from deepglass.features._display import to_pixels
from deepglass.features.audio import Audio
from deepglass.features.base import Column
from deepglass.features.image import Image
from deepglass.run.predictor import Predictor
from deepglass.training.checkpoint import write_atomic

FOR, AGAINST = np.array([255, 90, 20]), np.array([20, 120, 255])
SHOWN = 384  # pixels of the longer side, at least, so that small pictures can be seen


def to_json(reasons: Sequence[Sequence[Explanation]]) -> list[dict[str, Any]]:
    """A dict a row: its place, and each output's explanation."""
    return [{"row": row[0].row, **{r.output: r.to_json() for r in row}} for row in reasons if row]


def check_ending(path: Path) -> None:
    """Raises: SpecError: `bad-value` for what is neither a .json file nor a folder."""
    if path.suffix not in (".json", ""):
        raise SpecError("bad-value", f"--out: {path}: expected .json, or a folder")


def write(
    path: Path, reasons: Sequence[Sequence[Explanation]], predictor: Predictor, inputs: Mapping[str, Column]
) -> None:
    """Explanations as a .json file, or in a folder with pictures and sounds beside `explanations.json`.

    Args:
        inputs: the encoded inputs of the rows that are explained, in their order.
    """
    text = json.dumps(to_json(reasons), ensure_ascii=False, indent=1)
    if path.suffix == ".json":
        write_atomic(path, text)
        return
    path.mkdir(parents=True, exist_ok=True)
    write_atomic(path / "explanations.json", text)
    for i, row in enumerate(reasons):
        for reason in row:
            for name, content in _media(reason, predictor, inputs, i):
                write_atomic(path / name, content)


def _media(reason: Explanation, predictor: Predictor, inputs: Mapping[str, Column], i: int) -> list[tuple[str, bytes]]:
    features = {f.name: f for f in predictor.inputs}
    found = []
    for kind, maps in (("why", reason.maps), ("active", reason.active)):
        for name, places in maps.items():
            feature = features[name]
            if isinstance(feature, Image):
                pixels = to_pixels(inputs[name].values[i], feature.levels_ or 255)
                for q, question in enumerate(reason.questions):
                    said = f"-{q}-{_safe(question.name)}" if len(reason.questions) > 1 else ""
                    found.append(
                        (f"{_safe(reason.output)}-{reason.row}-{kind}{said}.png", png(over(pixels, places[q])))
                    )
            elif isinstance(feature, Audio):
                column = inputs[name].take(np.array([i]))
                left = isolate(column.values, feature.frames, important_cells(places.sum(0)))
                found.append((f"{_safe(reason.output)}-{reason.row}-remains.wav", wav(left, feature.rate_ or 8000)))
    return found


def over(pixels: np.ndarray, places: np.ndarray, least: int = SHOWN) -> np.ndarray:
    """A picture in grey with what each place adds over it: warm speaks for the answer, blue against it.

    Shapes:
        pixels: (Y, X, C) of bytes; places: (Y, X) -> (Y', X', 3), grown to `least` pixels a side.
    """
    grow = max(1, least // max(places.shape))
    grey = pixels.astype(np.float64).mean(2, keepdims=True).repeat(3, 2) * 0.6 + 60
    mixed = _blend(grey, places)
    return mixed.round().clip(0, 255).astype(np.uint8).repeat(grow, 0).repeat(grow, 1)


def _blend(grey: np.ndarray, places: np.ndarray) -> np.ndarray:
    strength = strength_of(places)[..., None]
    return grey * (1 - np.abs(strength)) + np.where(strength > 0, FOR, AGAINST) * np.abs(strength)


def strength_of(places: np.ndarray) -> np.ndarray:
    """A map from -1 to 1, smoothed a little; the hundredth that adds most counts as 1."""
    padded = np.pad(places, 1, mode="edge") if max(places.shape) > 48 else np.pad(places, 0)
    if padded.shape != places.shape:
        padded = np.lib.stride_tricks.sliding_window_view(padded, (3, 3)).mean((2, 3))
    most = np.quantile(np.abs(padded), 0.995) or np.abs(padded).max() or 1.0
    return np.clip(padded / most, -1, 1) * 0.85


def png(pixels: np.ndarray) -> bytes:
    """Pixels (Y, X, C) of bytes as a PNG file."""
    out = io.BytesIO()
    Pillow.fromarray(np.ascontiguousarray(pixels)).save(out, "PNG", optimize=True)
    return out.getvalue()


def _safe(name: str) -> str:
    return "".join(c if c.isalnum() or c in "-_" else "_" for c in name)[:40]
