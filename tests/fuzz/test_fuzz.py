"""The fuzzer on data, specs and runs, with fixed seeds: no traceback, no signal, no hang, no excess of memory.

What commands give for damaged runs is as for whole ones, or the damage is named.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
QUICK = "csv,tsv,json,parquet,arrow,npy,npz,idx,zip,tar,images,listed,text,reviews,conllu,spec,settings,run_table"
ALL = f"{QUICK},sounds,masks,yolo,coco,voc,kinds,run"
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="each try is a forked process")


def _run(script: str, *options: object) -> None:
    done = subprocess.run([sys.executable, FOLDER / script, *map(str, options)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-4_000:] + done.stderr[-2_000:]


def test_sixty_tries(tmp_path: Path) -> None:
    _run("fuzz.py", "--tries", 60, "--seed", 0, "--only", QUICK, "--out", tmp_path)


@pytest.mark.slow
def test_more_tries_of_all_subjects(tmp_path: Path) -> None:
    _run("fuzz.py", "--tries", 750, "--seed", 1, "--only", ALL, "--out", tmp_path)


@pytest.mark.slow
def test_damage_to_runs(tmp_path: Path) -> None:
    _run("damage.py", "--sample", 200, "--seed", 0, "--out", tmp_path)
