"""The run folder: the files of a run, whose format other programs rely on."""

from __future__ import annotations

import io
import json
import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import yaml

from deepglass.data.trained_rows import (
    ANCESTOR_COLUMNS,
    ANCESTORS,
    TrainedRows,
    ancestor_table,
    read_ancestors,
)
from deepglass.data.transforms.base import TableTransform
from deepglass.errors import SourceError, SpecError, StorageError, near_miss
from deepglass.features.outputs.base import Calibration, PredictionArrays
from deepglass.files import STORAGE_ERRORS, remove_partial_files, storage_error, write_file
from deepglass.objectives.base import Objective
from deepglass.prepare.experiment import Experiment
from deepglass.prepare.prepared_data import PreparedData
from deepglass.run.storage.code import offer_code
from deepglass.run.storage.contents import delete_contents, has_not_begun, is_occupied
from deepglass.run.storage.lock import lock_folder
from deepglass.run.storage.manifest import (
    MANIFEST,
    REWRITTEN,
    damaged,
    damaged_values,
    resume_command,
    write_manifest,
)
from deepglass.run.storage.packed import SUFFIX, open_packed
from deepglass.run.storage.stages import TRAINING, Stages
from deepglass.run.storage.stored_files import RunState, StoredFiles, StoredMetrics, read_state
from deepglass.run.write_predictions import prediction_table
from deepglass.spec.spec import Spec
from deepglass.training.callbacks import EvaluationRecord, read_records
from deepglass.training.checkpoint import Checkpoints, load_weights, save_weights
from deepglass.training.plan import Plan

FORMAT = 1
LABELS = "labels.csv"
MAX_INDENTED = 500  # inputs of a features.json with a line for each value
MAX_SKIPPED = 1000  # names of rows or files left out that are stored
PACKAGES = ("deepglass", "torch", "numpy", "polars", "scikit-learn")


