"""Runs killed at random times and resumed: the final weights must equal those of an uninterrupted run.

python benchmarks/kill.py [N]
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from itertools import count
from pathlib import Path

TRAIN = "train sklearn:digits --steps 400 --no-baselines training.threads=1 --out"


def main(repeats: int) -> None:
    chance = random.Random(0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        start = time.perf_counter()
        assert _start(folder, "whole").wait() == 0
        length = time.perf_counter() - start
        expected = _sha(folder / "whole")
        same = wrong = before_start = over = 0
        for i in count():
            if same + wrong == repeats:
                break
            process = _start(folder, f"run{i}")
            time.sleep(chance.uniform(0.2, 1.0) * length)
            process.send_signal(signal.SIGKILL)
            process.wait()
            run = folder / f"run{i}"
            if not (run / "plan.json").exists():
                before_start += 1
                continue
            over += (run / "metrics.json").exists()
            resumed = subprocess.run([sys.executable, "-m", "deepglass", "resume", str(run)], capture_output=True)
            assert resumed.returncode == 0, resumed.stderr.decode()
            equal = _sha(run) == expected
            same, wrong = same + equal, wrong + (not equal)
            print(f"{same + wrong}: {same} the identical so far", flush=True)
    more = f"{over} had finished before the kill; {before_start} more were killed before the start"
    print(f"{same} of {repeats} resumed runs have identical weights ({more})")


def _start(folder: Path, out: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "deepglass", *TRAIN.split(), str(folder / out)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _sha(run: Path) -> str:
    return json.loads((run / "metrics.json").read_text())["weights_sha256"]


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 50)
