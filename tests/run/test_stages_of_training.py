"""`resume` with a length trains a finished run further, in a stage that can be resumed to the same bits."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from conftest import made_up

import deepglass
from deepglass.errors import SpecError

SMALL: dict[str, Any] = {
    "baselines": False,
    "training": {"threads": 1},
    "network": {"trunk": "mlp", "width": 16, "depth": 1, "ensemble_size": 1},
}
STAGE = ["--steps", "400"]


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of 20 steps."""
    folder = tmp_path_factory.mktemp("stages")
    made_up().write_csv(folder / "houses.csv")
    return deepglass.train(str(folder / "houses.csv"), "price", out=folder / "run", steps=20, **SMALL).path


def _start(run: Path, *words: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "deepglass", "resume", str(run), *words]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def test_a_killed_stage_ends_with_the_same_bits(first: Path, tmp_path: Path) -> None:
    whole, killed = shutil.copytree(first, tmp_path / "whole"), shutil.copytree(first, tmp_path / "killed")
    assert _start(whole, *STAGE).wait() == 0
    process = _start(killed, *STAGE)
    history = killed / "history.jsonl"
    lines = len(history.read_text().splitlines()) + 12
    while process.poll() is None and len(history.read_text().splitlines()) < lines:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (killed / "manifest.json").exists(), "the stage was not over yet"
    assert _start(killed).wait() == 0
    metrics = [json.loads((run / "metrics.json").read_text()) for run in (whole, killed)]
    assert metrics[0]["weights_sha256"] == metrics[1]["weights_sha256"]
    assert metrics[0]["step"] == metrics[1]["step"] == 420
    assert metrics[0]["test"] == metrics[1]["test"]
    histories = [[{**r, "seconds": 0} for r in deepglass.Run(run).history] for run in (whole, killed)]
    assert histories[0] == histories[1]
    assert not deepglass.check(killed)


def test_a_stage_has_its_own_schedule_and_keeps_the_best_weights(first: Path, tmp_path: Path) -> None:
    run = deepglass.resume(shutil.copytree(first, tmp_path / "run"), epochs=4)
    plan = run.folder.plan()
    assert [tuple(stage) for stage in plan.stages] == [(20, "--epochs 4")]
    assert run.metrics["step"] == plan.steps == 20 + 4 * plan.batches_per_epoch
    rates = [r["learning_rate"] for r in run.history if r["step"] > 20]
    assert rates[0] < max(rates) > rates[-1], "warm-up, peak and decay"
    monitors = [r["monitor"] for r in run.history]
    assert run.folder.checkpoints.load().values["best_monitor"] == min(monitors)
    assert run.metrics["seconds"]["total"] >= run.metrics["seconds"]["train"] > 0

    again = deepglass.resume(run.path, time=0.5)
    assert [stage.length for stage in again.folder.plan().stages] == ["--epochs 4", "--time 0.5"]
    assert again.metrics["step"] > run.metrics["step"]
    report = deepglass.report(again).read_text()
    assert "deepglass resume RUN --epochs 4" in report
    assert "deepglass resume RUN --time 0.5" in report


def test_a_run_that_stopped_early_is_trained_further_from_there(tmp_path: Path) -> None:
    made_up().write_csv(tmp_path / "houses.csv")
    settings = {**SMALL, "training": {"threads": 1, "patience": 1, "learning_rate": 0.3}}
    run = deepglass.train(str(tmp_path / "houses.csv"), "price", out=tmp_path / "run", steps=400, **settings)
    assert run.metrics["stop_reason"] == "early"
    stopped = run.metrics["step"]
    assert run.folder.checkpoints.load().values["step"] == stopped
    further = deepglass.resume(run.path, steps=5)
    assert (further.metrics["step"], further.metrics["stop_reason"]) == (stopped + 5, "done")


def test_wrong_lengths_are_refused(first: Path) -> None:
    with pytest.raises(SpecError, match="give one of time, epochs and steps"):
        deepglass.resume(first, epochs=1, steps=1)
    with pytest.raises(SpecError, match=r"resume\.steps: expected a whole number above 0"):
        deepglass.resume(first, steps=0)
    assert deepglass.Run(first).metrics["step"] == 20
