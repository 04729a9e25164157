"""An interrupted and resumed run ends with the weights of an uninterrupted one; for killed ones see test_kill.py."""

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
    sys.executable, "-m", "deepglass", "train", "houses.csv", "--target", "price", "--steps", "160", "--no-baselines",
    "network.width=16", "network.ensemble_size=2", "training.threads=1",
]  # fmt: skip


def _start(folder: Path, out: str) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [*COMMAND, "--out", out], cwd=folder, env=environment, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )


def _sha(run: Path) -> str:
    return json.loads((run / "metrics.json").read_text())["weights_sha256"]


def _wait_for(path: Path, lines: int, process: subprocess.Popen[bytes]) -> None:
    while process.poll() is None and not (path.exists() and len(path.read_text().splitlines()) >= lines):
        time.sleep(0.005)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a table and an uninterrupted run `whole`."""
    folder = tmp_path_factory.mktemp("resume")
    made_up().write_csv(folder / "houses.csv")
    assert _start(folder, "whole").wait() == 0
    return folder


def test_interrupted_run_is_usable_and_resumes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    process = _start(folder, "stopped")
    _wait_for(folder / "stopped" / "history.jsonl", 3, process)
    process.send_signal(signal.SIGINT)
    assert process.wait() == 130
    monkeypatch.chdir(folder)
    run = deepglass.Run(folder / "stopped")
    assert run.metrics["stop_reason"] == "interrupted"
    assert isinstance(run.predict({"size": 100.0, "place": "north", "sold": "no"})[0]["price"]["value"], float)
    assert deepglass.resume(folder / "stopped").metrics["weights_sha256"] == _sha(folder / "whole")


def test_resume_of_a_finished_run_changes_nothing(table_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(table_file.parent)
    run = deepglass.train("houses.csv", "price", steps=5, out="run", baselines=False)
    before = (run.path / "metrics.json").read_text()
    deepglass.resume(run.path)
    assert (run.path / "metrics.json").read_text() == before


def test_resume_rejects_a_changed_source(table_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(table_file.parent)
    run = deepglass.train("houses.csv", "price", steps=5, out="run", baselines=False)
    (run.path / "manifest.json").unlink()
    table_file.write_text(table_file.read_text().replace("north", "east"))
    with pytest.raises(deepglass.UserError, match="mismatched-files"):
        deepglass.resume(run.path)
