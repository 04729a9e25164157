"""The rows of the map and their embedding: the test rows, and as many training rows as there is time for."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from deepglass.features.base import Column, Feature, take_raw
from deepglass.features.outputs.base import Calibration, Output, PredictionArrays
from deepglass.objectives.base import concatenate_predictions
from deepglass.projection.space import EmbeddingSpace
from deepglass.run.context import RunContext

MAX_POINTS = 60_000
MAX_SECONDS = 0.75  # for training rows
CHUNK, BATCH = 2_048, 128  # rows that are encoded, and embedded, at once: larger batches leave the caches
MAX_IMAGES, MAX_TEXTS, MAX_CLIPS, MAX_DETAILED = 4_000, 2_000, 400, 3_000  # points with details; the last of values
TEST_SHARE = 2 / 3  # of them


class TestPredictions(NamedTuple):
    """Predictions for the test rows, and their embedding where the same pass gave it.

    Args:
        best: by output.
        points: (N, D) float32.
    """

    best: Mapping[str, PredictionArrays]
    points: np.ndarray | None = None

    def of(self, index: np.ndarray) -> dict[str, PredictionArrays]:
        """The predictions for some of the rows."""
        return {name: {k: v[index] for k, v in arrays.items()} for name, arrays in self.best.items()}


NO_PREDICTIONS = TestPredictions({})


@dataclass
class EmbeddedPoints:
    """Embedded rows, training rows first.

    Args:
        rows: (N,) indices in the table.
        points: (N, D) float32.
        detailed: (R,) indices of the points with details.
        inputs: of the detailed points, encoded.
        truth: labels by output.
        predicted: (N,) class, from 0, or number in the user's unit, by output, where there are predictions.
    """

    rows: np.ndarray
    points: np.ndarray
    detailed: np.ndarray
    inputs: Mapping[str, Column]
    truth: Mapping[str, Column]
    predicted: Mapping[str, np.ndarray]


def embed_points(
    space: EmbeddingSpace,
    context: RunContext,
    predictions: TestPredictions = NO_PREDICTIONS,
    max_seconds: float = MAX_SECONDS,
) -> EmbeddedPoints:
    """Embed the rows of the map.

    Args:
        predictions: test rows whose points are known are not embedded again.
        max_seconds: for training rows; fewer are on the map where they run out.
    """
    data = context.data
    order = np.random.default_rng(0)
    index, train = (order.permutation(len(data.rows("test"))), order.permutation(data.rows("train")))
    test = data.rows("test")[index]
    test = test[: MAX_POINTS if not len(train) else max(MAX_POINTS // 2, MAX_POINTS - len(train))]
    train = train[: MAX_POINTS - len(test)]
    detailed = max_detailed(data.inputs)
    detailed_test = min(len(test), max(int(detailed * TEST_SHARE), detailed - len(train)))
    collector = _Collector(space, context)
    until = time.perf_counter() + max_seconds
    for start in range(0, len(train), CHUNK):
        if start and time.perf_counter() > until:
            break
        collector.embed(train[start : start + CHUNK], detailed - detailed_test - start)
    if predictions.points is not None:
        collector.add(test, detailed_test, predictions.points[index[: len(test)]], predictions.of(index[: len(test)]))
    else:
        for start in range(0, len(test), CHUNK):
            collector.embed(test[start : start + CHUNK], detailed_test - start)
    return collector.result()


def max_detailed(inputs: Sequence[Feature]) -> int:
    """The number of points with details: as many as a page holds of what the inputs show."""
    contents = (
        (any(f.is_image for f in inputs), MAX_IMAGES),
        (any(f.is_text for f in inputs), MAX_TEXTS),
        (any(f.is_audio for f in inputs), MAX_CLIPS),
    )
    return next((count for present, count in contents if present), MAX_DETAILED)


def has_colouring(output: Output) -> bool:
    """Whether the map can be coloured by the predictions of an output: classes and numbers."""
    return output.has_classes or output.has_axis


class _Collector:
    """Collects chunks of rows."""

    def __init__(self, space: EmbeddingSpace, context: RunContext) -> None:
        self.space, self.data, self.device = space, context.data, context.device
        self.calibration = context.calibration
        self.rows: list[np.ndarray] = []
        self.points: list[np.ndarray] = []
        self.detailed: list[np.ndarray] = []
        self.predicted: dict[str, list[np.ndarray]] = {}
        self.coloured = {f.name: f for f in self.data.outputs if has_colouring(f)}

    def embed(self, rows: np.ndarray, num_detailed: int) -> None:
        """Embed and predict rows, the first of them with details."""
        batches = [self.space.embed(b) for b in self.data.dataset(rows, self.device).batches(BATCH)]
        points = np.concatenate([points.cpu().numpy() for points, _ in batches])
        modes = [{n: p.mode() for n, p in predicted.items() if n in self.coloured} for _, predicted in batches]
        best = {n: concatenate_predictions([m[n] for m in modes]) for n in modes[0]} if modes else {}
        self.add(rows, num_detailed, points, best)

    def add(
        self, rows: np.ndarray, num_detailed: int, points: np.ndarray, best: Mapping[str, PredictionArrays]
    ) -> None:
        """Add rows with their points and predictions, the first of them with details."""
        before = sum(map(len, self.rows))
        self.detailed.append(np.arange(before, before + min(max(num_detailed, 0), len(rows))))
        self.rows.append(rows)
        self.points.append(points)
        for name in self.coloured.keys() & best.keys():  # not the probabilities of thousands of classes
            predicted = _predicted_values(self.coloured[name], best[name], self.calibration.get(name, {}))
            self.predicted.setdefault(name, []).append(predicted)

    def result(self) -> EmbeddedPoints:
        rows, detailed = np.concatenate(self.rows), np.concatenate(self.detailed)
        table = self.data.table
        outputs = [f for f in self.data.outputs if (f.class_names or has_colouring(f)) and not f.dense]
        return EmbeddedPoints(
            rows=rows,
            points=np.concatenate(self.points),
            detailed=detailed,
            inputs={f.name: f.encode(take_raw(table[f.column], rows[detailed])) for f in self.data.inputs},
            truth={f.name: f.encode(take_raw(table[f.column], rows)) for f in outputs},
            predicted={name: np.concatenate(chunks) for name, chunks in self.predicted.items()},
        )


def _predicted_values(output: Output, best: PredictionArrays, calibration: Calibration) -> np.ndarray:
    """The classes, from 0, or the numbers in the user's unit, (N,)."""
    return number_values(output, best, calibration) if output.has_axis else output.predicted_classes(best, calibration)


def number_values(output: Output, best: PredictionArrays, calibration: Calibration) -> np.ndarray:
    """Numbers in the user's unit, (N,) float."""
    return np.array([d["value"] for d in output.decode(best, calibration)], dtype=float)
