"""Colourings of a map: labels, predictions, errors, split, columns."""

import itertools

import numpy as np

from deepglass.features.base import Column, Feature, take_raw
from deepglass.features.outputs.base import Output
from deepglass.prepare.prepared_data import PreparedData
from deepglass.projection.facts import STEPS, UNKNOWN, Colouring
from deepglass.projection.points import EmbeddedPoints, number_values
from deepglass.run.context import RunContext

MAX_COLUMNS = 6  # inputs with a colouring
MAX_CLASSES = 12  # of a column, the most frequent first
QUANTILES = (0.01, 0.99)  # ends of the scale of a number


def colourings(context: RunContext, points: EmbeddedPoints) -> tuple[Colouring, ...]:
    """Those of the outputs, then the split, then those of columns."""
    data = context.data
    result: list[Colouring] = []
    for output in data.outputs:
        if output.name in points.truth:
            result += _output(output, points.truth[output.name], points.predicted.get(output.name))
    test = data.split[points.rows] == "test"
    result.append(Colouring("split", test.astype(np.uint16), ("train", "test")))
    columns = (_column(f, data, points.rows) for f in data.inputs)
    return (*result, *itertools.islice((c for c in columns if c is not None), MAX_COLUMNS))


def _output(output: Output, truth: Column, predicted: np.ndarray | None) -> list[Colouring]:
    if truth.offsets is not None:
        return []
    name, labelled = output.name, truth.mask.reshape(len(truth.mask), -1)[:, 0]
    if output.has_axis:
        labels = number_values(output, {"value": truth.values.astype(np.float64)}, {})
        labels[~labelled] = np.nan
        result = [colour_scale(name, labels, rows=True)]
        if predicted is not None:
            result.append(colour_scale(f"{name}: prediction", predicted, rows=True))
            result.append(colour_scale(f"{name}: error", np.abs(predicted - labels)))
        return result
    true = truth.values.reshape(len(truth.values), -1)[:, 0].astype(int) - 1
    codes = np.where(labelled & (true >= 0), true, UNKNOWN).astype(np.uint16)
    result = [Colouring(name, codes, output.class_names)]
    if predicted is not None:
        wrong = np.where(codes == UNKNOWN, UNKNOWN, predicted != codes).astype(np.uint16)
        result.append(Colouring(f"{name}: prediction", predicted.astype(np.uint16), output.class_names))
        result.append(Colouring(f"{name}: error", wrong, ("right", "wrong")))
    return result


def colour_scale(name: str, values: np.ndarray, rows: bool = False) -> Colouring:
    """Numbers on a colour scale; those beyond its ends have the colour of the end, NaN has none."""
    present = np.isfinite(values)
    low, high = (float(v) for v in np.quantile(values[present], QUANTILES)) if present.any() else (0.0, 0.0)
    share = np.clip((np.where(present, values, low) - low) / max(high - low, 1e-12), 0, 1)
    codes = np.where(present, np.round(STEPS * share), UNKNOWN).astype(np.uint16)
    return Colouring(name, codes, (), (low, high), rows)


def _column(feature: Feature, prepared: PreparedData, rows: np.ndarray) -> Colouring | None:
    """The values of an input as numbers or classes; None for other kinds."""
    statistics = type(feature).statistics(take_raw(prepared.table[feature.column], rows))
    value = next((s for s in statistics if not s.name), None)
    if value is None:
        return None
    if value.names is None:
        return colour_scale(feature.name, value.values, rows=True)
    words, present = value.names, np.isfinite(value.values)
    codes = np.where(present, value.values, 0).astype(int)
    counts = np.bincount(codes[present], minlength=len(words))
    order = sorted(range(len(counts)), key=lambda k: -counts[k])
    shown = sorted(order, key=lambda k: words[k]) if len(order) <= MAX_CLASSES else order[: MAX_CLASSES - 1]
    names = [words[k] for k in shown] + (["others"] if len(order) > len(shown) else [])
    index = np.full(max(len(counts), 1), len(names) - 1)
    index[shown] = np.arange(len(shown))
    return Colouring(feature.name, np.where(present, index[codes], UNKNOWN).astype(np.uint16), tuple(names), rows=True)
