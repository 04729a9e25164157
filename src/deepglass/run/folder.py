"""The run folder: the files of a run, whose format other programs rely on."""

from __future__ import annotations

import io
import json
import platform
from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import yaml

from deepglass.documents import read_json
from deepglass.errors import SourceError, SpecError, near_miss
from deepglass.features.base import from_state
from deepglass.features.outputs.base import Calibration, PredictionArrays, output_from_state
from deepglass.files import storage_error, write_file
from deepglass.objectives.base import Objective
from deepglass.prepare.columns import ColumnRole
from deepglass.prepare.experiment import Experiment
from deepglass.prepare.prepared_data import PreparedData
from deepglass.run.write_predictions import prediction_table
from deepglass.spec.spec import Spec
from deepglass.training.callbacks import read_history
from deepglass.training.checkpoint import Checkpoints, load_weights, save_weights
from deepglass.training.plan import Plan

FORMAT = 1
LABELS = "labels.csv"
MAX_SKIPPED = 1000  # names of rows or files left out that are stored
PACKAGES = ("deepglass", "torch", "numpy", "polars", "scikit-learn")


class RunState(NamedTuple):
    """What features.json and spec.yaml of a run folder hold.

    Args:
        source: "name", "rows", "fingerprint", "notes" and "skipped" of the source at training time.
    """

    experiment: Experiment
    column_roles: tuple[ColumnRole, ...]
    calibration: Mapping[str, Calibration]
    source: Mapping[str, Any]


