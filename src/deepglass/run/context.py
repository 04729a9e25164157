"""The run context: what recorders, checks, explanations and reports take; each file is read at most once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from deepglass.data.table import Skipped
from deepglass.device import pick
from deepglass.errors import SourceError
from deepglass.features.outputs.base import Calibration
from deepglass.objectives.base import Objective
from deepglass.prepare.experiment import Experiment
from deepglass.prepare.label_corrections import correct_labels, load_corrections
from deepglass.prepare.prepared_data import PreparedData, hide_targets
from deepglass.prepare.sources import fingerprint_of, read_source
from deepglass.run.build import load_objective
from deepglass.run.folder import Folder
from deepglass.run.storage.manifest import damaged
from deepglass.run.storage.stored_files import RunState
from deepglass.spec.spec import Source, Spec
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
        raise SourceError("not-found", f"{folder.path}: was trained on a Python object; give it again as source=")


def load_data(folder: Folder, state: RunState, source: Source = None) -> PreparedData:
    """The data of a stored run, read from its source again.

    Args:
        source: the data, for a run that was trained on a Python object.

    Raises:
        SourceError: `mismatched-files` when the source has changed since; `not-found` for a Python object.
    """
    spec = state.experiment.spec
    if source is not None:
        spec = replace(spec, data=replace(spec.data, source=source))
    check_readable(folder, spec)
    spec = folder.with_labels(spec)
    table = read_source(spec)
    fingerprint = fingerprint_of(table)
    if fingerprint != state.source["fingerprint"]:
        raise SourceError("mismatched-files", f"{spec.data.source}: differs from the source of the run {folder.path}")
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
    )
