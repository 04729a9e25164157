"""The files of a run, compared with its manifest before anything of them is parsed."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, NotRequired, TypeVar

import polars as pl
from pydantic import ConfigDict, Field
from typing_extensions import TypedDict

from deepglass.config import restore, restore_record
from deepglass.documents import read_json
from deepglass.errors import SourceError, SpecError
from deepglass.features.base import from_state
from deepglass.features.outputs.base import Calibration, Output, output_from_state
from deepglass.files import file_sha256
from deepglass.prepare.columns import ColumnRole
from deepglass.prepare.experiment import Experiment
from deepglass.run.storage.lock import lock_holder
from deepglass.run.storage.manifest import (
    MANIFEST,
    damaged,
    damaged_record,
    damaged_values,
    read_manifest,
    read_stored,
    resume_command,
)
from deepglass.spec.spec import Spec

T = TypeVar("T")
Metrics = dict[str, dict[str, float]]  # output or objective -> metric -> value
Count = Annotated[int, Field(ge=0)]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class RunState(NamedTuple):
    """What features.json and spec.yaml of a run folder hold.

    Args:
        source: "name", "rows", "fingerprint", "notes", "warnings", "skipped" and "hashed_columns" of the source at
            training time.
        missing: input -> share of its values that were missing in training; {} while the run trains.
    """

    experiment: Experiment
    column_roles: tuple[ColumnRole, ...]
    calibration: Mapping[str, Calibration]
    source: Mapping[str, Any]
    missing: Mapping[str, float]


class _Source(NamedTuple):
    """The source at training time, as features.json has it."""

    name: str
    rows: int
    fingerprint: str
    notes: tuple[tuple[str, str, str], ...]  # name, value and reason
    warnings: tuple[str, ...]
    skipped: tuple[tuple[str, str], ...]  # name and reason
    hashed_columns: tuple[str, ...] = ()  # whose content identifies a row


class StoredSeconds(TypedDict):
    """How long a run took."""

    train: Seconds
    total: Seconds


class FoldMetrics(TypedDict):
    """One fold of a cross-validation."""

    run: str
    test: Metrics
    seconds: StoredSeconds


class StoredMetrics(TypedDict):
    """The content of metrics.json; further keys are texts, numbers and lists of them.

    Args:
        train: "loss" -> parameter group -> mean loss at the last evaluation.
        baselines: output -> baseline -> metric -> value.
        alarms: sentences about perfect test metrics.
        constant_intervals: output -> why its intervals have one width.
        spread, folds: of a cross-validation: standard deviation over the folds, and what they measured.
        stop_signal: that ended the training.
    """

    __pydantic_config__ = ConfigDict(extra="allow", strict=True)  # type: ignore[misc]

    train: Metrics
    valid: NotRequired[Metrics]
    test: NotRequired[Metrics]
    baselines: dict[str, Metrics]
    alarms: NotRequired[list[str]]
    constant_intervals: NotRequired[dict[str, str]]
    spread: NotRequired[Metrics]
    folds: NotRequired[list[FoldMetrics]]
    seconds: StoredSeconds
    examples_per_second: float
    parameters: Count
    device: str
    precision: str
    seed: int
    weights_sha256: str
    stop_reason: str
    stop_signal: NotRequired[Literal["SIGINT", "SIGTERM", "SIGHUP"]]
    step: Count
    notes: list[str]
    sample_weight: NotRequired[str]
    diagnostics: NotRequired[list[str]]
    versions: dict[str, str]


def read_state(path: Path, content: Mapping[str, Any], spec: Spec) -> RunState:
    """The state in the content of features.json, checked against the fields of its classes.

    Args:
        path: of the file, for messages.

    Raises:
        SourceError: `damaged-run`.
        SpecError: `unknown-name` for a kind of a module that is not allowed.
    """
    with damaged_values(path):
        inputs = tuple(from_state(s, f"inputs[{i}]") for i, s in enumerate(content["inputs"]))
        outputs = tuple(output_from_state(s, f"outputs[{i}]") for i, s in enumerate(content["outputs"]))
        for name, features in (("inputs", inputs), ("outputs", outputs)):
            for i, feature in enumerate(features):
                feature.check_learned(f"{name}[{i}]")
        return RunState(
            Experiment.from_state(spec, inputs, outputs, content["experiment"]),
            tuple(restore(ColumnRole, c, f"columns[{i}]") for i, c in enumerate(content["columns"])),
            _calibrations(content["calibration"], outputs),
            restore(_Source, content["source"], "source")._asdict(),
            restore(dict[str, float], content["missing"], "missing"),
        )


def _calibrations(content: Any, outputs: Sequence[Output]) -> dict[str, Calibration]:
    by_output = restore(dict[str, dict[str, Any]], content, "calibration")
    named = {output.name: output for output in outputs}
    if unknown := by_output.keys() - named.keys():
        raise SpecError("bad-value", f"calibration: no output {min(unknown)!r} in this run")
    return {n: named[n].restore_calibration(values, f"calibration.{n}") for n, values in by_output.items()}


class StoredFiles:
    """Opens the files of a run folder. While a run trains it has no manifest, and they are not compared.

    Args:
        path: the run folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._manifest: tuple[Any, dict[str, str] | None] | None = None  # state of the file, and its digests
        self._checked: dict[str, Any] = {}  # name -> state of the file and digest, when it was compared

    def folds(self) -> list[Path]:
        """The runs of a cross-validation, in order; empty for a single run."""
        return sorted(self.path.glob("fold-*"), key=lambda p: int(p.name.rpartition("-")[2]))

    def read_json(self, name: str, kind: type[T], finite: bool = True) -> T:
        """The content of a JSON file of the run, checked; arguments as of `config.restore`.

        Raises:
            SourceError: `not-found`, `damaged-run`.
        """
        return read_stored(self.checked(name), kind, finite)

    def read_recorded(self, path: Path, kind: type[T]) -> T:
        """The content of a JSON file that the run recorded for its report, checked; its numbers may be infinite.

        Args:
            path: one of `recorded`.

        Raises:
            SourceError: `unreadable-file`.
        """
        where = f"{self.path.name}/{path.relative_to(self.path)}"  # not the whole path, since it stands in reports
        return restore_record(kind, read_json(path, where), where)

    def read_frame(self, name: str, types: Mapping[str, pl.DataType]) -> pl.DataFrame:
        """The content of a parquet file of the run, which has these columns without missing values.

        Raises:
            SourceError: `not-found`, `damaged-run`.
        """
        path = self.checked(name)
        try:
            frame = pl.read_parquet(path, glob=False)
            if missing := types.keys() - set(frame.columns):
                raise damaged(path, f"no column {min(missing)!r}")
            frame = frame.with_columns(pl.col(column).cast(dtype) for column, dtype in types.items())
        except (pl.exceptions.PolarsError, OSError) as error:
            raise damaged(path, str(error)) from error
        for column in types:
            if frame[column].null_count():
                raise damaged(path, f"column {column!r} has missing values")
        return frame

    def has(self, name: str) -> bool:
        """Whether the run has a file, by its manifest if there is one.

        Raises:
            SourceError: `damaged-run` for a file that the manifest should list.
        """
        digests, exists = self.digests(), (self.path / name).exists()
        if exists and digests is not None and name not in digests:
            raise damaged(self.path / name, f"{MANIFEST} does not list it")
        return exists if digests is None else name in digests

    def recorded(self, pattern: str) -> list[Path]:
        """The paths of what a run recorded for its report, in order of their names, compared as by `checked`.

        Args:
            pattern: of their names, such as `history.jsonl` or `embeddings/*.safetensors`.

        Raises:
            SourceError: `damaged-run`, also for one that is missing.
        """
        names = {str(path.relative_to(self.path)) for path in self.path.glob(pattern)}
        names.update(fnmatch.filter(self.digests() or (), pattern))
        for name in names:
            if reason := self.damage(name):
                raise damaged_record(self.path, name, reason)
        return [self.path / name for name in sorted(names)]

    def checked(self, name: str) -> Path:
        """The path of a file of the run, whose content is compared with the manifest at its first use.

        Raises:
            SourceError: `not-found`, `damaged-run`.
        """
        path, digests = self.path / name, self.digests()
        if not path.exists() and (digests is None or self.folds()):
            raise self._absent(name)
        if reason := self.damage(name):
            raise damaged(path, reason)
        return path

    def damage(self, name: str) -> str:
        """How a file differs from the manifest; empty where it does not, or while the run trains."""
        path, digests = self.path / name, self.digests()
        if digests is None:
            return ""
        if name not in digests:
            return f"{MANIFEST} does not list it"
        if not path.exists():
            return "it is missing"
        state = _file_state(path)
        if self._checked.get(name) != (state, digests[name]):
            if file_sha256(path) != digests[name]:
                return f"its sha256 is not that of {MANIFEST}"
            self._checked[name] = (state, digests[name])
        return ""

    def digests(self) -> dict[str, str] | None:
        """The manifest, read again when it has changed."""
        path = self.path / MANIFEST
        state = _file_state(path) if path.exists() else None
        if self._manifest is None or self._manifest[0] != state:
            self._manifest = (state, read_manifest(self.path))
        return self._manifest[1]

    def _absent(self, name: str) -> SourceError:
        if folds := self.folds():
            hint = f"this is a run a fold, give one of them, such as {folds[0]}"
        else:
            hint = self.unfinished()
        return SourceError("not-found", f"{self.path / name}: no such file; {hint}")

    def unfinished(self) -> str:
        """What to tell about a run that is not trained to its end."""
        if holder := lock_holder(self.path):
            return f"{self.path} is still training ({holder})"
        return f"{self.path} is not finished: {resume_command(self.path)} goes on"


def _file_state(path: Path) -> tuple[int, int, int]:
    """Inode, size and time of change, by which a changed file is noticed."""
    status = path.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns
