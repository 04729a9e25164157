"""Planes through the columns of a table: two of them along the axes, all others held at a typical value."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from deepglass.data.batches import Dataset
from deepglass.features.base import Column, Feature, take_raw
from deepglass.features.number import Number
from deepglass.features.outputs.base import Output
from deepglass.prepare.prepared_data import PreparedData

SIDE = 40  # places along each axis
COLUMNS = 3  # the most telling ones, of which each pair is a plane
CLASSES = 24  # more cannot be told apart by colour
BANDS = 12  # classes along an axis, the most frequent ones
ROOM = 0.06  # around the rows
APART = 0.6  # of a class's band in which its rows are spread, so that they don't lie on each other


@dataclass(frozen=True)
class PlaneAxis:
    """One axis of a plane.

    Args:
        ends: low and high; of a number in the column's units, of a date in days since 1970, of classes in bands.
        classes: codes of the classes, a band each; none for numbers and dates.
    """

    feature: Feature
    ends: tuple[float, float]
    classes: tuple[int, ...] = ()

    @property
    def bands(self) -> tuple[str, ...]:
        """The names of the classes along the axis."""
        return tuple(self.feature.class_names[code - 1] for code in self.classes)

    def column(self) -> Column:
        """The places from low to high, encoded; (SIDE) rows."""
        low, high = self.ends
        if self.classes:
            codes = np.repeat(np.array(self.classes, np.int32), -(-SIDE // len(self.classes)))
            codes = codes[np.linspace(0, len(codes) - 1, SIDE).round().astype(int)]
            return Column(codes, np.ones(SIDE, bool))
        return self.feature.from_axis(np.linspace(low, high, SIDE))

    def places(self, prepared: PreparedData, rows: np.ndarray) -> np.ndarray:
        """Where rows lie along the axis; nan where they lie nowhere."""
        encoded = self.feature.encode(take_raw(prepared.table[self.feature.column], rows))
        if not self.classes:
            return self.feature.to_axis(encoded)
        band = {code: i for i, code in enumerate(self.classes)}
        positions = np.array([band.get(int(code), np.nan) for code in encoded.values.reshape(-1)])
        return positions + 0.5 + APART * ((np.arange(len(rows)) * 0.618) % 1 - 0.5)


@dataclass(frozen=True)
class Plane:
    """Two columns, and what is held beside them.

    Args:
        held: the other inputs' encoded typical values, a row each.
    """

    across: PlaneAxis
    up: PlaneAxis
    held: Mapping[str, Column]

    def data(self, device: str) -> Dataset:
        """The places row by row, the top one first, encoded; (SIDE * SIDE) rows."""
        inputs = {n: c.take(np.zeros(SIDE * SIDE, int)) for n, c in self.held.items()}
        inputs[self.across.feature.name] = self.across.column().take(np.tile(np.arange(SIDE), SIDE))
        inputs[self.up.feature.name] = self.up.column().take(np.repeat(np.arange(SIDE)[::-1], SIDE))
        return Dataset(inputs, {}, device)


def only_tabular(prepared: PreparedData) -> bool:
    """Whether nothing but columns of a table is read, any two of which make a plane."""
    return all(f.has_axis or f.has_classes for f in prepared.inputs)


def informative_planes(prepared: PreparedData, output: Output) -> list[Plane]:
    """Pairs of the number columns that the answer goes with most; none where other things than columns are read."""
    if not only_tabular(prepared):
        return []
    rows = prepared.rows("train")
    truth = output.encode(take_raw(prepared.table[output.column], rows))
    numbers = {f.name: _values(prepared, f, rows) for f in prepared.inputs if isinstance(f, Number)}
    scores = {n: _tells(v, truth, not output.has_classes) for n, v in numbers.items() if np.nanstd(v) > 0}
    chosen = sorted(sorted(scores, key=lambda n: -scores[n])[:COLUMNS], key=lambda n: list(scores).index(n))
    pairs = sorted(itertools.combinations(chosen, 2), key=lambda p: -sum(scores[n] for n in p))
    return [make_plane(prepared, pair) for pair in pairs]


def make_plane(prepared: PreparedData, pair: tuple[str, str]) -> Plane:
    """The plane over two inputs, by their names."""
    rows = prepared.rows("train")
    inputs = {f.name: f for f in prepared.inputs}
    across, up = (_side(prepared, inputs[name], rows) for name in pair)
    return Plane(across, up, {n: _typical(prepared, f, rows) for n, f in inputs.items() if n not in pair})


def _side(prepared: PreparedData, feature: Feature, rows: np.ndarray) -> PlaneAxis:
    if feature.has_classes:
        codes = feature.encode(take_raw(prepared.table[feature.column], rows)).values.reshape(-1)
        kinds, counts = np.unique(codes[codes > 0], return_counts=True)
        shown = tuple(sorted(kinds[np.argsort(-counts, kind="stable")][:BANDS].tolist())) or (1,)
        return PlaneAxis(feature, (0.0, float(len(shown))), shown)
    return PlaneAxis(feature, _ends(_values(prepared, feature, rows)))


def _ends(values: np.ndarray) -> tuple[float, float]:
    """Where most rows are, and some room: one outlier must not shrink all others to a point."""
    finite = values[np.isfinite(values)] if np.isfinite(values).any() else np.array([0.0, 1.0])
    low, high = np.quantile(finite, [0.005, 0.995])
    low, high = (low, high) if high > low else (finite.min(), finite.max())
    high = high if high > low else low + 1.0
    return float(low - ROOM * (high - low)), float(high + ROOM * (high - low))


def _values(prepared: PreparedData, feature: Feature, rows: np.ndarray) -> np.ndarray:
    return feature.to_axis(feature.encode(take_raw(prepared.table[feature.column], rows)))


def _tells(values: np.ndarray, truth: Column, number: bool) -> float:
    """How much of a column's variance goes with the answer, 0 to 1."""
    valid = truth.mask & np.isfinite(values)
    if valid.sum() < 3 or np.std(values[valid]) == 0:
        return 0.0
    x, y = values[valid].argsort().argsort().astype(float), truth.values[valid].reshape(-1).astype(float)
    if number:
        y = y.argsort().argsort().astype(float)
        return float(np.corrcoef(x, y)[0, 1] ** 2) if np.std(y) > 0 else 0.0
    groups: Sequence[np.ndarray] = [x[y == k] for k in np.unique(y)]
    return float(sum(len(g) * (g.mean() - x.mean()) ** 2 for g in groups) / (len(x) * x.var()))


def _typical(prepared: PreparedData, feature: Feature, rows: np.ndarray) -> Column:
    """One row: a number's median, the most frequent class."""
    encoded = feature.encode(take_raw(prepared.table[feature.column], rows))
    present = np.flatnonzero(encoded.mask)
    if not len(present):
        return encoded.take(np.zeros(1, int))
    values = encoded.values[present].reshape(len(present), -1)[:, 0]
    if feature.has_classes:
        kinds, counts = np.unique(values, return_counts=True)
        place = int(np.flatnonzero(values == kinds[counts.argmax()])[0])
    else:
        place = int(np.argsort(values, kind="stable")[len(values) // 2])
    return encoded.take(present[[place]])
