"""Partial dependence of a run's predictions on its inputs, and the interaction of two inputs.

Source: Friedman, 2001, Annals of Statistics 29 (partial dependence); Friedman and Popescu, 2008, Annals of Applied
Statistics 2, section 8.1 (H statistic).
"""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np

from deepglass.explain.aggregate import plain_value
from deepglass.explain.global_rows import GlobalRows
from deepglass.features.base import Column, Feature
from deepglass.features.outputs.base import PredictionArrays

GRID_VALUES = 12
MAX_BACKGROUND = 100  # rows that a curve averages over
POINTS = 30  # rows of the H statistic, each pair of them a prediction


class DependenceCurve(NamedTuple):
    """Mean prediction with an input set to each of its values.

    Args:
        values: as the user wrote them.
        means: of each value, (V,): the predicted number, or the probability of `target`.
        target: the class; "" for numbers.
    """

    input: str
    values: tuple[Any, ...]
    means: tuple[float, ...]
    target: str


class Interaction(NamedTuple):
    """Friedman's H of two inputs: the share of their joint effect's variance that is not a sum of both effects."""

    inputs: tuple[str, str]
    h: float


def response(rows: GlobalRows, predictions: PredictionArrays, k: int | None) -> np.ndarray:
    """What depends on the inputs, (N,): the number, or the probability of class k."""
    if k is None:
        return np.asarray(rows.output.prediction_columns(predictions)["value"], np.float64)
    return np.exp(predictions["log_probs"][:, k].astype(np.float64))


def dependence(rows: GlobalRows, feature: Feature, k: int | None) -> DependenceCurve | None:
    """The curve of one input; None where it has one value."""
    background = rows.take(np.arange(min(MAX_BACKGROUND, len(rows))))
    chosen = _grid(rows.columns[feature.name], feature)
    if len(chosen) < 2:
        return None
    values = rows.columns[feature.name]
    means = []
    for row in chosen:
        column = values.take(np.full(len(background), row))
        means.append(float(response(rows, background.predict({feature.name: column}), k).mean()))
    raw = rows.table[feature.column]
    name = "" if k is None else rows.output.class_names[k]
    return DependenceCurve(feature.name, tuple(plain_value(raw[int(i)]) for i in chosen), tuple(means), name)


def _grid(column: Column, feature: Feature) -> np.ndarray:
    """Rows with distinct values of a column: quantiles of an ordered kind, the most frequent of others."""
    present = np.flatnonzero(column.mask)
    flat = column.values[present].reshape(len(present), -1).astype(np.float64)
    _, first, counts = np.unique(flat, axis=0, return_index=True, return_counts=True)
    if len(first) > GRID_VALUES and feature.ordered:
        order = np.repeat(first, counts)
        first = np.unique(order[np.linspace(0, len(order) - 1, GRID_VALUES).astype(int)])
    elif len(first) > GRID_VALUES:
        first = first[np.argsort(-counts, kind="stable")[:GRID_VALUES]]
    return present[first[np.argsort(flat[first, 0], kind="stable")]]


def strongest_interaction(rows: GlobalRows, names: Sequence[str], k: int | None, seed: int = 0) -> Interaction | None:
    """The pair of inputs with the largest H among `names`; None for fewer than two, or where none has an effect."""
    if len(names) < 2 or len(rows) < POINTS:
        return None
    some = rows.take(np.sort(np.random.default_rng(seed).permutation(len(rows))[:POINTS]))
    n = len(some)
    own, other = np.repeat(np.arange(n), n), np.tile(np.arange(n), n)

    def effect(chosen: Sequence[str]) -> np.ndarray:
        columns: Mapping[str, Column] = {
            name: column.take(own if name in chosen else other) for name, column in some.columns.items()
        }
        predictions = some.take(other).predict(columns)
        means = response(rows, predictions, k).reshape(n, n).mean(1)
        return means - means.mean()

    single = {name: effect([name]) for name in names}
    total = float(response(rows, some.plain, k).var())
    best: Interaction | None = None
    for a, b in combinations(names, 2):
        both = effect([a, b])
        variance = float((both**2).mean())
        if variance < 0.01 * total or variance == 0:
            continue
        h = float((((both - single[a] - single[b]) ** 2).mean() / variance) ** 0.5)
        if best is None or h > best.h:
            best = Interaction((a, b), min(h, 1.0))
    return best
