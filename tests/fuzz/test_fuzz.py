"""The fuzzer on data and specs, with fixed seeds: no traceback, no signal, no hang, no excess of memory."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("fuzz.py")
QUICK = "csv,tsv,json,parquet,arrow,npy,npz,idx,zip,tar,images,listed,text,reviews,conllu,spec,settings"
DATA = f"{QUICK},sounds,masks,yolo,coco,voc,kinds"  # the runs come in when their manifest is checked


def _fuzz(tries: int, seed: int, subjects: str, folder: Path) -> None:
    command = [sys.executable, str(SCRIPT), "--tries", str(tries), "--seed", str(seed)]
    command += ["--only", subjects, "--out", str(folder / "finds")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-4_000:] + done.stderr[-2_000:]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="each try is a forked process")
def test_two_hundred_tries(tmp_path: Path) -> None:
    _fuzz(200, 0, QUICK, tmp_path)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="each try is a forked process")
def test_more_tries_of_all_subjects(tmp_path: Path) -> None:
    _fuzz(600, 1, DATA, tmp_path)
