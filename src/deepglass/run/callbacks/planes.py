"""Planes over two inputs, with all other inputs fixed at typical values."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from deepglass.data.batches import Dataset
from deepglass.features.base import Column, Feature, take_raw
from deepglass.features.number import Number
from deepglass.features.outputs.base import Output
from deepglass.prepare.prepared_data import PreparedData

SIDE = 40  # points along each axis
MAX_VALUES = 800_000  # of all points of a plane: with more than 500 inputs there are fewer points
MAX_COLUMNS = 3  # the most informative ones; each pair is a plane
CLASSES = 24  # maximum number of classes with distinguishable colours
MAX_BANDS = 12  # classes along an axis, the most frequent ones
MAX_ROWS = 20_000  # from which axes and typical values are computed, spread over the training rows
MARGIN = 0.06  # around the rows, as a share of the axis
JITTER = 0.6  # share of a class's band over which its rows are spread


@dataclass(frozen=True)
class PlaneAxis:
    """One axis of a plane.

    Args:
        ends: minimum and maximum: for a number in the column's units, a date in days since 1970, classes in bands.
        classes: codes of the classes, one band each; none for numbers and dates.
    """

    feature: Feature
    ends: tuple[float, float]
    classes: tuple[int, ...] = ()

    @property
    def bands(self) -> tuple[str, ...]:
        """Names of the classes along the axis."""
        return tuple(self.feature.class_names[code - 1] for code in self.classes)

    def column(self, count: int) -> Column:
        """Encoded values at `count` points from minimum to maximum."""
        low, high = self.ends
        if self.classes:
            codes = np.repeat(np.array(self.classes, np.int32), -(-count // len(self.classes)))
            codes = codes[np.linspace(0, len(codes) - 1, count).round().astype(int)]
            return Column(codes, np.ones(count, bool))
        return self.feature.from_axis(np.linspace(low, high, count))

    def positions(self, prepared: PreparedData, rows: np.ndarray) -> np.ndarray:
        """Positions of rows on the axis, (N,); NaN for missing values and other classes."""
        encoded = self.feature.encode(take_raw(prepared.table[self.feature.column], rows))
        if not self.classes:
            return self.feature.to_axis(encoded)
        band = {code: i for i, code in enumerate(self.classes)}
        positions = np.array([band.get(int(code), np.nan) for code in encoded.values.reshape(-1)])
        return positions + 0.5 + JITTER * ((np.arange(len(rows)) * 0.618) % 1 - 0.5)


@dataclass(frozen=True)
class Plane:
    """Two inputs as axes, and values for the others.

    Args:
        fixed: input name -> encoded typical value, one row, for the other inputs.
    """

    across: PlaneAxis
    up: PlaneAxis
    fixed: Mapping[str, Column]

    @property
    def side(self) -> int:
        """Number of points along each axis."""
        return max(MAX_BANDS, min(SIDE, math.isqrt(MAX_VALUES // (len(self.fixed) + 2))))

    def data(self, device: str) -> Dataset:
        """The points, `side` times `side`, encoded, row by row from the top."""
        side = self.side
        inputs = {n: c.take(np.zeros(side * side, int)) for n, c in self.fixed.items()}
        inputs[self.across.feature.name] = self.across.column(side).take(np.tile(np.arange(side), side))
        inputs[self.up.feature.name] = self.up.column(side).take(np.repeat(np.arange(side)[::-1], side))
        return Dataset(inputs, {}, device)


def only_tabular(prepared: PreparedData) -> bool:
    """Whether all inputs are numbers, dates or classes, any two of which make a plane."""
    return all(f.has_axis or f.has_classes for f in prepared.inputs)


def informative_planes(prepared: PreparedData, output: Output) -> list[Plane]:
    """Planes over the number inputs most associated with an output; [] if other kinds of data are inputs too."""
    if not only_tabular(prepared):
        return []
    rows = _rows(prepared)
    truth = output.encode(take_raw(prepared.table[output.column], rows))
    numbers = {f.name: _values(prepared, f, rows) for f in prepared.inputs if isinstance(f, Number)}
    varying = {n: v for n, v in numbers.items() if len(np.unique(v[~np.isnan(v)])) > 1}
    scores = {n: _association(v, truth, not output.has_classes) for n, v in varying.items()}
    chosen = sorted(sorted(scores, key=lambda n: -scores[n])[:MAX_COLUMNS], key=lambda n: list(scores).index(n))
    pairs = sorted(itertools.combinations(chosen, 2), key=lambda p: -sum(scores[n] for n in p))
    typical = {f.name: _typical(prepared, f, rows) for f in prepared.inputs} if pairs else {}
    return [_plane(prepared, pair, rows, typical) for pair in pairs]


def make_plane(prepared: PreparedData, pair: tuple[str, str]) -> Plane:
    """The plane over two inputs, by their names."""
    rows = _rows(prepared)
    return _plane(prepared, pair, rows, {f.name: _typical(prepared, f, rows) for f in prepared.inputs})


def _plane(prepared: PreparedData, pair: tuple[str, str], rows: np.ndarray, typical: Mapping[str, Column]) -> Plane:
    inputs = {f.name: f for f in prepared.inputs}
    across, up = (_side(prepared, inputs[name], rows) for name in pair)
    return Plane(across, up, {name: value for name, value in typical.items() if name not in pair})


def _rows(prepared: PreparedData) -> np.ndarray:
    rows = prepared.rows("train")
    return rows[np.unique(np.linspace(0, len(rows) - 1, min(MAX_ROWS, len(rows))).astype(int))] if len(rows) else rows


def _side(prepared: PreparedData, feature: Feature, rows: np.ndarray) -> PlaneAxis:
    if feature.has_classes:
        codes = feature.encode(take_raw(prepared.table[feature.column], rows)).values.reshape(-1)
        kinds, counts = np.unique(codes[codes > 0], return_counts=True)
        shown = tuple(sorted(kinds[np.argsort(-counts, kind="stable")][:MAX_BANDS].tolist())) or (1,)
        return PlaneAxis(feature, (0.0, float(len(shown))), shown)
    return PlaneAxis(feature, _ends(_values(prepared, feature, rows)))


def _ends(values: np.ndarray) -> tuple[float, float]:
    """Range of most rows with a margin; outliers do not stretch it."""
    finite = values[np.isfinite(values)] if np.isfinite(values).any() else np.array([0.0, 1.0])
    low, high = np.quantile(finite, [0.005, 0.995])
    low, high = (low, high) if high > low else (finite.min(), finite.max())
    if high - low <= 1e-12 * max(abs(low), abs(high)):  # equal, or too close for a plane of floats
        high = low + max(1.0, 1e-9 * abs(low))
    return float(low - MARGIN * (high - low)), float(high + MARGIN * (high - low))


def _values(prepared: PreparedData, feature: Feature, rows: np.ndarray) -> np.ndarray:
    return feature.to_axis(feature.encode(take_raw(prepared.table[feature.column], rows)))


def _association(values: np.ndarray, truth: Column, number: bool) -> float:
    """Share of the variance of a column's ranks explained by an output, from 0 to 1."""
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
    """One encoded row: the median of a number, the most frequent class."""
    encoded = feature.encode(take_raw(prepared.table[feature.column], rows))
    present = np.flatnonzero(encoded.mask)
    if not len(present):
        return encoded.take(np.zeros(1, int))
    values = encoded.values[present].reshape(len(present), -1)[:, 0]
    if feature.has_classes:
        kinds, counts = np.unique(values, return_counts=True)
        index = int(np.flatnonzero(values == kinds[counts.argmax()])[0])
    else:
        index = int(np.argsort(values, kind="stable")[len(values) // 2])
    return encoded.take(present[[index]])
