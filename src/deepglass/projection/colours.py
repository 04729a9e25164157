"""What the points of a map are coloured by: labels, answers, errors, split, columns."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl

from deepglass.features.base import Column, Feature, take_raw
from deepglass.features.outputs.base import Calibration, Output, PredictionArrays
from deepglass.prepare.prepared_data import PreparedData
from deepglass.projection.facts import STEPS, UNKNOWN, Coloring
from deepglass.projection.points import EmbeddedPoints

COLUMNS = 6  # inputs that points can be coloured by
CLASSES = 12  # of a column, the most frequent first
ENDS = (0.01, 0.99)  # shares of numbers at which the scale begins and ends


def colorings(
    prepared: PreparedData, seen: EmbeddedPoints, calibration: Mapping[str, Calibration]
) -> tuple[Coloring, ...]:
    """Outputs first, then the split, then columns."""
    found: list[Coloring] = []
    for feature in prepared.outputs:
        if feature.name in seen.truth:
            found += _output(feature, seen.truth[feature.name], seen.best.get(feature.name), calibration)
    test = prepared.split[seen.rows] == "test"
    found.append(Coloring("split", test.astype(np.uint16), ("train", "test")))
    columns = [f for f in prepared.inputs if f.kind in ("category", "binary", "number")][:COLUMNS]
    return (*found, *(_column(f, prepared, seen.rows) for f in columns))


def _output(
    feature: Output, truth: Column, best: PredictionArrays | None, calibration: Mapping[str, Calibration]
) -> list[Coloring]:
    if truth.offsets is not None:
        return []
    name, known = feature.name, truth.mask.reshape(len(truth.mask), -1)[:, 0]
    settled = calibration.get(name, {})
    if feature.kind == "number":
        actual = _numbers(feature, {"value": truth.values.astype(np.float64)}, {})
        actual[~known] = np.nan
        found = [color_scale(name, actual, rows=True)]
        if best is not None:
            said = _numbers(feature, best, settled)
            found += [
                color_scale(f"{name}: answer", said, rows=True),
                color_scale(f"{name}: error", np.abs(said - actual)),
            ]
        return found
    true = truth.values.reshape(len(truth.values), -1)[:, 0].astype(int) - 1
    codes = np.where(known & (true >= 0), true, UNKNOWN).astype(np.uint16)
    found = [Coloring(name, codes, feature.class_names)]
    if best is not None and "log_probs" in best:
        said = predicted_classes(feature, best, settled)
        wrong = np.where(codes == UNKNOWN, UNKNOWN, said != codes).astype(np.uint16)
        found += [
            Coloring(f"{name}: answer", said.astype(np.uint16), feature.class_names),
            Coloring(f"{name}: error", wrong, ("right", "wrong")),
        ]
    return found


def predicted_classes(feature: Output, best: PredictionArrays, calibration: Calibration) -> np.ndarray:
    """The class that each row is answered with, (N,)."""
    if feature.kind == "binary":
        decoded = feature.decode(best, calibration)
        return np.array([d["probability"] >= calibration.get("threshold", 0.5) for d in decoded]).astype(int)
    return best["log_probs"].argmax(1)


def _numbers(feature: Output, best: PredictionArrays, calibration: Calibration) -> np.ndarray:
    return np.array([d["value"] for d in feature.decode(best, calibration)], dtype=float)


def color_scale(name: str, values: np.ndarray, rows: bool = False) -> Coloring:
    """Numbers along a scale; those beyond its ends have the colour of the end, NaN has none."""
    known = np.isfinite(values)
    low, high = (float(v) for v in np.quantile(values[known], ENDS)) if known.any() else (0.0, 0.0)
    share = np.clip((np.where(known, values, low) - low) / max(high - low, 1e-12), 0, 1)
    codes = np.where(known, np.round(STEPS * share), UNKNOWN).astype(np.uint16)
    return Coloring(name, codes, (), (low, high), rows)


def _column(feature: Feature, prepared: PreparedData, rows: np.ndarray) -> Coloring:
    raw = pl.Series(take_raw(prepared.table[feature.column], rows), strict=False)
    if feature.kind == "number":
        return color_scale(
            feature.name, raw.cast(pl.Float64, strict=False).fill_null(np.nan).to_numpy().astype(float), True
        )
    words = raw.cast(pl.String, strict=False)
    often = words.drop_nulls().value_counts(sort=True, name="rows")[words.name].to_list()
    names = sorted(often) if len(often) <= CLASSES else [*often[: CLASSES - 1], "others"]
    place = {w: names.index(w) if w in names else len(names) - 1 for w in often}
    codes = np.array([UNKNOWN if w is None else place[w] for w in words.to_list()], np.uint16)
    return Coloring(feature.name, codes, tuple(names), rows=True)
