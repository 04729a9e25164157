"""Runs that are killed, or whose disk is full, at random writes, then resumed: the same files as without it.

benchmarks/kill.py does it for every objective and kind; here it runs a sample with a fixed seed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from deepglass.objectives.base import OBJECTIVES

FOLDER = Path(__file__).parents[2] / "benchmarks"
sys.path.insert(0, str(FOLDER))
from kill_tasks import TASKS  # noqa: E402 - the folder is no package

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="each run is a forked process")
SAMPLE = "number,lstm,boxes,folds,early-stopping,time,report-table,warm-start"


def _kill(*words: str) -> dict[str, int]:
    done = subprocess.run([sys.executable, str(FOLDER / "kill.py"), *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-4_000:] + done.stderr[-2_000:]
    summary: dict[str, int] = json.loads(done.stdout.splitlines()[-1])
    return summary


def test_a_run_that_is_killed_at_a_random_write_is_resumed_to_the_same_files() -> None:
    assert _kill("--only", "binary", "--kills", "3")["kills"] == 3


def test_every_objective_is_killed() -> None:
    words = " ".join(f"--objective supervised {task.words}" for task in TASKS.values()).split()
    assert {words[i + 1] for i, word in enumerate(words) if word == "--objective"} == {name for name, _ in OBJECTIVES}


@pytest.mark.slow
def test_a_sample_of_kinds() -> None:
    assert _kill("--only", SAMPLE, "--kills", "3", "--seed", "1")["kills"] == 3 * len(SAMPLE.split(","))


@pytest.mark.slow
def test_a_full_disk_ends_a_run_in_order_at_twelve_moments() -> None:
    assert _kill("--only", "number,autoencoder", "--kills", "6", "--fault", "full")["kills"] == 12


@pytest.mark.slow
def test_equal_seeds_give_equal_files_for_every_objective() -> None:
    names = [name for name, _ in OBJECTIVES if name != "supervised"]
    assert _kill("--only", ",".join(["number", *names]), "--kills", "1", "--seed", "2")["repeats"] >= len(names)
