"""The training rows that are nearest to a row in the embedding."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor

from deepglass.data.table import Table
from deepglass.explain.aggregate import plain_value
from deepglass.features.base import Column, Media
from deepglass.features.outputs.base import Output
from deepglass.prepare.prepared_data import PreparedData

NUM_NEIGHBOURS = 3
MAX_ROWS = 1_000  # training rows that are searched
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


def nearest_rows(
    rows: ReferenceRows, points: Tensor, point: Tensor, outputs: tuple[Output, ...]
) -> tuple[Neighbour, ...]:
    """The rows nearest to a point, nearest first, with their labels of the outputs.

    Shapes: points: (N, D), the embeddings of the rows; point: (D,).
    """
    distances = (points - point).norm(dim=1)
    near = distances.topk(min(NUM_NEIGHBOURS, len(distances)), largest=False)
    columns = {f.name: rows.table[f.column] for f in outputs if f.column in rows.table.columns}
    neighbours = []
    for i, distance in zip(near.indices.tolist(), near.values.tolist(), strict=True):
        values = {name: raw[i] for name, raw in columns.items()}
        labels = {n: None if isinstance(v, Media | np.ndarray) else plain_value(v) for n, v in values.items()}
        neighbours.append(Neighbour(int(rows.source_rows[i]), labels, float(distance), i))
    return tuple(neighbours)
