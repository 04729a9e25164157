"""Explanations written to files: JSON, and in a folder also images and sounds."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from deepglass.errors import SpecError
from deepglass.explain.explanation import Explanation
from deepglass.explain.sound import important_cells, isolate
from deepglass.features._audio_files import wav
from deepglass.features.base import Column
from deepglass.files import file_names, write_file
from deepglass.run.predictor import Predictor
from deepglass.web import encode_image

POSITIVE, NEGATIVE = np.array([255, 90, 20]), np.array([20, 120, 255])  # RGB
MIN_SIDE = 384  # pixels of the longer side


def to_json(explanations: Sequence[Sequence[Explanation]]) -> list[dict[str, Any]]:
    """One dict per row: its index, and each output's explanation."""
    return [{"row": row[0].row, **{r.output: r.to_json() for r in row}} for row in explanations if row]


def check_ending(path: Path) -> None:
    """Raises: SpecError: `bad-value` for a path that is neither a .json file nor a folder."""
    if path.suffix not in (".json", ""):
        raise SpecError("bad-value", f"--out: {path}: expected .json, or a folder")


def write(
    path: Path, explanations: Sequence[Sequence[Explanation]], predictor: Predictor, inputs: Mapping[str, Column]
) -> None:
    """Write a .json file, or a folder with `explanations.json`, images and sounds.

    Args:
        inputs: the encoded inputs of the rows that are explained, in their order.
    """
    text = json.dumps(to_json(explanations), ensure_ascii=False, indent=1)
    if path.suffix == ".json":
        write_file(path, text)
        return
    path.mkdir(parents=True, exist_ok=True)
    write_file(path / "explanations.json", text)
    outputs = file_names(explanation.output for row in explanations for explanation in row)
    for i, row in enumerate(explanations):
        for explanation in row:
            start = f"{outputs[explanation.output]}-{explanation.row}"
            for name, content in _media(explanation, start, predictor, inputs, i):
                write_file(path / name, content)


def _media(
    explanation: Explanation, start: str, predictor: Predictor, inputs: Mapping[str, Column], i: int
) -> list[tuple[str, bytes]]:
    """File names, which begin with `start`, and contents."""
    features = {f.name: f for f in predictor.inputs}
    targets = file_names(target.name for target in explanation.targets)
    files = []
    for what, maps in (("attributions", explanation.maps), ("activation", explanation.activation_maps)):
        input_names = file_names(maps)
        for name, values in maps.items():
            kind = f"{what}-{input_names[name]}" if len(maps) > 1 else what
            feature: Any = features[name]
            if feature.is_image:
                pixels = feature.pixels(inputs[name].values[i])
                for q, target in enumerate(explanation.targets):
                    end = f"-{q}-{targets[target.name]}" if len(explanation.targets) > 1 else ""
                    files.append((f"{start}-{kind}{end}.png", encode_image.png(overlay(pixels, values[q]))))
            elif feature.is_audio:
                column = inputs[name].take(np.array([i]))
                samples = isolate(column.values, feature.frames, important_cells(values.sum(0)))
                files.append((f"{start}-{kind.replace(what, 'important', 1)}.wav", wav(samples, feature.rate_ or 8000)))
    return files


def overlay(pixels: np.ndarray, attributions: np.ndarray, min_side: int = MIN_SIDE) -> np.ndarray:
    """An attribution heat map over the grey image: warm = positive, blue = negative.

    Shapes:
        pixels: (Y, X, C) uint8; attributions: (Y, X); returns: (Y', X', 3) uint8, enlarged to about `min_side` pixels.
    """
    grow = max(1, min_side // max(attributions.shape))
    grey = pixels.astype(np.float64).mean(2, keepdims=True).repeat(3, 2) * 0.6 + 60
    strength = color_strength(attributions)[..., None]
    mixed = grey * (1 - np.abs(strength)) + np.where(strength > 0, POSITIVE, NEGATIVE) * np.abs(strength)
    return mixed.round().clip(0, 255).astype(np.uint8).repeat(grow, 0).repeat(grow, 1)


def color_strength(attributions: np.ndarray) -> np.ndarray:
    """Attributions scaled to -1..1 by their 99.5 % quantile; maps of more than 48 pixels a side are smoothed."""
    from scipy.ndimage import uniform_filter

    smooth = uniform_filter(attributions, 3, mode="nearest") if max(attributions.shape) > 48 else attributions
    most = np.quantile(np.abs(smooth), 0.995) or np.abs(smooth).max() or 1.0
    return np.clip(smooth / most, -1, 1) * 0.85
