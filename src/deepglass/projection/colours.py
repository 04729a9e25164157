"""Colorings of a map: labels, predictions, errors, split, columns."""

from __future__ import annotations

import numpy as np
import polars as pl

from deepglass.features.base import Column, Feature, take_raw
from deepglass.features.number import Number
from deepglass.features.outputs.base import Calibration, Output, PredictionArrays
from deepglass.prepare.prepared_data import PreparedData
from deepglass.projection.facts import STEPS, UNKNOWN, Coloring
from deepglass.projection.points import EmbeddedPoints
from deepglass.run.context import RunContext

MAX_COLUMNS = 6  # inputs with a coloring
MAX_CLASSES = 12  # of a column, the most frequent first
QUANTILES = (0.01, 0.99)  # ends of the scale of a number


def colorings(context: RunContext, points: EmbeddedPoints) -> tuple[Coloring, ...]:
    """Those of the outputs, then the split, then those of columns."""
    data = context.data
    result: list[Coloring] = []
    for output in data.outputs:
        if output.name in points.truth:
            calibration = context.calibration.get(output.name, {})
            result += _output(output, points.truth[output.name], points.best.get(output.name), calibration)
    test = data.split[points.rows] == "test"
    result.append(Coloring("split", test.astype(np.uint16), ("train", "test")))
    columns = [f for f in data.inputs if f.has_classes or isinstance(f, Number)][:MAX_COLUMNS]
    return (*result, *(_column(f, data, points.rows) for f in columns))


def _output(output: Output, truth: Column, best: PredictionArrays | None, calibration: Calibration) -> list[Coloring]:
    if truth.offsets is not None:
        return []
    name, labelled = output.name, truth.mask.reshape(len(truth.mask), -1)[:, 0]
    if output.has_axis:
        labels = _numbers(output, {"value": truth.values.astype(np.float64)}, {})
        labels[~labelled] = np.nan
        result = [color_scale(name, labels, rows=True)]
        if best is not None:
            predicted = _numbers(output, best, calibration)
            result.append(color_scale(f"{name}: prediction", predicted, rows=True))
            result.append(color_scale(f"{name}: error", np.abs(predicted - labels)))
        return result
    true = truth.values.reshape(len(truth.values), -1)[:, 0].astype(int) - 1
    codes = np.where(labelled & (true >= 0), true, UNKNOWN).astype(np.uint16)
    result = [Coloring(name, codes, output.class_names)]
    if best is not None and output.has_classes:
        classes = output.predicted_classes(best, calibration)
        wrong = np.where(codes == UNKNOWN, UNKNOWN, classes != codes).astype(np.uint16)
        result.append(Coloring(f"{name}: prediction", classes.astype(np.uint16), output.class_names))
        result.append(Coloring(f"{name}: error", wrong, ("right", "wrong")))
    return result


def _numbers(feature: Output, best: PredictionArrays, calibration: Calibration) -> np.ndarray:
    return np.array([d["value"] for d in feature.decode(best, calibration)], dtype=float)


def color_scale(name: str, values: np.ndarray, rows: bool = False) -> Coloring:
    """Numbers on a color scale; those beyond its ends have the color of the end, NaN has none."""
    known = np.isfinite(values)
    low, high = (float(v) for v in np.quantile(values[known], QUANTILES)) if known.any() else (0.0, 0.0)
    share = np.clip((np.where(known, values, low) - low) / max(high - low, 1e-12), 0, 1)
    codes = np.where(known, np.round(STEPS * share), UNKNOWN).astype(np.uint16)
    return Coloring(name, codes, (), (low, high), rows)


def _column(feature: Feature, prepared: PreparedData, rows: np.ndarray) -> Coloring:
    raw = pl.Series(take_raw(prepared.table[feature.column], rows), strict=False)
    if isinstance(feature, Number):
        return color_scale(
            feature.name, raw.cast(pl.Float64, strict=False).fill_null(np.nan).to_numpy().astype(float), True
        )
    words = raw.cast(pl.String, strict=False)
    frequent = words.drop_nulls().value_counts(sort=True, name="rows")[words.name].to_list()
    names = sorted(frequent) if len(frequent) <= MAX_CLASSES else [*frequent[: MAX_CLASSES - 1], "others"]
    index = {w: names.index(w) if w in names else len(names) - 1 for w in frequent}
    codes = np.array([UNKNOWN if w is None else index[w] for w in words.to_list()], np.uint16)
    return Coloring(feature.name, codes, tuple(names), rows=True)