class Folder:
    """Reads and writes a run folder.

    Args:
        path: the folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.checkpoints = Checkpoints(path / "checkpoint")

    # -- making ------------------------------------------------------------------------------------------------

    @staticmethod
    def make(path: Path, force: bool = False) -> Folder:
        """A new, empty run folder.

        Raises:
            SpecError: `already-exists`, unless forced.
            StorageError: `read-only` or `disk-full`.
        """
        if Folder.occupied(path, force):
            for file in sorted(path.rglob("*"), reverse=True):
                file.rmdir() if file.is_dir() and not file.is_symlink() else file.unlink()
        try:
            path.mkdir(parents=True, exist_ok=True)
            (path / "log.txt").touch()
        except OSError as error:
            raise storage_error(path, error) from error
        return Folder(path)

    @staticmethod
    def occupied(path: Path, force: bool = False) -> bool:
        """Whether an earlier run is there, which may be overwritten.

        Raises:
            SpecError: `already-exists`, for a run unless forced, and for anything else.
        """
        if not path.exists() or (path.is_dir() and all(p.name == "log.txt" for p in path.iterdir())):
            return False
        if not (path / "spec.yaml").exists():
            raise SpecError(
                "already-exists",
                f"--out: {path} exists and is not a run folder, so it is not overwritten; choose another folder",
            )
        if not force:
            raise SpecError("already-exists", f"--out: {path} exists; choose another folder or add --force")
        return True

    @staticmethod
    def next_free(name: str, parent: Path = Path("runs")) -> Path:
        """`runs/NAME-N` with the first N that is free."""
        n = 1
        while (parent / f"{name}-{n}").exists():
            n += 1
        return parent / f"{name}-{n}"

    @staticmethod
    def open(path: Path) -> Folder:
        """An existing run.

        Raises:
            SourceError: `not-found`, with the near miss among its neighbours.
        """
        if not (path / "spec.yaml").exists():
            run_paths = [str(p.parent) for p in path.parent.glob("*/spec.yaml")] if path.parent.is_dir() else []
            why = "is not a run folder" if path.exists() else "does not exist"
            raise SourceError("not-found", f"RUN: {path} {why}{near_miss(str(path), run_paths)}")
        return Folder(path)

    # -- writing -----------------------------------------------------------------------------------------------

    def begin(self, experiment: Experiment, data: PreparedData, plan: Plan) -> None:
        """Write the files that a resumed run needs, before the first step."""
        self.store_spec(experiment.spec)
        self._write_features(experiment, data, {})
        rows = pl.DataFrame({"row": data.source_rows, "split": list(data.split), "hidden": data.hidden})
        self._write_frame("split.parquet", rows)
        self.store_plan(plan)

    def store_spec(self, spec: Spec) -> None:
        write_file(self.path / "spec.yaml", self.spec_text(spec))

    @staticmethod
    def spec_text(spec: Spec) -> str:
        """The content of spec.yaml."""
        header = f"# deepglass {_version('deepglass')}; keys that are not here have their defaults\n"
        return header + yaml.safe_dump(spec.anchored().to_dict(), sort_keys=False, allow_unicode=True)

    def store_plan(self, plan: Plan) -> None:
        self._write_json("plan.json", plan.to_json())

    def finish(
        self,
        experiment: Experiment,
        data: PreparedData,
        objective: Objective,
        calibration: Mapping[str, Calibration],
        metrics: Mapping[str, Any],
        test_predictions: Mapping[str, PredictionArrays] | None,
    ) -> None:
        """Write the files of a finished run; metrics.json is written last and marks it as finished."""
        save_weights(self.path / "model.safetensors", objective.state_dict())
        self._write_features(experiment, data, calibration)
        if test_predictions is not None:
            self.store_predictions(prediction_table(data, test_predictions, calibration))
        self.store_metrics(metrics)

    def store_labels(self, content: bytes) -> None:
        """Copy the labels file that the run is trained with, since the user's file may change."""
        write_file(self.path / LABELS, content)

    def store_predictions(self, frame: pl.DataFrame) -> None:
        self._write_frame("predictions.parquet", frame)

    def store_metrics(self, metrics: Mapping[str, Any]) -> None:
        self._write_json("metrics.json", metrics)

    # -- reading -----------------------------------------------------------------------------------------------

    @property
    def finished(self) -> bool:
        return (self.path / "metrics.json").exists()

    def folds(self) -> list[Path]:
        """The runs of a cross-validation, in order; empty for a single run."""
        return sorted(self.path.glob("fold-*"), key=lambda p: int(p.name.rpartition("-")[2]))

    def spec(self) -> Spec:
        return Spec.read(self.path / "spec.yaml")

    def with_labels(self, spec: Spec) -> Spec:
        """A spec that reads the run's copy of the labels file."""
        if not (self.path / LABELS).exists():
            return spec
        return replace(spec, data=replace(spec.data, label_corrections=str(self.path / LABELS)))

    def plan(self) -> Plan:
        return Plan.from_json(self.read_json("plan.json"))

    def metrics(self) -> dict[str, Any]:
        return self.read_json("metrics.json")

    def history(self) -> list[dict[str, Any]]:
        return read_history(self.path / "history.jsonl")

    def state(self, spec: Spec | None = None) -> RunState:
        """Experiment, column roles and calibration of the run; reads features.json and spec.yaml.

        Args:
            spec: of spec.yaml, if it was read already.
        """
        content = self.read_json("features.json")
        inputs = tuple(from_state(s) for s in content["inputs"])
        outputs = tuple(output_from_state(s) for s in content["outputs"])
        return RunState(
            Experiment.from_state(spec or self.spec(), inputs, outputs, content["experiment"]),
            tuple(ColumnRole(**c) for c in content["columns"]),
            content["calibration"],
            content["source"],
        )

    def split(self) -> pl.DataFrame:
        if not (self.path / "split.parquet").exists():
            raise self._absent("split.parquet")
        return pl.read_parquet(self.path / "split.parquet")

    def weights(self) -> dict[str, Any]:
        """The final weights; while the run trains, the best of the newest checkpoint, or those of its last step.

        Raises:
            SourceError: `not-found` without weights, `unreadable-file`.
        """
        path = self.path / "model.safetensors"
        if not self.finished and not path.exists() and (state := self.checkpoints.load()) is not None:
            best = {n.removeprefix("best."): t for n, t in state.tensors.items() if n.startswith("best.")}
            last = {n.removeprefix("objective."): t for n, t in state.tensors.items() if n.startswith("objective.")}
            return best or last
        return load_weights(path)

    def read_json(self, name: str) -> dict[str, Any]:
        path = self.path / name
        try:
            return read_json(path)
        except SourceError as error:
            if error.code == "not-found":
                raise self._absent(name) from None
            raise

    def _absent(self, name: str) -> SourceError:
        hint = "; the run did not finish: `deepglass resume` goes on" if name == "metrics.json" else ""
        if folds := self.folds():
            hint = f"; this is a run a fold, give one of them, such as {folds[0]}"
        return SourceError("not-found", f"{self.path / name}: no such file{hint}")

    @staticmethod
    def versions() -> dict[str, str]:
        return {"python": platform.python_version(), **{p: _version(p) for p in PACKAGES}}

    def _write_features(
        self, experiment: Experiment, data: PreparedData, calibration: Mapping[str, Calibration]
    ) -> None:
        content = {
            "format": FORMAT,
            "source": {
                "name": data.table.name,
                "rows": len(data.table),
                "fingerprint": data.fingerprint,
                "notes": [list(n) for n in data.table.notes],
                "skipped": [list(s) for s in data.table.skipped[:MAX_SKIPPED]],
            },
            "columns": [c._asdict() for c in data.column_roles],
            "experiment": experiment.state(),
            "inputs": [f.state() for f in experiment.inputs],
            "outputs": [f.state() for f in experiment.outputs],
            "calibration": dict(calibration),
        }
        self._write_json("features.json", content)

    def _write_json(self, name: str, content: Mapping[str, Any]) -> None:
        write_file(self.path / name, json.dumps(content, indent=1, ensure_ascii=False, default=_plain) + "\n")

    def _write_frame(self, name: str, frame: pl.DataFrame) -> None:
        content = io.BytesIO()
        frame.write_parquet(content)
        write_file(self.path / name, content.getvalue())


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, tuple):
        return list(value)
    raise TypeError(f"{type(value).__name__} is not plain JSON")
