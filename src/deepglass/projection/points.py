"""Which rows are on the map, and their points: the test part, and as much of the training part as there is time for."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from deepglass.features.base import CLASSIFICATION_KINDS, Column, take_raw
from deepglass.features.outputs.base import PredictionArrays
from deepglass.objectives.base import concatenate_predictions
from deepglass.prepare.prepared_data import PreparedData
from deepglass.projection.space import EmbeddingSpace

MOST = 60_000  # points
SECONDS = 0.75  # that training rows may take
CHUNK, BATCH = 2_048, 128  # rows that are encoded at once, and seen: of more the maps leave the caches
ANSWERED = (*CLASSIFICATION_KINDS, "number")  # kinds whose answers colour the map
CONTENT = {"image": 4_000, "text": 2_000, "audio": 400}  # points of which the report says what they are, by input kind
ROWS = 3_000  # where rows are values alone
TESTED = 2 / 3  # of them, the share of test rows


class TestPredictions(NamedTuple):
    """What was answered to the test rows, and where they lie, if that was seen meanwhile.

    Args:
        best: by output. points: (N, D) float32.
    """

    best: Mapping[str, PredictionArrays]
    points: np.ndarray | None = None


NO_PREDICTIONS = TestPredictions({})


@dataclass
class EmbeddedPoints:
    """Rows as points, training rows first.

    Args:
        rows: of the table. kept: places among them of which the report says what they are.
        inputs: of these, encoded.
        truth, best: by output; `best` where it was asked for.

    Shapes:
        rows: (N,); points: (N, D) float32; kept: (R,).
    """

    rows: np.ndarray
    points: np.ndarray
    kept: np.ndarray
    inputs: Mapping[str, Column]
    truth: Mapping[str, Column]
    best: Mapping[str, PredictionArrays]


def embed_points(
    space: EmbeddingSpace,
    prepared: PreparedData,
    device: str,
    tested: TestPredictions = NO_PREDICTIONS,
    seconds: float = SECONDS,
) -> EmbeddedPoints:
    """Look at the rows of the map.

    Args:
        tested: test rows whose points are known are not looked at again.
        seconds: for training rows; where they run out, fewer are on the map.
    """
    order = np.random.default_rng(0)
    places, train = (order.permutation(len(prepared.rows("test"))), order.permutation(prepared.rows("train")))
    test = prepared.rows("test")[places]
    test = test[: MOST if not len(train) else max(MOST // 2, MOST - len(train))]
    train = train[: MOST - len(test)]
    kinds = [f.kind for f in prepared.inputs]
    content = next((most for kind, most in CONTENT.items() if kind in kinds), ROWS)
    kept = min(len(test), max(int(content * TESTED), content - len(train)))  # of the test rows
    seen = _Seen(space, prepared, device)
    until = time.perf_counter() + seconds
    for start in range(0, len(train), CHUNK):
        if start and time.perf_counter() > until:
            break
        seen.look(train[start : start + CHUNK], content - kept - start)
    if tested.points is not None:
        seen.know(test, kept, tested, places[: len(test)])
    else:
        for start in range(0, len(test), CHUNK):
            seen.look(test[start : start + CHUNK], kept - start)
    return seen.together()


class _Seen:
    """Collects chunks of rows."""

    def __init__(self, space: EmbeddingSpace, prepared: PreparedData, device: str) -> None:
        self.space, self.prepared, self.device = space, prepared, device
        self.rows: list[np.ndarray] = []
        self.points: list[np.ndarray] = []
        self.kept: list[np.ndarray] = []
        self.best: dict[str, list[dict[str, torch.Tensor]]] = {}

    def look(self, rows: np.ndarray, keep: int) -> None:
        data = self.prepared.dataset(rows, self.device)
        for batch in data.batches(BATCH):
            points, answers = self.space.look(batch)
            self.points.append(points.cpu().numpy())
            for feature in self.prepared.outputs:
                if feature.kind in ANSWERED and feature.name in answers:
                    self.best.setdefault(feature.name, []).append(answers[feature.name].mode())
        self._add(rows, keep)

    def know(self, rows: np.ndarray, keep: int, tested: TestPredictions, places: np.ndarray) -> None:
        """Rows that were looked at before, at these places among them."""
        assert tested.points is not None
        self.points.append(tested.points[places])
        for feature in self.prepared.outputs:
            if feature.kind in ANSWERED and feature.name in tested.best:
                best = {k: torch.from_numpy(v[places]) for k, v in tested.best[feature.name].items()}
                self.best.setdefault(feature.name, []).append(best)
        self._add(rows, keep)

    def _add(self, rows: np.ndarray, keep: int) -> None:
        before = sum(map(len, self.rows))
        self.rows.append(rows)
        self.kept.append(np.arange(before, before + min(max(keep, 0), len(rows))))

    def together(self) -> EmbeddedPoints:
        rows, kept = np.concatenate(self.rows), np.concatenate(self.kept)
        table, outputs = self.prepared.table, self.prepared.outputs
        shown = [f for f in outputs if f.class_names or f.kind in ANSWERED]
        shown = [f for f in shown if not type(f).dense]
        return EmbeddedPoints(
            rows=rows,
            points=np.concatenate(self.points),
            kept=kept,
            inputs={f.name: f.encode(take_raw(table[f.column], rows[kept])) for f in self.prepared.inputs},
            truth={f.name: f.encode(take_raw(table[f.column], rows)) for f in shown},
            best={name: concatenate_predictions(parts) for name, parts in self.best.items()},
        )
