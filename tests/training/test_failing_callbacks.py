"""A callback that only displays or records never ends a training, and does not change it."""

from __future__ import annotations

import errno
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Command, made_up

import deepglass
from deepglass.cli.progress import ProgressBar
from deepglass.errors import StorageError
from deepglass.failures import CallbackWarning
from deepglass.run.callbacks.boundary_recorder import BoundaryRecorder
from deepglass.run.callbacks.diagnostics_recorder import DiagnosticsRecorder
from deepglass.run.callbacks.embedding_recorder import EmbeddingRecorder
from deepglass.run.callbacks.layer_diagnostics import Diagnostic
from deepglass.training.callbacks import Callback, EvaluationRecord

HOOKS = [name for name in vars(Callback) if name.startswith("on_")]


def trained(out: Path, *callbacks: Callback, source: Any = None, output: str = "price") -> deepglass.Run:
    settings: dict[str, Any] = {"training": {"threads": 1}, "network": {"width": 8}, "baselines": False, "steps": 6}
    source = made_up(60) if source is None else source
    return deepglass.train(source, output, out=out, callbacks=list(callbacks), **settings)


class Broken(ProgressBar):
    """Fails in each of its hooks."""

    def __init__(self, hooks: list[str]) -> None:
        super().__init__()
        self.hooks, self.failed, self.closed = hooks, 0, False

    def __getattribute__(self, name: str) -> Any:
        return super().__getattribute__("fail" if name.startswith("on_") and name in self.hooks else name)

    def fail(self, *arguments: object) -> None:
        self.failed += 1
        raise StopIteration

    def close(self) -> None:
        self.closed = True
        raise ValueError("closed twice")


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(trained(tmp_path_factory.mktemp("whole") / "run").metrics["weights_sha256"])


@pytest.fixture(scope="module")
def classes(tmp_path_factory: pytest.TempPathFactory) -> deepglass.Run:
    return trained(tmp_path_factory.mktemp("whole") / "run", output="place")


@pytest.mark.parametrize("hooks", [["on_data_ready"], ["on_evaluation_end"], ["on_train_end"], HOOKS], ids=len)
def test_a_display_that_fails_is_switched_off(weights: str, hooks: list[str], tmp_path: Path) -> None:
    display = Broken(hooks)
    with pytest.warns(CallbackWarning, match="Broken failed in .* and is switched off; training goes on") as warned:
        run = trained(tmp_path / "run", display)
    assert display.failed == len(warned) == 1
    assert display.closed
    traceback = str(warned[0].message).rpartition(" ")[2]
    assert "StopIteration" in Path(traceback).read_text()
    assert run.metrics["weights_sha256"] == weights


def test_other_callbacks_end_the_training(tmp_path: Path) -> None:
    class Failing(Callback):
        def on_evaluation_end(self, record: EvaluationRecord) -> None:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        trained(tmp_path / "run", Failing())


RECORDERS = [EmbeddingRecorder, DiagnosticsRecorder, BoundaryRecorder]


def failing(*arguments: object) -> None:
    raise ZeroDivisionError


@pytest.mark.parametrize("hook", ["__init__", "on_train_start", "on_evaluation_end"])
@pytest.mark.parametrize("recorder", RECORDERS)
def test_a_recorder_that_fails_is_switched_off(
    recorder: type[Callback], hook: str, classes: deepglass.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder, hook, failing)
    with pytest.warns(CallbackWarning, match=r"training goes on: \[internal\] ZeroDivisionError") as warned:
        run = trained(tmp_path / "run", output="place")
    assert len(warned) == 1
    assert run.metrics["notes"] == [*classes.metrics["notes"], str(warned[0].message)]
    assert run.metrics["weights_sha256"] == classes.metrics["weights_sha256"]
    assert run.metrics["test"] == classes.metrics["test"]


def test_margins_that_cannot_be_computed_are_left_out(
    classes: deepglass.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deepglass.run.callbacks.margins.margin", failing)
    with pytest.warns(CallbackWarning, match="the margins of training rows are not recorded; training goes on"):
        run = trained(tmp_path / "run", output="place")
    assert run.metrics["notes"][-1].startswith("the margins of training rows are not recorded")
    assert run.metrics["weights_sha256"] == classes.metrics["weights_sha256"]
    assert not (run.path / "margins.safetensors").exists()
    assert ">Confusion matrix</h2>" in deepglass.report(run, source=made_up(60)).read_text()


def test_a_full_disk_in_a_recorder_ends_the_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "boundaries")

    monkeypatch.setattr(BoundaryRecorder, "on_evaluation_end", full)
    with pytest.raises(StorageError, match="disk-full"):
        trained(tmp_path / "run", output="place")


def test_a_resumed_run_keeps_the_warning_of_a_recorder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Stop(Callback):
        def on_evaluation_end(self, record: EvaluationRecord) -> None:
            if record.step == 4:
                raise KeyboardInterrupt

    made_up(60).write_csv(tmp_path / "houses.csv")
    with monkeypatch.context() as patch:
        patch.setattr(EmbeddingRecorder, "on_evaluation_end", failing)
        with pytest.warns(CallbackWarning), pytest.raises(KeyboardInterrupt):
            trained(tmp_path / "run", Stop(), source=tmp_path / "houses.csv")
    run = deepglass.resume(tmp_path / "run")
    assert any(note.startswith("EmbeddingRecorder failed") for note in run.metrics["notes"])


def test_an_exception_of_a_callback_that_is_told_of_diagnostics_ends_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Failing(Callback):
        def on_diagnostic(self, text: str, step: int) -> None:
            raise LookupError(text)

    found = Diagnostic("dead", "layer 1", "all units are dead", "a lower rate", 1)
    monkeypatch.setattr("deepglass.run.callbacks.diagnostics_recorder.diagnose", lambda *_: [found])
    monkeypatch.setattr(DiagnosticsRecorder, "on_train_start", lambda self, plan, step: setattr(self, "plan", plan))
    with pytest.raises(LookupError):
        trained(tmp_path / "run", Failing())


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e300, 1e-300, 0.0])
@pytest.mark.parametrize("valid", [{}, {"y": {}}, {"y": {"rmse": 0.0}}])
def test_the_progress_bar_shows_any_record(value: float, valid: dict[str, dict[str, float]]) -> None:
    metrics = {name: dict.fromkeys(values, value) for name, values in valid.items()}
    record = EvaluationRecord(1, value, 1.0, value, {"network": value}, {}, value, metrics, event="non-finite loss")
    ProgressBar().on_evaluation_end(record)


def test_integers_beyond_float_precision_train_with_all_displays(command: Command, tmp_path: Path) -> None:
    """A chart's axis had no tick for them, and the progress bar no metric."""
    rows = [f"{10**30 + 10**15 * i},{i**2 % 7 / 3},{np.sin(i)}" for i in range(60)]
    (tmp_path / "huge.csv").write_text("\n".join(["a,b,y", *rows]))
    said = command("train", tmp_path / "huge.csv", "--target", "y", "--kind", "a=number", "--steps", "4", "--out",
                   tmp_path / "run")  # fmt: skip
    assert said.code == 0, said.err
    assert "switched off" not in said.err
    said = command("report", tmp_path / "run")
    assert said.code == 0, said.err
    assert "fault of deepglass" not in (tmp_path / "run" / "report.html").read_text()
