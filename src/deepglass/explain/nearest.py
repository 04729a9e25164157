"""The training rows that the network finds most alike: neighbours in the space that its heads read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch

from deepglass.data.batches import Dataset
from deepglass.data.table import Table
from deepglass.features.base import Column, Feature
from deepglass.objectives.base import Objective, embed_dataset
from deepglass.prepare.prepared_data import PreparedData

COUNT = 3  # neighbours
MOST = 1_000  # training rows among which they are looked for


@dataclass(frozen=True)
class Known:
    """Training rows that explanations may look at.

    Args:
        table: their raw values; places: where they stand in the source.
        inputs: the same rows encoded.
        whose: in words.
    """

    table: Table
    places: np.ndarray
    inputs: Mapping[str, Column]
    whose: str = "training rows"


def known_rows(prepared: PreparedData, most: int = MOST) -> Known:
    """Training rows of a run, evenly spread where there are more than `most`."""
    rows = prepared.rows("train")
    rows = rows[np.unique(np.linspace(0, len(rows) - 1, min(most, len(rows))).astype(int))]
    table = prepared.table.take(rows)
    return Known(table, prepared.source_rows[rows], {f.name: f.encode(table[f.column]) for f in prepared.inputs})


class Neighbour(NamedTuple):
    """A training row, its labels by output, and how far it lies."""

    row: int
    labels: dict[str, Any]
    distance: float
    at: int  # its place among the known rows


class Neighbours:
    """Known rows as points, looked at once.

    Args:
        outputs: whose labels are told.
    """

    def __init__(self, objective: Objective, known: Known, outputs: tuple[Feature, ...], device: torch.device) -> None:
        self.known, self.outputs, self.objective = known, outputs, objective
        data = Dataset(dict(known.inputs), {}, device)
        self.points = torch.from_numpy(embed_dataset(objective, data, 256)).to(device)

    def of(self, point: torch.Tensor) -> list[Neighbour]:
        """The nearest to a point (D,), nearest first."""
        away = (self.points - point).norm(dim=1)
        near = away.topk(min(COUNT, len(away)), largest=False)
        return [
            Neighbour(int(self.known.places[i]), self._labels(i), float(d), i)
            for i, d in zip(near.indices.tolist(), near.values.tolist(), strict=True)
        ]

    def _labels(self, i: int) -> dict[str, Any]:
        labels = {}
        for feature in self.outputs:
            if feature.column in self.known.table.columns:
                value = self.known.table[feature.column][i]
                value = value.item() if isinstance(value, np.generic) else value
                value = value.to_list() if hasattr(value, "to_list") else value
                labels[feature.name] = value if isinstance(value, str | int | float | bool | list) else None
        return labels
