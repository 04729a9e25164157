"""Geometry and JSON encoding that mask and image outputs share."""

import base64
import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image as Pillow

from deepglass.features.base import Column


def encode_runs(numbers: np.ndarray) -> dict[str, Any]:
    """Run-length encoding of an integer map (Y, X), row by row; plain JSON."""
    flat = numbers.ravel()
    starts = np.flatnonzero(np.concatenate([[True], flat[1:] != flat[:-1]]))
    lengths = np.diff(np.append(starts, len(flat)))
    return {"size": list(numbers.shape), "runs": np.stack([flat[starts], lengths], 1).tolist()}


def decode_runs(value: Mapping[str, Any]) -> np.ndarray:
    """The map (Y, X) of class numbers of a decoded mask's `value`.

    Example:
        >>> unpack({"size": [1, 3], "runs": [[7, 2], [0, 1]]})
        array([[7, 7, 0]])
    """
    numbers, lengths = np.array(value["runs"]).T
    return np.repeat(numbers, lengths).reshape(value["size"])


def encode_png(pixels: np.ndarray) -> dict[str, Any]:
    """Pixels (C, Y, X) from 0 to 255, C = 1 or 3, as base64 of a PNG file; plain JSON."""
    codes = np.clip(np.round(pixels), 0, 255).astype(np.uint8)
    image = Pillow.fromarray(codes[0] if len(codes) == 1 else np.ascontiguousarray(codes.transpose(1, 2, 0)))
    file = io.BytesIO()
    image.save(file, "PNG")
    return {"size": list(pixels.shape[1:]), "png": base64.b64encode(file.getvalue()).decode()}


def decode_png(value: Mapping[str, Any]) -> np.ndarray:
    """The pixels of a decoded image's `value`, (Y, X) or (Y, X, 3) uint8."""
    return np.asarray(Pillow.open(io.BytesIO(base64.b64decode(value["png"]))))


def crop_to_frame(values: np.ndarray, frame: np.ndarray | None) -> np.ndarray:
    """Maps (..., Y, X) without their letterbox, by a row of `relative_frames`; None keeps all."""
    if frame is None:
        return values
    Y, X = values.shape[-2:]
    top, left, height, width = np.round(frame[:4] * [Y, X, Y, X]).astype(int)
    return values[..., top : top + max(height, 1), left : left + max(width, 1)]


def first_image_column(inputs: Mapping[str, Column]) -> Column | None:
    """The first image column, whose frame the targets share."""
    return next((column for column in inputs.values() if column.letterbox is not None), None)


def relative_frames(inputs: Mapping[str, Column]) -> np.ndarray | None:
    """Frames of the first image column (N, 6): top, left, height and width as shares of its sides, size of the file."""
    column = first_image_column(inputs)
    if column is None or column.letterbox is None:
        return None
    Y, X = column.values.shape[-2:]
    return column.letterbox / np.array([Y, X, Y, X, 1, 1], np.float32)
