"""Test rows as people see them: image, values in words, and the predicted class."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from deepglass.features._display import first_image
from deepglass.features.base import Column, Feature, Media, Raw, take_raw
from deepglass.features.outputs.base import Calibration, Output, PredictionArrays
from deepglass.formatting import plain_number
from deepglass.metrics.summaries import thumbnail
from deepglass.objectives.base import Objective
from deepglass.prepare.prepared_data import PreparedData
from deepglass.web import encode_image

MAX_VALUES = 8  # inputs of a row that are named
MAX_LIST_ITEMS = 12  # of one value that is a list
MAX_CHARACTERS = 300  # of one value


class OutputRows(NamedTuple):
    """Test rows of one output with their predictions.

    Args:
        rows: indices of the test rows in the prepared table.
        best: their predictions.
        truth: their targets, in the frame of the input image.
        calibration: of this output.
        objective: the trained network, for those who look inside.
        important_inputs: those that the predictions rest on most, the most important first.
    """

    prepared: PreparedData
    rows: np.ndarray
    best: PredictionArrays
    truth: Column
    calibration: Calibration
    objective: Objective | None = None
    important_inputs: tuple[str, ...] = ()

    def place(self, i: int) -> int:
        """Index of the i-th test row in the source."""
        return int(self.prepared.source_rows[self.rows[i]])


class ClassPrediction(NamedTuple):
    """A row's true class, the predicted class, and its confidence (0 to 1)."""

    truth: str
    answer: str
    confidence: float


class RowImage(NamedTuple):
    """A row's image without its letterbox.

    Args:
        encoded: PNG or JPEG.
        size: height and width in pixels.
        part: where it lies in the encoded input: top, left, height, width as shares.
    """

    encoded: bytes
    size: tuple[int, int]
    part: tuple[float, float, float, float]


class RowSummary(NamedTuple):
    """A row's inputs: its index in the source, a thumbnail (PNG) of its first image, its other values as text."""

    row: int
    image: bytes | None
    values: Mapping[str, str]


def class_predictions(feature: Output, output_rows: OutputRows) -> dict[int, ClassPrediction]:
    """True and predicted class of each labelled row, by its index among the test rows; empty for other outputs."""
    if not feature.has_classes or "log_probs" not in output_rows.best:
        return {}
    decoded = feature.decode(output_rows.best, output_rows.calibration)
    predicted = feature.predicted_classes(output_rows.best, output_rows.calibration)
    codes, names = output_rows.truth.values.reshape(-1).astype(int), feature.class_names
    labelled = (int(i) for i in np.flatnonzero(output_rows.truth.mask) if 0 < codes[i] <= len(names))
    return {
        i: ClassPrediction(names[codes[i] - 1], names[predicted[i]], float(decoded[i]["confidence"])) for i in labelled
    }


def row_image(output_rows: OutputRows, i: int, longest: int = encode_image.LONGEST) -> RowImage | None:
    """The image of the i-th test row, at most `longest` pixels a side; None where it has none."""
    feature = first_image(output_rows.prepared.inputs)
    if feature is None:
        return None
    raw = take_raw(output_rows.prepared.table[feature.column], output_rows.rows[i : i + 1])
    column = feature.encode(raw)
    if not column.mask[0] or column.letterbox is None:
        return None
    codes = column.values[0]
    Y, X = codes.shape[-2:]
    top, left, height, width = (int(v) for v in column.letterbox[0, :4])
    part = (top / Y, left / X, max(height, 1) / Y, max(width, 1) / X)
    pixels = feature.pixels(codes)[top : top + max(height, 1), left : left + max(width, 1)]
    size = encode_image.shown_size(pixels.shape[:2], longest)
    return RowImage(encode_image.photo(pixels, longest), size, part)


def row_pixels(feature: Feature, raw: Raw, row: int) -> np.ndarray:
    """An image as the network gets it, (Y, X, C) uint8."""
    return feature.pixels(feature.encode(take_raw(raw, np.array([row]))).values[0])


def row_summary(prepared: PreparedData, row: int, first: Sequence[str] = ()) -> RowSummary:
    """The inputs of one row of the prepared table in short.

    Args:
        first: names of inputs that come before the others.
    """
    image = None
    values: dict[str, str] = {}
    order = {name: i for i, name in enumerate(first)}
    for feature in sorted(prepared.inputs, key=lambda f: order.get(f.name, len(order))):
        raw = prepared.table[feature.column]
        if feature.is_image:
            image = image or thumbnail(row_pixels(feature, raw, row))
        elif len(values) < MAX_VALUES:
            value = raw[row]
            if isinstance(value, Media):
                values[feature.name] = value.name
            elif value is not None:
                values[feature.name] = _value_text(value)
    return RowSummary(int(prepared.source_rows[row]), image, values)


def _value_text(value: Any) -> str:
    """A value in few words; an array by its shape."""
    if isinstance(value, np.ndarray):
        return " × ".join(f"{n:,}" for n in value.shape) + " numbers"
    value = value.to_list() if isinstance(value, pl.Series) else value
    if isinstance(value, list):
        return ", ".join(map(_value_text, value[:MAX_LIST_ITEMS])) + (" …" if len(value) > MAX_LIST_ITEMS else "")
    return plain_number(value) if isinstance(value, float) else str(value)[:MAX_CHARACTERS]
