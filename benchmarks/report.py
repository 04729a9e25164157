"""Cost of a report: wall time, CPU time, size, and the CPU time of its sections.

    python benchmarks/report.py                 # trains on data sets of $DEEPGLASS_DATA for a few steps, then reports
    python benchmarks/report.py RUN ...         # reports on existing runs

`seconds` and `cpu` are those of a process `deepglass report RUN`, including imports; the sections are measured in a
second process. The report of a run is written again.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from deepglass.report.data import ReportData
from deepglass.report.write import sections
from deepglass.run.context import RunContext

DATA = Path(os.environ.get("DEEPGLASS_DATA", "../shared/data"))
STEPS = 150
SHOWN = 0.1  # seconds
SETS: tuple[tuple[str, int, list[str]], ...] = (
    ("mnist", STEPS, []),
    ("cifar10/cifar10_subset.npz", STEPS, []),
    ("ag_news", STEPS, ["--target", "label"]),
    ("adult_census", STEPS, ["--target", "column_15"]),
    ("spoken_digits", STEPS, ["--target", "digit", "--filename-pattern", "{digit}_{speaker}_{take}"]),
    ("camvid", STEPS // 10, []),  # large images
)


def main(runs: Sequence[Path]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        print(f"{'':24}{'seconds':>8}{'cpu':>7}{'MB':>6} | sections of at least {SHOWN} s")
        for run in runs or (train(*one, Path(folder)) for one in SETS):
            whole = command("-m", "deepglass", "report", str(run))
            parts = json.loads(command(__file__, "--sections", str(run))[2].splitlines()[-1])
            size = (run / "report.html").stat().st_size / 1e6
            text = ", ".join(f"{name} {seconds:.2f}" for name, seconds in parts.items() if seconds >= SHOWN)
            print(f"{run.name[:23]:24}{whole[0]:>8.1f}{whole[1]:>7.1f}{size:>6.1f} | {text}", flush=True)


def train(source: str, steps: int, settings: Sequence[str], folder: Path) -> Path:
    """A run of a few steps; the cost of a report hardly depends on the length of training."""
    run = folder / source.partition("/")[0]
    arguments = ["--out", str(run), "--no-baselines", f"training.steps={steps}", *settings]
    command("-m", "deepglass", "train", str(DATA / source), *arguments)
    return run


def command(*words: str) -> tuple[float, float, str]:
    """Run a Python process; wall time, CPU time, and stdout."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - start, used, done.stdout


def section_seconds(run: Path) -> dict[str, float]:
    """CPU seconds of imports ("start") and of each section; facts that sections share count for the first of them."""
    report = ReportData(RunContext.open(run))
    seconds = {"start": time.process_time()}
    for section in sections():
        start = time.process_time()
        section.render(report)
        seconds[section.name] = time.process_time() - start
    return seconds


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("runs", nargs="*", type=Path)
    parser.add_argument("--sections", type=Path, help="print the CPU time of each section of this run's report as JSON")
    arguments = parser.parse_args()
    if arguments.sections:
        print(json.dumps(section_seconds(arguments.sections)))
    else:
        main(arguments.runs)
