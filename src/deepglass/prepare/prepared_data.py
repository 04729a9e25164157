"""The data of a run: its rows, their split, and the fitted features that encode them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from deepglass.data.batches import Dataset
from deepglass.data.missing import is_null, set_null
from deepglass.data.table import Table
from deepglass.data.trained_rows import TrainedRows
from deepglass.features.base import Column, Feature
from deepglass.features.outputs.base import Output, PredictionArrays
from deepglass.prepare.columns import ColumnRole
from deepglass.prepare.sample_weights import with_weight

SPLITS = ("train", "valid", "test")


@dataclass(frozen=True)
class PreparedData:
    """Rows, split and fitted features of a run.

    Args:
        table: the rows in use; rows that were left out are listed in `table.skipped`.
        source_rows: (N,) int64, index of each row in the source.
        split: (N,) of "train", "valid", "test"; "" for rows that are not used.
        inputs, outputs: fitted on the training rows.
        column_roles: kind and role of each column of the source.
        notes: warnings for the user: class imbalance, missing labels, rows left out.
        fingerprint: hash of the source's content.
        hidden: (N,) bool, rows whose labels are hidden by the label budget.
        lineage: the rows of this run, then of the runs it starts from, by which they are recognised in other files;
            empty where there are none, as in an environment.
        sample_weight: (N,) float64, weights of the rows; None: all have the same.
    """

    table: Table
    source_rows: np.ndarray
    split: np.ndarray
    inputs: tuple[Feature, ...]
    outputs: tuple[Output, ...]
    column_roles: tuple[ColumnRole, ...]
    notes: tuple[str, ...]
    fingerprint: str
    hidden: np.ndarray
    lineage: tuple[TrainedRows, ...] = ()
    sample_weight: np.ndarray | None = None

    def rows(self, split: str) -> np.ndarray:
        """Row indices of one split."""
        return np.flatnonzero(self.split == split)

    def split_table(self, split: str) -> Table:
        """The raw rows of one split."""
        return self.table.take(self.rows(split))

    def datasets(self, device: str) -> dict[str, Dataset]:
        """The encoded rows of each split."""
        return {split: self.dataset(self.rows(split), device) for split in SPLITS}

    def weights(self, rows: np.ndarray) -> np.ndarray | None:
        """Weights of some rows, divided by the mean of the training rows; None where all have the same."""
        if self.sample_weight is None:
            return None
        return self.sample_weight[rows] / self.sample_weight[self.split == "train"].mean()

    def dataset(self, rows: np.ndarray, device: str = "cpu") -> Dataset:
        """Encoded rows with their targets, in the frame of the inputs."""
        table = self.table.take(rows)
        inputs = {f.name: f.encode(table[f.column]) for f in self.inputs}
        weights = self.weights(rows)
        targets = {
            f.name: with_weight(f.to_input_frame(f.encode(table[f.column]), inputs), weights) for f in self.outputs
        }
        return Dataset(inputs, targets, device, self.table.environment)


def missing_targets(table: Table, outputs: Sequence[Output]) -> np.ndarray:
    """Rows without a value in any output column, (N,) bool; none where there are no outputs."""
    if not outputs:
        return np.zeros(len(table), bool)
    return np.all([is_null(table[f.column]) for f in outputs], axis=0)


def hide_targets(table: Table, outputs: Sequence[Output], rows: np.ndarray) -> Table:
    """The table with the targets of some rows set to missing.

    Args:
        rows: (N,) bool.
    """
    columns = [c for f in outputs for c in f.source_columns]
    return table.with_columns({c: set_null(table[c], rows) for c in columns}) if rows.any() else table


def add_context(
    predictions: Mapping[str, PredictionArrays], outputs: Sequence[Output], inputs: Mapping[str, Column]
) -> dict[str, PredictionArrays]:
    """Predictions with what `Feature.decode` needs of the inputs."""
    return {f.name: {**predictions[f.name], **f.context(inputs)} for f in outputs if f.name in predictions}
