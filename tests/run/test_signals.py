"""Signals and closed pipes: a training ends in order, everything else at once, and nothing is lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import made_up

import deepglass

COMMAND = [
    sys.executable, "-m", "deepglass", "train", "houses.csv", "--target", "price", "--out", "run", "--no-baselines",
    "network.width=8", "network.ensemble_size=1", "training.threads=1",
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
        "import time, sys; import deepglass.cli.main as m; import deepglass.api as a;"
        "a.prepare = lambda *w: (print('reading', flush=True), time.sleep(60));"
        f"sys.argv = ['deepglass', *{COMMAND[3:]!r}]; m.main()"
    )
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen([sys.executable, "-c", code], text=True, preexec_fn=_default_signals, **pipes)
    assert process.stdout is not None
    assert process.stdout.readline() == "reading\n"
    process.send_signal(signal.Signals[name])
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (128 + signal.Signals[name], f"interrupted by {name}\n")
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
