"""Run a training command in a fresh process; used by figures.py and recipes.py."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
DATA = os.environ.get("DEEPGLASS_DATA", str(ROOT.parent / "shared" / "data"))


def train(arguments: str, seed: int, keep: Path | None = None) -> dict:
    """The metrics of `deepglass train ARGUMENTS --seed SEED`.

    Args:
        keep: run folder; None: a temporary one.
    """
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run" if keep is None else keep
        command = [
            sys.executable,
            "-m",
            "deepglass",
            "train",
            *arguments.split(),
            "--seed",
            str(seed),
            "--out",
            str(out),
        ]
        start = time.perf_counter()
        done = subprocess.run(command, env={**os.environ, "DEEPGLASS_DATA": DATA}, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{' '.join(command)}\n{done.stderr[-2000:]}")
        print(f"  {time.perf_counter() - start:.0f} s for the whole command", flush=True)
        return json.loads((out / "metrics.json").read_text())