class Folder:
    """Reads and writes a run folder.

    Args:
        path: the folder.
        packed: the zip file that was unpacked into it.
    """

    def __init__(self, path: Path, packed: Path | None = None) -> None:
        self.path, self.packed = path, packed
        self.checkpoints = Checkpoints(path / "checkpoint")
        self.files = StoredFiles(path)
        self.stages = Stages(path)

    # -- making ------------------------------------------------------------------------------------------------

    @staticmethod
    @contextmanager
    def create(path: Path, force: bool = False) -> Iterator[Folder]:
        """A new, empty run folder, which no other process writes into inside the block.

        Raises:
            SpecError: `already-exists`, unless forced.
            UserError: `run-in-use`.
            StorageError: `read-only` or `disk-full`.
        """
        is_occupied(path, force)
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise storage_error(path, error) from error
        with lock_folder(path):
            is_occupied(path, force)  # again, as another process may have written a run before the lock
            try:
                delete_contents(path)
                (path / "log.txt").touch()
            except OSError as error:
                raise storage_error(path, error) from error
            folder = Folder(path)
            with folder._advising_to_resume():
                yield folder

    @contextmanager
    def write(self) -> Iterator[None]:
        """Write into an existing run: no other process does so inside the block; left-over partial files are removed.

        Raises:
            UserError: `run-in-use`.
            SpecError: `bad-value` for a zip file.
        """
        if self.packed is not None:
            text = "is packed, without the checkpoints that training goes on from; use the run folder"
            raise SpecError("bad-value", f"{self.packed} {text}")
        with lock_folder(self.path):
            remove_partial_files(self.path)
            with self._advising_to_resume():
                yield

    @contextmanager
    def _advising_to_resume(self) -> Iterator[None]:
        """Add to what ends a run from outside (a signal, a full disk) that it can be resumed."""
        try:
            yield
        except BaseException as error:
            is_full = isinstance(error, StorageError) or getattr(error, "errno", None) in STORAGE_ERRORS
            from_outside = is_full or not isinstance(error, Exception)
            if from_outside and (self.path / "spec.yaml").exists():
                error.add_note(f"{resume_command(self.path)} goes on")
            raise

    @staticmethod
    def claim(name: str, parent: Path = Path("runs")) -> Path:
        """Make the folder `runs/NAME-N` with the first N that is free.

        Raises:
            StorageError: `read-only` or `disk-full`.
        """
        n = 1
        while True:
            path = parent / f"{name}-{n}"
            try:
                parent.mkdir(parents=True, exist_ok=True)
                path.mkdir()
                return path
            except FileExistsError:
                n += 1
            except OSError as error:
                raise storage_error(path, error) from error

    @staticmethod
    def open(path: Path) -> Folder:
        """An existing run: its folder, or its zip file as `pack` makes it.

        Raises:
            SourceError: `not-found`, with the near miss among its neighbours; for a zip file as `open_packed`.
        """
        packed = path if path.suffix == SUFFIX and path.is_file() else None
        path = path if packed is None else open_packed(packed)
        if not (path / "spec.yaml").exists():
            run_paths = [str(p.parent) for p in path.parent.glob("*/spec.yaml")] if path.parent.is_dir() else []
            if (path / "log.txt").exists() and has_not_begun(path):
                raise SourceError("not-found", f"RUN: {path} stopped before its first step: train it again")
            why = "is not a run folder" if path.exists() else "does not exist"
            raise SourceError("not-found", f"RUN: {path} {why}{near_miss(str(path), run_paths)}")
        folder = Folder(path, packed)
        offer_code(folder.files, folder.name)
        return folder

    @property
    def name(self) -> str:
        """The path of the folder, or of its zip file, for messages."""
        return str(self.packed or self.path)

    # -- writing -----------------------------------------------------------------------------------------------

    def begin(self, experiment: Experiment, data: PreparedData) -> None:
        """Write the files that a resumed run needs, before the first step; without plan.json it starts again."""
        self._write_features(experiment, data, {}, {})
        rows = pl.DataFrame({"row": data.source_rows, "split": list(data.split), "hidden": data.hidden})
        own, ancestors = data.lineage[:1], data.lineage[1:]
        self._write_frame("split.parquet", rows.with_columns(pl.Series("hash", own[0].hashes) for _ in own))
        if ancestors:
            self._write_frame(ANCESTORS, ancestor_table(ancestors))
        for i, transform in enumerate(experiment.transforms):
            if (frame := transform.frame()) is not None:
                self._write_frame(_transform_file(i), frame)
        self.stages.add("read")

    def store_spec(self, spec: Spec) -> None:
        write_file(self.path / "spec.yaml", self.spec_text(spec))

    @staticmethod
    def spec_text(spec: Spec, anchored: bool = True) -> str:
        """The content of spec.yaml.

        Args:
            anchored: with absolute paths.
        """
        header = f"# deepglass {_version('deepglass')}; keys that are not here have their defaults\n"
        content = (spec.anchored() if anchored else spec).to_dict()
        return header + yaml.safe_dump(content, sort_keys=False, allow_unicode=True)

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
        missing: Mapping[str, float],
    ) -> None:
        """Write the files of a finished run; manifest.json is written last and marks it as finished.

        Args:
            missing: input -> share of its values that are missing.
        """
        save_weights(self.path / "model.safetensors", objective.state_dict())
        self._write_features(experiment, data, calibration, missing)
        if test_predictions is not None:
            self.store_predictions(prediction_table(data, test_predictions, calibration))
        self.store_summary(metrics)

    def store_summary(self, metrics: Mapping[str, Any]) -> None:
        """Write metrics.json, and the manifest of all files."""
        self._write_json("metrics.json", metrics)
        write_manifest(self.path)

    def reopen(self, experiment: Experiment, data: PreparedData) -> None:
        """Make a finished run an unfinished one, which goes on from its checkpoint."""
        self.stages.restart()
        for name in (MANIFEST, *sorted(REWRITTEN)):
            (self.path / name).unlink(missing_ok=True)
        self._write_features(experiment, data, {}, {})

    def store_labels(self, content: bytes) -> None:
        """Copy the labels file that the run is trained with, since the user's file may change."""
        write_file(self.path / LABELS, content)

    def store_predictions(self, frame: pl.DataFrame) -> None:
        self._write_frame("predictions.parquet", frame)

    def store_metrics(self, metrics: Mapping[str, Any]) -> None:
        """Write metrics.json and the manifest, without which a run killed in between counts as unfinished."""
        with self.rewriting("metrics.json"):
            self._write_json("metrics.json", metrics)

    @contextmanager
    def rewriting(self, name: str) -> Iterator[None]:
        """A block in which one file of a finished run is written again; its manifest is written last."""
        digests = self.files.digests()
        (self.path / MANIFEST).unlink(missing_ok=True)
        yield
        write_manifest(self.path, digests, [name])

    # -- reading -----------------------------------------------------------------------------------------------

    @property
    def is_planned(self) -> bool:
        """Whether the run has a plan, along which it can go on; without one it starts again."""
        return (self.path / "plan.json").exists() or self.finished

    @property
    def finished(self) -> bool:
        """Whether the run has metrics and a manifest; of a training that was interrupted, too."""
        return (self.path / MANIFEST).exists()

    def unfinished(self) -> str | None:
        """What to tell about a run whose training has not come to its end; None for one that has."""
        try:
            is_trained = self.finished and "trained" not in self.stages.missing()
        except SourceError:  # no prediction depends on the list of stages
            is_trained = self.finished
        return None if is_trained else self.files.unfinished()

    def is_trained(self) -> bool:
        """Whether training, calibration and test are done, and none of their files is damaged."""
        if not self.finished or set(TRAINING) & set(self.stages.missing()):
            return False
        try:
            for name in REWRITTEN:
                if self.files.has(name):
                    self.files.checked(name)
        except SourceError:  # they are written again from the checkpoint
            return False
        return True

    def is_complete(self) -> bool:
        """Whether there is nothing to resume."""
        return self.is_trained() and not self.stages.missing()

    def folds(self) -> list[Path]:
        """The runs of a cross-validation, in order; empty for a single run."""
        return self.files.folds()

    def spec(self) -> Spec:
        return Spec.read(self.files.checked("spec.yaml"))

    def with_labels(self, spec: Spec) -> Spec:
        """A spec that reads the run's copy of the labels file."""
        if not self.files.has(LABELS):
            return spec
        return replace(spec, data=replace(spec.data, label_corrections=str(self.files.checked(LABELS))))

    def plan(self) -> Plan:
        return self.files.read_json("plan.json", Plan)

    def metrics(self) -> dict[str, Any]:
        metrics: Any = self.files.read_json("metrics.json", StoredMetrics, finite=False)  # a metric may be undefined
        return metrics  # type: ignore[no-any-return]

    def history(self) -> list[dict[str, Any]]:
        return self.records("history.jsonl", EvaluationRecord)

    def records(self, name: str, kind: type) -> list[dict[str, Any]]:
        """What a run recorded in a jsonl file, a record an evaluation; [] without it.

        Args:
            kind: NamedTuple or dataclass with the fields of a record.

        Raises:
            SourceError: `damaged-run`, `unreadable-file`.
        """
        return [record for path in self.files.recorded(name) for record in read_records(path, kind)]

    def state(self, spec: Spec | None = None) -> RunState:
        """Experiment, column roles and calibration of the run; reads features.json and spec.yaml.

        Args:
            spec: of spec.yaml, if it was read already.
        """
        content = self.files.read_json("features.json", dict[str, Any], finite=False)
        state = read_state(self.path / "features.json", content, spec or self.spec())
        transforms = tuple(self._with_rows(t, _transform_file(i)) for i, t in enumerate(state.experiment.transforms))
        return state._replace(experiment=replace(state.experiment, transforms=transforms))

    def _with_rows(self, transform: TableTransform, name: str) -> TableTransform:
        """A table transform with the rows that a file of the run holds for it, if there is one."""
        if not self.files.has(name):
            return transform
        with damaged_values(self.path / name):
            return transform.with_frame(self.files.read_frame(name, {}))

    def split(self) -> pl.DataFrame:
        """Index of each row in the source, its split, whether its label is hidden, and the hash of its content."""
        types = {"row": pl.Int64(), "split": pl.String(), "hidden": pl.Boolean()}
        return self.files.read_frame("split.parquet", types)

    def lineage(self, state: RunState, rows: pl.DataFrame | None = None) -> tuple[TrainedRows, ...]:
        """The rows of this run, then of the runs it starts from; empty where rows are not recognised by content.

        Args:
            rows: of `split`, where it was read already.
        """
        if not (columns := tuple(state.source["hashed_columns"])):
            return ()
        rows = self.split() if rows is None else rows
        if rows.schema.get("hash") != pl.UInt64:
            raise damaged(self.path / "split.parquet", "no column 'hash' of whole numbers")
        own = TrainedRows(self.path.name, columns, rows["hash"].to_numpy(), rows["split"].to_numpy().astype("U5"))
        if not self.files.has(ANCESTORS):
            return (own,)
        return own, *read_ancestors(self.files.read_frame(ANCESTORS, ANCESTOR_COLUMNS))

    def predictions(self) -> pl.DataFrame | None:
        """The predictions for the test rows; None while the run trains, or without test rows."""
        return (
            self.files.read_frame("predictions.parquet", {"row": pl.Int64()})
            if self.files.has("predictions.parquet")
            else None
        )

    def weights(self) -> dict[str, Any]:
        """The final weights; while the run trains, the best of the newest checkpoint, or those of its last step.

        Raises:
            SourceError: `not-found` without weights, `damaged-run`.
        """
        if not self.finished and (state := self.checkpoints.load()) is not None:
            best = {n.removeprefix("best."): t for n, t in state.tensors.items() if n.startswith("best.")}
            last = {n.removeprefix("objective."): t for n, t in state.tensors.items() if n.startswith("objective.")}
            return best or last
        return load_weights(self.files.checked("model.safetensors"))

    @staticmethod
    def versions() -> dict[str, str]:
        return {"python": platform.python_version(), **{p: _version(p) for p in PACKAGES}}

    def _write_features(
        self,
        experiment: Experiment,
        data: PreparedData,
        calibration: Mapping[str, Calibration],
        missing: Mapping[str, float],
    ) -> None:
        content = {
            "format": FORMAT,
            "source": {
                "name": data.table.name,
                "rows": len(data.table),
                "fingerprint": data.fingerprint,
                "notes": [list(n) for n in data.table.notes],
                "warnings": list(data.notes),
                "skipped": [list(s) for s in data.table.skipped[:MAX_SKIPPED]],
                "hashed_columns": data.lineage[0].columns if data.lineage else (),
            },
            "columns": [c._asdict() for c in data.column_roles],
            "experiment": experiment.state(),
            "inputs": [f.state() for f in experiment.inputs],
            "outputs": [f.state() for f in experiment.outputs],
            "calibration": dict(calibration),
            "missing": dict(missing),
        }
        wide = len(experiment.inputs) > MAX_INDENTED  # Python indents ten times more slowly than it writes one line
        self._write_json("features.json", content, indent=None if wide else 1)

    def _write_json(self, name: str, content: Mapping[str, Any], indent: int | None = 1) -> None:
        write_file(self.path / name, json.dumps(content, indent=indent, ensure_ascii=False, default=_plain) + "\n")

    def _write_frame(self, name: str, frame: pl.DataFrame) -> None:
        content = io.BytesIO()
        frame.write_parquet(content)
        write_file(self.path / name, content.getvalue())


def _transform_file(index: int) -> str:
    return f"transform-{index}.parquet"


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
