"""The memory of predicting many rows: their cells, and little beside them."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import deepglass

STATUS = Path("/proc/self/status")  # not `resource`, whose peak begins with the memory of the parent
pytestmark = pytest.mark.skipif(not STATUS.exists(), reason="only Linux tells the peak memory of a process itself")
MAX_BYTES_PER_ROW = 250  # it was 495 when each batch of 256 rows kept a tensor of its own, 17 since they are joined
PEAK = """
import re, sys, deepglass, polars
run = deepglass.Run(sys.argv[1])
frame = polars.read_parquet(sys.argv[2]).head(int(sys.argv[3]))
run.predict_table(frame)
print(1024 * int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]))
"""


@pytest.mark.slow
def test_each_row_adds_little_memory(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(400_000, 3))
    frame = pl.DataFrame({"a": x[:, 0], "b": x[:, 1], "c": x[:, 2], "y": x.sum(1)})
    settings = {"network.width": 128, "network.depth": 1, "training.threads": 2}
    deepglass.train(frame.head(200), "y", steps=1, baselines=False, settings=settings, out=tmp_path / "r")
    frame.drop("y").write_parquet(tmp_path / "rows.parquet")
    peaks = [_peak(tmp_path, rows) for rows in (100_000, 400_000)]
    assert peaks[1] - peaks[0] < MAX_BYTES_PER_ROW * 300_000


def _peak(folder: Path, rows: int) -> int:
    command = [sys.executable, "-c", PEAK, str(folder / "r"), str(folder / "rows.parquet"), str(rows)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
