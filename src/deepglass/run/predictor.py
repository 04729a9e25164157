"""Prediction with a loaded run: rows in, decoded predictions out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch

from deepglass.data.batches import Batch, Dataset
from deepglass.data.table import Table
from deepglass.device import pick
from deepglass.documents import parse_json
from deepglass.errors import SourceError, SpecError
from deepglass.features.base import Column, Feature, Media, Raw, sequence_of
from deepglass.features.outputs.base import Calibration, Output, PredictionArrays
from deepglass.features.outputs.identity import IdentityOutput, Verdict
from deepglass.features.text import Text
from deepglass.nn.tokens import Field
from deepglass.objectives.base import Objective, concatenate_predictions, predict_dataset
from deepglass.prepare.new_rows import RowReader, Rows
from deepglass.prepare.prepared_data import add_context
from deepglass.prepare.sources import file_columns, read_like
from deepglass.run.build import load_objective
from deepglass.run.folder import Folder
from deepglass.run.storage.stored_files import RunState
from deepglass.run.write_predictions import Predictions

BATCH_SIZE = 256  # rows whose activations fit a processor's cache: 1,024 take a fifth longer


@dataclass
class Predictor:
    """A trained objective, and the reader of its rows.

    Args:
        calibration: output -> its calibration.
    """

    objective: Objective
    reader: RowReader
    calibration: Mapping[str, Calibration]
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    @property
    def inputs(self) -> tuple[Feature, ...]:
        return self.reader.inputs

    @property
    def outputs(self) -> tuple[Output, ...]:
        return self.reader.outputs

    @staticmethod
    def load(folder: Folder, device: str = "auto", state: RunState | None = None) -> Predictor:
        """The predictor of a run.

        Args:
            state: `folder.state()`, if it was read already.

        Raises:
            SourceError: `not-found`, `unreadable-file`; `mismatched-files` when weights and spec do not fit.
        """
        state = state or folder.state()
        experiment = state.experiment
        objective = load_objective(folder, experiment, device)
        ignored = frozenset(c.name for c in state.column_roles if c.role == "ignored")
        reader = RowReader(
            experiment.inputs,
            experiment.outputs,
            experiment.spec.data,
            ignored,
            experiment.transforms,
            state.missing,
        )
        return Predictor(objective, reader, state.calibration, pick(device))

    def predict(self, rows: Rows, batch_size: int = BATCH_SIZE) -> Predictions:
        """Predictions in the order of the rows, {OUTPUT: {"value": ..., "confidence": ...}} each.

        Args:
            rows: a dict, a list of dicts, a frame, or any source that training takes.
        """
        decoded = self.decode(self.predict_arrays(rows, batch_size))
        return [dict(zip(decoded, row, strict=True)) for row in zip(*decoded.values(), strict=True)]

    def predict_table(
        self, rows: Rows, keep: Sequence[str] = (), probabilities: bool = False, batch_size: int = BATCH_SIZE
    ) -> pl.DataFrame:
        """Predictions as a table, in the order of the rows: a column per output and value, such as `price.low`.

        Args:
            rows: as for `predict`.
            keep: columns of the rows to have before the predictions; "all" for all.
            probabilities: add the probability of each class, `OUTPUT.probability.CLASS`.

        Raises:
            SourceError: `unknown-column` for a column to keep.
            SpecError: `bad-value` for `probabilities` without an output with classes.
        """
        if probabilities and not any(f.has_classes for f in self.outputs):
            raise SpecError("bad-value", "--probabilities: no output of the run has classes")
        self._check_outputs()
        table = self.reader.table(rows)
        names = table.names if list(keep) == ["all"] else keep
        columns: dict[str, Any] = {name: _plain_column(table[name]) for name in names}
        encoded = self.reader.encode(rows if self.reader.is_single(rows) else table)
        del rows, table  # the cells take more memory than all that follows
        arrays = self._predict_encoded(encoded, batch_size)
        for f in self.outputs:
            mode, calibration = arrays[f.name], self.calibration.get(f.name)
            for key, values in f.prediction_columns(mode, calibration).items():
                name = f.name if key == "value" else f"{f.name}.{key}"
                columns[f"{name}.predicted" if name in columns else name] = values
            if probabilities and (shares := f.class_probabilities(mode, calibration)) is not None:
                titles = (f"{f.name}.probability.{name}" for name in f.class_names)
                columns |= dict(zip(titles, shares.T, strict=True))
        return pl.DataFrame(columns, strict=False)

    def predict_arrays(self, rows: Rows, batch_size: int = BATCH_SIZE) -> dict[str, PredictionArrays]:
        """The modes of the predictions as arrays, rows first.

        Raises:
            SpecError: `bad-value` for a run without outputs.
        """
        self._check_outputs()
        return self._predict_encoded(self.reader.encode(rows), batch_size)

    def _check_outputs(self) -> None:
        if not self.outputs:
            raise SpecError("bad-value", "this run has no output and predicts nothing: use deepglass generate or embed")

    def _predict_encoded(self, columns: Mapping[str, Column], batch_size: int) -> dict[str, PredictionArrays]:
        single = len(next(iter(columns.values()))) == 1
        if single:
            arrays = self._predict_row(columns)
        else:
            arrays = predict_dataset(self.objective, Dataset(columns, {}, self.device), batch_size, concurrent=True)
        return add_context(arrays, self.outputs, columns)

    def decode(self, arrays: Mapping[str, PredictionArrays]) -> dict[str, list[dict[str, Any]]]:
        """Values, confidences and intervals from arrays, calibrated."""
        return {f.name: f.decode(arrays[f.name], self.calibration.get(f.name)) for f in self.outputs}

    def dataset(self, table: Table) -> Dataset:
        """Encoded inputs and targets of labelled rows."""
        table, inputs, targets = self.reader.encode_labelled(table)
        return Dataset(inputs, targets, self.device, table.environment)

    def evaluate(self, table: Table, batch_size: int = BATCH_SIZE) -> dict[str, dict[str, float]]:
        """Metrics on labelled rows."""
        data = self.dataset(table)
        arrays = predict_dataset(self.objective, data, batch_size, concurrent=True)
        return {f.name: f.score(arrays[f.name], data.truth[f.name], self.calibration.get(f.name)) for f in self.outputs}

    def _predict_row(self, columns: Mapping[str, Column]) -> dict[str, PredictionArrays]:
        """Predict a single row without a `Dataset`, whose overhead would exceed the network's time."""
        with torch.inference_mode():
            inputs = {n: _field(c).to(self.device) for n, c in columns.items()}
            predictions = self.objective.predict(Batch(inputs, {}, torch.zeros(1, dtype=torch.int64)))
            return {n: concatenate_predictions([p.mode()]) for n, p in predictions.items()}


