"""A killed and resumed run ends with the weights of an uninterrupted one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from conftest import made_up

import deepglass
from deepglass.run.folder import Folder

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


def _assert_same_end(one: Folder, other: Folder) -> None:
    """The best weights may be older than the kill, so the last state is compared too."""
    ends = [folder.checkpoints.load() for folder in (one, other)]
    assert ends[0] is not None
    assert ends[1] is not None
    assert ends[0].values["step"] == ends[1].values["step"] == 160
    assert ends[0].tensors.keys() == ends[1].tensors.keys()
    for name, tensor in ends[0].tensors.items():
        assert torch.equal(tensor, ends[1].tensors[name]), name


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


@pytest.mark.parametrize("lines", [1, 9, 23])
def test_killed_run_resumes_to_the_same_weights(folder: Path, lines: int, monkeypatch: pytest.MonkeyPatch) -> None:
    killed = folder / f"killed-{lines}"
    process = _start(folder, killed.name)
    _wait_for(killed / "history.jsonl", lines, process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (killed / "metrics.json").exists(), "the run was over before it was killed"
    monkeypatch.chdir(folder)
    run = deepglass.resume(killed)
    assert run.metrics["weights_sha256"] == _sha(folder / "whole")
    _assert_same_end(run.folder, Folder(folder / "whole"))
    steps = [r["step"] for r in run.history]
    assert steps == sorted(set(steps)), "a resumed history has each evaluation once"


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
