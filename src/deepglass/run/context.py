"""The run context: what recorders, checks, explanations and reports take; each file is read at most once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from deepglass.data.table import Skipped, Table
from deepglass.device import pick
from deepglass.errors import SourceError
from deepglass.features.outputs.base import Calibration
from deepglass.objectives.base import Objective
from deepglass.prepare.experiment import Experiment
from deepglass.prepare.label_corrections import correct_labels, load_corrections
from deepglass.prepare.prepared_data import PreparedData, hide_targets, missing_targets
from deepglass.prepare.sample_weights import sample_weights
from deepglass.prepare.sources import fingerprint_of, read_source
from deepglass.run.build import load_objective
from deepglass.run.folder import Folder
from deepglass.run.storage.manifest import damaged
from deepglass.run.storage.stored_files import RunState
from deepglass.spec.data_spec import Source
from deepglass.spec.spec import Spec
from deepglass.training.plan import Plan


@dataclass(frozen=True)
class RunContext:
    """A run during or after training: folder, experiment, data, objective, calibration, device.

    Properties read the run folder at first use and keep the value; open a new context to see later values. Files that
    a run writes at its end may be absent while it trains: `metrics` is then {} and `predictions` None.

    Args:
        calibration: output name -> calibration on the validation rows; {} while the run trains.
        device: of the objective, such as "cpu".

    Example:
        >>> context = RunContext.open("runs/iris-1")  # doctest: +SKIP
        >>> context.experiment.trunk  # doctest: +SKIP
    """

    folder: Folder
    experiment: Experiment
    data: PreparedData
    objective: Objective
    calibration: Mapping[str, Calibration]
    device: str

    @staticmethod
    def open(run: str | Path, source: Source = None, device: str = "auto") -> RunContext:
        """The context of a run folder, also while the run still trains.

        Args:
            run: the run folder.
            source: the data, for a run that was trained on a Python object.

        Raises:
            SourceError: `not-found` without a run or weights; `mismatched-files` when the source has changed.
        """
        folder = Folder.open(Path(run))
        state = folder.state()
        data = load_data(folder, state, source)
        objective = load_objective(folder, state.experiment, device)
        return RunContext(folder, state.experiment, data, objective, state.calibration, str(pick(device)))

    @staticmethod
    def of(
        folder: Folder,
        experiment: Experiment,
        data: PreparedData,
        objective: Objective,
        calibration: Mapping[str, Calibration],
        plan: Plan,
        metrics: Mapping[str, Any] | None = None,
    ) -> RunContext:
        """The context of a run in this process, whose plan and metrics are not read from files."""
        context = RunContext(folder, experiment, data, objective, calibration, plan.device)
        context.__dict__["plan"] = plan  # fills the cached properties
        if metrics is not None:
            context.__dict__["metrics"] = metrics
        return context

    def with_metrics(self, metrics: Mapping[str, Any]) -> RunContext:
        """A copy with other metrics, such as those with baselines."""
        context = RunContext(self.folder, self.experiment, self.data, self.objective, self.calibration, self.device)
        context.__dict__.update({**self.__dict__, "metrics": metrics})
        return context

    @property
    def path(self) -> Path:
        """The run folder."""
        return self.folder.path

    @cached_property
    def plan(self) -> Plan:
        """The training plan."""
        return self.folder.plan()

    @cached_property
    def metrics(self) -> Mapping[str, Any]:
        """metrics.json; {} while the run trains."""
        return self.folder.metrics() if self.folder.finished else {}

    @cached_property
    def history(self) -> list[dict[str, Any]]:
        """history.jsonl, one dict an evaluation."""
        return self.folder.history()

    @cached_property
    def predictions(self) -> pl.DataFrame | None:
        """The table of test predictions; None while the run trains, or without test rows."""
        return self.folder.predictions()

    @property
    def spec_text(self) -> str:
        """The resolved spec as spec.yaml has it."""
        return Folder.spec_text(self.experiment.spec)


def check_readable(folder: Folder, spec: Spec) -> None:
    """Raise `not-found` for a run that was trained on a Python object, which must be given again."""
    if any(isinstance(s, str) and s.startswith("<") for s in (spec.data.source, spec.data.test)):
        text = "was trained on a Python object; give it again as source= (--source FILE on the command line)"
        raise SourceError("not-found", f"{folder.name}: {text}")


def read_data(folder: Folder, spec: Spec, fingerprint: str | None = None) -> Table:
    """The rows of a stored run, read from its source again.

    Args:
        spec: of the run, with another source where its data have moved.
        fingerprint: that the rows must have; None for any.

    Raises:
        SourceError: `mismatched-files` when the source has changed since; `not-found` where it has moved, or was a
            Python object.
    """
    check_readable(folder, spec)
    try:
        table = read_source(spec)
    except SourceError as error:
        if error.code != "not-found":
            raise
        if folder.packed is not None:
            text = f"{folder.packed} holds no data"
        else:
            text = f"{error.message}; if the data of {folder.name} have moved"
        raise SourceError("not-found", f"{text}; give them with --source FILE (source= in Python)") from error
    if fingerprint not in (None, fingerprint_of(table)):
        raise SourceError("mismatched-files", f"{spec.data.source}: differs from the source of the run {folder.name}")
    return table


def with_source(spec: Spec, source: Source) -> Spec:
    """The spec with other data; its further files, where they are not there, are searched beside these."""
    if source is None:
        return spec

    def moved(path: Source) -> Source:
        if not isinstance(path, str) or not isinstance(source, str | Path) or Path(path).exists():
            return path
        beside = Path(source).parent / Path(path).name
        return str(beside) if beside.exists() else path

    data, split = spec.data, replace(spec.data.split, file=moved(spec.data.split.file))
    data = replace(data, source=source, test=moved(data.test), unlabelled=moved(data.unlabelled), split=split)
    return replace(spec, data=data)


def load_data(folder: Folder, state: RunState, source: Source = None) -> PreparedData:
    """The data of a stored run, read from its source again.

    Args:
        source: the data, where they have moved or were a Python object.

    Raises:
        SourceError: as `read_data`.
    """
    spec = folder.with_labels(with_source(state.experiment.spec, source))
    fingerprint = state.source["fingerprint"]
    table = read_data(folder, spec, fingerprint)
    corrections = load_corrections(spec, table)
    rows = folder.split()
    source_rows, split = rows["row"].to_numpy(), rows["split"].to_numpy()
    if len(source_rows) and not 0 <= source_rows.min() <= source_rows.max() < len(table):
        raise damaged(folder.path / "split.parquet", f"rows that the data, which have {len(table):,}, do not have")
    hidden = rows["hidden"].to_numpy()
    outputs = state.experiment.outputs
    table = hide_targets(table.take(source_rows), outputs, hidden)
    if corrections:
        table = correct_labels(spec, table, source_rows, split, corrections)
    inputs = state.experiment.inputs
    skipped = tuple(Skipped(*s) for s in state.source["skipped"])
    table = state.experiment.derive(replace(table, skipped=skipped))
    weight = spec.data.sample_weight
    return PreparedData(
        table,
        source_rows,
        split,
        inputs,
        outputs,
        state.column_roles,
        state.source["warnings"],
        fingerprint,
        hidden,
        folder.lineage(state, rows),
        None if weight is None else sample_weights(table[weight], table.name, weight, ~missing_targets(table, outputs)),
    )
