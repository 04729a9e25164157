"""Signals and closed pipes: a training ends in order, everything else at once, and nothing is lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Command, made_up
from signal_at import PHASES, signal_at

import deepglass
from deepglass.errors import UnfinishedRunWarning

COMMAND = [
    sys.executable, "-m", "deepglass", "train", "houses.csv", "--target", "price", "--out", "run", "--no-baselines",
    "network.width=8", "network.ensemble_size=1", "training.threads=1", "training.precision=float32",
]  # fmt: skip
ROW = {"size": 100.0, "place": "north", "sold": "no"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    made_up(80).write_csv(tmp_path / "houses.csv")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _default_signals() -> None:
    """In the new process: signals that the process of the tests ignores, as under nohup, end it again."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def _start(*words: str, **more: object) -> subprocess.Popen[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "preexec_fn": _default_signals, **more}
    return subprocess.Popen([*COMMAND, *words], env=environment, text=True, **pipes)  # type: ignore[call-overload]


def _wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    while process.poll() is None and not (path.exists() and path.stat().st_size):
        time.sleep(0.01)
    assert process.poll() is None, process.communicate()


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGINT"])
def test_a_signal_in_training_leaves_a_run_that_can_be_used_and_resumed(folder: Path, name: str) -> None:
    process = _start("--steps", "1000000")
    _wait_for(Path("run/log.txt"), process)
    while "training for" not in Path("run/log.txt").read_text():
        time.sleep(0.01)
    time.sleep(0.3)
    process.send_signal(signal.Signals[name])
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 128 + signal.Signals[name], errors
    assert f"interrupted by {name}" in errors.splitlines()[-1]
    assert "Traceback" not in errors
    run = deepglass.Run("run")
    assert (run.metrics["stop_reason"], run.metrics["stop_signal"]) == ("interrupted", name)
    assert isinstance(run.predict(ROW)[0]["price"]["value"], float)
    assert run.folder.stages.missing() == ["trained", "calibrated", "tested"]
    assert not Path("run/lock").exists()


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_a_signal_before_training_is_said_and_leaves_the_name_free(folder: Path, name: str) -> None:
    code = (
        "import time, sys; import deepglass.cli.main as m; import deepglass.training_runs as a;"
        "a.prepare = lambda *w: (print('reading', flush=True), time.sleep(60));"
        f"sys.argv = ['deepglass', *{COMMAND[3:]!r}]; m.main()"
    )
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen([sys.executable, "-c", code], text=True, preexec_fn=_default_signals, **pipes)
    assert process.stdout is not None
    assert process.stdout.readline() == "reading\n"
    process.send_signal(signal.Signals[name])
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (128 + signal.Signals[name], f"reading ...\ninterrupted by {name}\n")
    assert not Path("run").exists()


@pytest.mark.parametrize("merged", [False, True])
def test_a_closed_pipe_ends_quietly_and_kills_no_training(folder: Path, merged: bool) -> None:
    process = _start("--steps", "60", **({"stderr": subprocess.STDOUT} if merged else {}))
    assert process.stdout is not None
    if merged:
        process.stdout.readline()
    process.stdout.close()
    process.stdout = None  # for communicate
    _, errors = (None, "") if merged else process.communicate(timeout=120)
    assert process.wait(timeout=120) == 0
    assert "Traceback" not in errors
    assert "BrokenPipe" not in errors
    assert json.loads(Path("run/metrics.json").read_text())["stop_reason"] == "done"
    assert deepglass.check("run") == []


