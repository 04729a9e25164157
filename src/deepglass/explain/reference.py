"""What rows are explained against: training rows and the nearest of them, mean tokens, randomised weights."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, cast

import numpy as np
import polars as pl
import torch
from torch import Tensor

from deepglass.data.batches import Dataset
from deepglass.data.table import Table
from deepglass.explain.aggregate import encoder_tokens, plain_value
from deepglass.explain.checks import randomize_weights
from deepglass.explain.input_layers import InputLayer, input_layers, replaced
from deepglass.features.base import Column, Media
from deepglass.features.outputs.base import Output
from deepglass.nn.tokens import Field
from deepglass.objectives.base import Objective, embed_dataset
from deepglass.prepare.prepared_data import PreparedData
from deepglass.run.predictor import Predictor

BATCH = 256
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


class Reference:
    """The reference of one run; each part is computed once, when it is needed.

    Args:
        predictor: the run.
        outputs: those that are explained.
        rows: training rows; None: an empty row is the background.
        max_rows: of the background.
    """

    def __init__(
        self, predictor: Predictor, outputs: tuple[Output, ...], rows: ReferenceRows | None, max_rows: int
    ) -> None:
        self.predictor, self.outputs, self.rows, self.max_rows = predictor, outputs, rows, max_rows

    @property
    def objective(self) -> Objective:
        return self.predictor.objective

    @cached_property
    def background(self) -> ReferenceRows:
        """A fixed sample of the reference rows, which stand for any row."""
        if self.rows is None:
            absent = Table({f.column: cast(Any, [None]) for f in self.predictor.inputs})
            missing = pl.Series([None], dtype=pl.Null)
            inputs = {f.name: f.encode(missing) for f in self.predictor.inputs}
            return ReferenceRows(absent, np.zeros(1, int), inputs, "a row without any value")
        source_rows = self.rows.source_rows
        index = np.random.default_rng(0).permutation(len(source_rows))[: self.max_rows]
        inputs = {n: c.take(index) for n, c in self.rows.inputs.items()}
        description = f"{len(index)} {self.rows.description}"
        return ReferenceRows(self.rows.table.take(index), source_rows[index], inputs, description)

    @cached_property
    def points(self) -> Tensor:
        """The embeddings of the reference rows, (N, D)."""
        assert self.rows is not None
        data = Dataset(dict(self.rows.inputs), {}, self.predictor.device)
        return torch.from_numpy(embed_dataset(self.objective, data, BATCH)).to(self.predictor.device)

    @cached_property
    def background_fields(self) -> Mapping[str, Field]:
        """The background as inputs of the network."""
        return self.fields(self.background.inputs)

    def fields(self, columns: Mapping[str, Column]) -> Mapping[str, Field]:
        """Encoded rows as inputs of the network."""
        data = Dataset(dict(columns), {}, self.predictor.device)
        return data.batch(torch.arange(len(data))).inputs

    @cached_property
    def mean_tokens(self) -> dict[str, Tensor]:
        """The mean tokens over the background, of inputs that are columns of a table."""
        layers = input_layers(self.objective)
        columns = {i for i, e in enumerate(layers[0]) if e.parts_of is encoder_tokens and e.features[0].tabular}
        if not columns or self.rows is None:
            return {}
        means: dict[str, Tensor] = {}

        def record(i: int, values: Tensor) -> Tensor:
            if i in columns:
                means[layers[0][i].name] = values.mean(0, keepdim=True).detach()
            return values

        data = Dataset(dict(self.background.inputs), {}, self.predictor.device)
        with torch.no_grad(), replaced(layers, record):
            self.objective.predict(data.batch(torch.arange(len(data))))
        return means

    @cached_property
    def input_layers(self) -> list[list[InputLayer]]:
        """Where the inputs enter each of the objective's networks."""
        return input_layers(self.objective, self.mean_tokens)

    @cached_property
    def randomized(self) -> Objective:
        """A copy of the network with shuffled weights."""
        return randomize_weights(self.objective)


# -- nearest rows ----------------------------------------------------------------------------------------------------


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
