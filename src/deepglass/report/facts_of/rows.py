"""Single rows as a report shows them: their picture and their other values."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from deepglass.features.base import Media, Raw, take_raw
from deepglass.features.image import Image
from deepglass.formatting import short_figure
from deepglass.metrics import summaries as measure
from deepglass.prepare.prepared_data import PreparedData
from deepglass.report.output_facts import Mistake

VALUES = 8  # columns shown beside a picture or alone

FIGURES = 12  # of a list that are named


def mistake(
    prepared: PreparedData, rows: np.ndarray, i: int, truth: Any, predicted: Any, confidence: float | None
) -> Mistake:
    """The i-th of `rows` with its truth and its answer."""
    row = int(rows[i])
    picture = None
    values: dict[str, str] = {}
    for feature in prepared.inputs:
        raw = prepared.table[feature.column]
        if isinstance(feature, Image):
            picture = picture or measure.thumbnail(pixels(feature, raw, row))
        elif len(values) < VALUES:
            value = raw[row]
            if isinstance(value, Media):
                values[feature.name] = value.name
            elif value is not None:
                values[feature.name] = _told(value)
    place = int(prepared.source_rows[row])
    return Mistake(row=place, truth=truth, predicted=predicted, confidence=confidence, picture=picture, values=values)


def picture_of(prepared: PreparedData) -> Image | None:
    """The first picture among the inputs."""
    return next((f for f in prepared.inputs if isinstance(f, Image)), None)


def pixels(feature: Image, raw: Raw, row: int) -> np.ndarray:
    """A picture as the network gets it, (Y, X, C) of bytes."""
    return visible(feature.encode(take_raw(raw, np.array([row]))).values[0], feature.levels_ or 255)


def visible(codes: np.ndarray, levels: int) -> np.ndarray:
    """The codes 0..`levels` of a picture (C, Y, X) as bytes (Y, X, C); of many channels the first three are shown."""
    if codes.dtype != np.uint8 or levels != 255:
        codes = np.clip(np.round(codes.astype(np.float32) * (255 / levels)), 0, 255).astype(np.uint8)
    return np.moveaxis(codes if len(codes) in (1, 3) else codes[: 3 if len(codes) > 3 else 1], 0, -1)


def _told(value: Any) -> str:
    """A value in few words; of many numbers how many there are."""
    if isinstance(value, np.ndarray):
        return " × ".join(f"{n:,}" for n in value.shape) + " numbers"
    value = value.to_list() if isinstance(value, pl.Series) else value
    if isinstance(value, list):
        return ", ".join(map(_told, value[:FIGURES])) + (" …" if len(value) > FIGURES else "")
    return short_figure(value) if isinstance(value, float) else str(value)[:300]