TRAIN = [*COMMAND[3:], "--steps", "60"]
SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"]
BEFORE_THE_FOLDER = ("reading", "fitting features")
IN_TRAINING = ("first steps", "training", "evaluating")
OF_A_TRAINED_RUN = {
    "predicting": ("predict", "run", "houses.csv"),
    "reading rows": ("predict", "run", "houses.csv"),
    "evaluating rows": ("evaluate", "run", "houses.csv"),
    "embedding": ("embed", "run", "--out", "vectors.parquet"),
    "inspecting": ("inspect", "houses.csv"),
    "labelling": ("label", "classifier", "new.csv", "--json"),
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that got no signal, in a folder with its table."""
    folder = tmp_path_factory.mktemp("signals")
    made_up(80).write_csv(folder / "houses.csv")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        small = {"network.width": 8, "network.ensemble_size": 1, "training.threads": 1}
        small |= {"training.precision": "float32"}
        deepglass.train("houses.csv", "price", steps=60, out="run", settings=small)
    return folder / "run"


@pytest.fixture(scope="module")
def classifier(whole: Path) -> None:
    """A run beside `whole`, and rows to label."""
    made_up(20).drop("sold").write_csv(whole.parent / "new.csv")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(whole.parent)
        deepglass.train("houses.csv", "sold", steps=2, out="classifier", baselines=False, network={"width": 8})


@pytest.fixture
def handled() -> Iterator[None]:
    """Signals that the process of the tests ignores, as under nohup, are handled inside the test."""
    before = {number: signal.getsignal(number) for number in map(signal.Signals.__getitem__, SIGNALS[1:])}
    for number in before:
        signal.signal(number, signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def _assert_same_run(run: deepglass.Run, whole: Path, reported: bool) -> None:
    """After resuming, a run is as one that was never interrupted."""
    expected = deepglass.Run(whole).metrics
    for key in ("train", "valid", "test", "weights_sha256", "stop_reason"):
        assert run.metrics[key] == expected[key], key
    assert reported == bool(run.metrics["baselines"])
    for name, baseline in run.metrics["baselines"].get("price", {}).items():
        assert {**baseline, "seconds": 0} == {**expected["baselines"]["price"][name], "seconds": 0}
    assert (run.path / "report.html").exists() == reported
    assert run.folder.is_complete()
    assert deepglass.check(run.path) == []


@pytest.mark.parametrize(
    ("phase", "name", "times"),
    [("checking", "SIGTERM", 1), ("planning", "SIGINT", 1), ("training", "SIGHUP", 2), ("calibrating", "SIGHUP", 1)],
)
def test_a_signal_in_a_phase_is_said_and_leaves_what_resume_goes_on_with(
    folder: Path, whole: Path, command: Command, monkeypatch: pytest.MonkeyPatch, handled: None,
    phase: str, name: str, times: int,
) -> None:  # fmt: skip
    with monkeypatch.context() as patch:
        signal_at(phase, signal.Signals[name], times, patch.setattr)
        stopped = command(*TRAIN)
    assert stopped.code == 128 + signal.Signals[name]
    assert stopped.err.splitlines()[-1] == f"interrupted by {name}; `deepglass resume run` goes on"
    assert "run is not finished: `deepglass resume run` goes on" in command("predict", "run", "houses.csv").err
    _assert_same_run(deepglass.resume("run"), whole, reported=False)


def test_an_interrupted_run_that_can_be_used_is_said_to_be_unfinished(
    folder: Path, command: Command, monkeypatch: pytest.MonkeyPatch, handled: None
) -> None:
    with monkeypatch.context() as patch:
        signal_at("training", signal.SIGTERM, 1, patch.setattr)
        assert command(*TRAIN).code == 143
    for words in (("predict", "run", "houses.csv"), ("evaluate", "run"), ("embed", "run", "--out", "vectors.parquet")):
        used = command(*words)
        assert used.code == 0
        assert "warning: run is not finished: `deepglass resume run` goes on" in used.err
    with pytest.warns(UnfinishedRunWarning):
        assert len(deepglass.predict("run", [ROW])) == 1
    deepglass.resume("run")
    assert "not finished" not in command("predict", "run", "houses.csv").err


def _signal_at(phase: str, name: str, times: int, *words: str) -> subprocess.CompletedProcess[str]:
    script = [sys.executable, str(Path(__file__).with_name("signal_at.py")), phase, name, str(times)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TMPDIR": str(Path("tmp").absolute())}
    Path("tmp").mkdir(exist_ok=True)
    end = subprocess.run(
        [*script, *words], text=True, capture_output=True, preexec_fn=_default_signals, env=environment
    )
    assert not list(Path("tmp").iterdir()), "temporary folders are left"
    assert "Traceback" not in end.stderr
    return end


@pytest.mark.slow
@pytest.mark.parametrize("name", SIGNALS)
@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("phase", [p for p in PHASES if p not in OF_A_TRAINED_RUN and p not in ("probing", "serving")])
def test_a_signal_in_each_phase_of_a_training(folder: Path, whole: Path, phase: str, name: str, times: int) -> None:
    words = [w for w in TRAIN if w != "--no-baselines"]
    end = _signal_at(phase, name, times, *words)
    assert end.returncode == 128 + signal.Signals[name], end.stderr
    last = end.stderr.splitlines()[-1]
    if phase in BEFORE_THE_FOLDER:
        assert last == f"interrupted by {name}"
        assert not Path("run").exists()
        return
    if phase in IN_TRAINING and times == 1:
        assert last == f"interrupted by {name}"
        run = deepglass.Run("run")
        assert (run.metrics["stop_reason"], run.metrics["stop_signal"]) == ("interrupted", name)
        assert isinstance(run.predict(ROW)[0]["price"]["value"], float)
    else:
        assert last == f"interrupted by {name}; `deepglass resume run` goes on"
    _assert_same_run(deepglass.resume("run"), whole, reported=True)


@pytest.mark.slow
@pytest.mark.parametrize("name", SIGNALS)
def test_a_signal_while_a_time_budget_is_planned(folder: Path, name: str) -> None:
    words = [*COMMAND[3:], "--time", "1s"]
    assert _signal_at("probing", name, 1, *words).returncode == 128 + signal.Signals[name]
    assert deepglass.resume("run").metrics["stop_reason"] == "done"


@pytest.mark.slow
@pytest.mark.parametrize("name", SIGNALS)
@pytest.mark.parametrize("phase", OF_A_TRAINED_RUN)
def test_a_signal_in_what_follows_a_training(
    whole: Path, classifier: None, monkeypatch: pytest.MonkeyPatch, phase: str, name: str
) -> None:
    monkeypatch.chdir(whole.parent)
    end = _signal_at(phase, name, 1, *OF_A_TRAINED_RUN[phase])
    assert (end.returncode, end.stdout) == (128 + signal.Signals[name], "")
    assert end.stderr.splitlines()[-1] == f"interrupted by {name}"
    assert not Path("vectors.parquet").exists()


@pytest.mark.slow
@pytest.mark.parametrize(("name", "code"), [("SIGINT", 0), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_a_signal_ends_the_labelling_page(
    whole: Path, classifier: None, monkeypatch: pytest.MonkeyPatch, name: str, code: int
) -> None:
    monkeypatch.chdir(whole.parent)
    words = ("label", "classifier", "new.csv", "--no-open", "--port", "0")
    command = [sys.executable, "-m", "deepglass", *words]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, preexec_fn=_default_signals)
    assert process.stderr is not None
    assert "rows to label" in process.stderr.readline()
    time.sleep(1)  # until it listens
    process.send_signal(signal.Signals[name])
    _, errors = process.communicate(timeout=60)
    assert process.returncode == code, errors
    assert ("rows answered" if code == 0 else f"interrupted by {name}") in errors
    assert "Traceback" not in errors


@pytest.mark.parametrize("words", [("list",), pytest.param(("inspect", "houses.csv"), marks=pytest.mark.slow)])
def test_a_command_whose_output_is_closed_ends_quietly(folder: Path, words: tuple[str, ...]) -> None:
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen([*COMMAND[:3], *words], text=True, **pipes)  # type: ignore[call-overload]
    assert process.stdout is not None
    process.stdout.close()
    process.stdout = None  # for communicate
    _, errors = process.communicate(timeout=120)
    assert (process.returncode, errors) == (0, "")