def _plain_column(raw: Raw) -> Any:
    """A raw column for a table: files by their names."""
    return [getattr(item, "name", None) for item in raw] if isinstance(raw, list) else raw


def _field(column: Column) -> Field:
    if column.offsets is not None:
        present = len(column.values) > 0
        values = column.values if present else np.zeros((1, *column.values.shape[1:]), column.values.dtype)
        rows = torch.from_numpy(column.mask)
        return Field(torch.from_numpy(values)[None], torch.full((1, len(values)), present), rows)
    return Field(torch.from_numpy(np.require(column.values, requirements=["C", "W"])), torch.from_numpy(column.mask))


# -- verification -----------------------------------------------------------------------------------------------------


def verify(predictor: Predictor, a: Any, b: Any) -> Verdict:
    """Compare two items by an identity output: same identity or not.

    Args:
        a, b: the path of a file, where the run has one image or audio input; a row as a dict or as JSON text; a value
            of the only input, such as an open image; or a source of one row.

    Raises:
        SpecError: `bad-value` for a run without an identity output.
        SourceError: `not-found`, `unreadable-image`, `bad-value` for a source of several rows.
    """
    feature = next((f for f in predictor.outputs if isinstance(f, IdentityOutput)), None)
    if feature is None:
        outputs = " and ".join(f"{f.name!r} ({f.kind})" for f in predictor.outputs) or "nothing"
        name = predictor.outputs[0].name if predictor.outputs else "NAME"
        raise SpecError(
            "bad-value",
            f"verify: the run predicts {outputs}; expected an identity output, train with --kind {name}=identity",
        )
    rows = [_row(predictor, value, argument) for value, argument in ((a, "A"), (b, "B"))]
    return feature.compare(predictor.predict_arrays(rows)[feature.name], predictor.calibration.get(feature.name))


def _row(predictor: Predictor, value: Any, argument: str) -> Mapping[str, Any]:
    """A user's item as a row of the run's inputs."""
    if isinstance(value, Mapping):
        return value
    if isinstance(value, str) and value.lstrip().startswith("{"):
        try:
            return parse_json(value, "the argument")
        except SourceError as error:
            raise SpecError("bad-value", f"verify: {argument}: expected a row as JSON ({error})") from error
    only_input = predictor.inputs[0] if len(predictor.inputs) == 1 else None
    if not isinstance(value, str | Path):
        if only_input is None:
            names = ", ".join(f.name for f in predictor.inputs)
            raise SpecError("bad-value", f"verify: {argument}: the run reads {names}; give a row as {{name: value}}")
        return {only_input.column: value}
    if only_input is not None and only_input.file_based and not Path(value).is_dir():
        if not Path(value).is_file():
            raise SourceError("not-found", f"verify: {argument}: {value}: there is no such file")
        return {only_input.column: str(value)}
    if only_input is not None and isinstance(only_input, Text) and not Path(value).exists():
        return {only_input.column: str(value)}
    table = read_like(predictor.reader.data, value, file_columns(predictor.inputs))
    if len(table) != 1:
        raise SourceError("bad-value", f"verify: {argument}: {value}: expected one row, got {len(table)}")
    row = {name: sequence_of(table[name])[0] for name in table.names}
    return {n: _path_or_bytes(v) if isinstance(v, Media) else v for n, v in row.items()}


def _path_or_bytes(media: Media) -> str | bytes:
    return str(media.path) if media.member is None else media.read()
