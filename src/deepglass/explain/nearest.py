"""The training rows that are nearest to a row in the embedding."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch

from deepglass.data.batches import Dataset
from deepglass.data.table import Table
from deepglass.explain.aggregate import plain_value
from deepglass.features.base import Column, Media
from deepglass.features.outputs.base import Output
from deepglass.objectives.base import Objective, embed_dataset
from deepglass.prepare.prepared_data import PreparedData

NUM_NEIGHBOURS = 3
MAX_ROWS = 1_000  # training rows that are searched
BATCH = 256
TRAINING_ROWS = "training rows"


@dataclass(frozen=True)
class ReferenceRows:
    """Rows that explanations compare with, usually training rows.

    Args:
        table: as the user wrote them.
        source_rows: (N,) their indices in the source.
        inputs: the same rows encoded.
        description: what they are.
    """

    table: Table
    source_rows: np.ndarray
    inputs: Mapping[str, Column]
    description: str = TRAINING_ROWS


def training_rows(prepared: PreparedData, max_rows: int = MAX_ROWS) -> ReferenceRows:
    """Training rows of a run, evenly spread where there are more than `max_rows`."""
    rows = prepared.rows("train")
    rows = rows[np.unique(np.linspace(0, len(rows) - 1, min(max_rows, len(rows))).astype(int))]
    table = prepared.table.take(rows)
    return ReferenceRows(
        table, prepared.source_rows[rows], {f.name: f.encode(table[f.column]) for f in prepared.inputs}
    )


class Neighbour(NamedTuple):
    """A near row.

    Args:
        row: its index in the source.
        labels: output name -> label.
        distance: Euclidean, in the embedding.
        reference_index: its index among the reference rows.
    """

    row: int
    labels: dict[str, Any]
    distance: float
    reference_index: int


class NearestNeighbours:
    """Nearest-neighbour search among reference rows, which are embedded once.

    Args:
        outputs: whose labels are given.
    """

    def __init__(
        self, objective: Objective, rows: ReferenceRows, outputs: tuple[Output, ...], device: torch.device
    ) -> None:
        self.rows, self.outputs = rows, outputs
        data = Dataset(dict(rows.inputs), {}, device)
        self.points = torch.from_numpy(embed_dataset(objective, data, BATCH)).to(device)

    def search(self, point: torch.Tensor) -> list[Neighbour]:
        """The rows nearest to a point (D,), nearest first."""
        distances = (self.points - point).norm(dim=1)
        near = distances.topk(min(NUM_NEIGHBOURS, len(distances)), largest=False)
        return [
            Neighbour(int(self.rows.source_rows[i]), self._labels(i), float(d), i)
            for i, d in zip(near.indices.tolist(), near.values.tolist(), strict=True)
        ]

    def _labels(self, i: int) -> dict[str, Any]:
        labels = {}
        for feature in self.outputs:
            if feature.column in self.rows.table.columns:
                value = self.rows.table[feature.column][i]
                labels[feature.name] = None if isinstance(value, Media | np.ndarray) else plain_value(value)
        return labels
