"""What a report costs: seconds, size, and by which parts.

    python benchmarks/report.py                 # trains sets of $DEEPGLASS_DATA for a few steps, then reports on them
    python benchmarks/report.py RUN ...         # reports on runs that are there

`seconds` and `cpu` are those of a whole process, `deepglass report RUN`, from its start to its end, on two threads; the
parts are processor seconds of a second one. The report of a run is written again.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Any

DATA = Path(os.environ.get("DEEPGLASS_DATA", "../shared/data"))
STEPS = 150
SETS: tuple[tuple[str, int, list[str]], ...] = (
    ("mnist", STEPS, []),
    ("cifar10/cifar10_subset.npz", STEPS, []),
    ("ag_news", STEPS, ["--target", "label"]),
    ("adult_census", STEPS, ["--target", "column_15"]),
    ("spoken_digits", STEPS, ["--target", "digit", "--filename-pattern", "{digit}_{speaker}_{take}"]),
    ("camvid", STEPS // 10, []),  # large pictures
)
PARTS = {  # part -> the function that it is, where it is called
    "data": ("deepglass.api", "_learned_from"),
    "slices": ("deepglass.report.data", "find_slices"),
    "answers": ("deepglass.objectives.supervised", "Supervised.evaluate"),
    "outputs": ("deepglass.report.data", "output_told"),
    "reasons": ("deepglass.report.data", "reasons_told"),
    "findings": ("deepglass.report.data", "findings_of"),
    "filters": ("deepglass.report.data", "_filters"),
    "looking": ("deepglass.report.data", "projection_points"),
    "map": ("deepglass.report.sections.map", "projection_map"),
    "boundary": ("deepglass.introspect.introspect", "boundaries"),
    "example": ("deepglass.introspect.introspect", "example_of"),
    "visions": ("deepglass.introspect.introspect", "feature_visualizations"),
    "page": ("deepglass.report.after_training", "write_report"),
}


def main(runs: Sequence[Path]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        print(f"{'':24}{'seconds':>8}{'cpu':>7}{'MB':>6} | " + "".join(f"{p:>10}" for p in ("start", *PARTS)))
        for run in runs or (train(*one, Path(folder)) for one in SETS):
            whole = command("-m", "deepglass", "report", str(run))
            parts = json.loads(command(__file__, "--parts", str(run))[2].splitlines()[-1])
            size = (run / "report.html").stat().st_size / 1e6
            told = "".join(f"{parts.get(p, 0):>10.2f}" for p in ("start", *PARTS))
            print(f"{run.name[:23]:24}{whole[0]:>8.1f}{whole[1]:>7.1f}{size:>6.1f} | {told}", flush=True)


def train(source: str, steps: int, settings: Sequence[str], folder: Path) -> Path:
    """A run of a few steps: what a report costs hardly depends on how well a network has learned."""
    run = folder / source.partition("/")[0]
    given = ["--out", str(run), "--no-baselines", f"training.steps={steps}", *settings]
    command("-m", "deepglass", "train", str(DATA / source), *given)
    return run


def command(*words: str) -> tuple[float, float, str]:
    """A Python process: the seconds that pass, those of the processor, and what is printed."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - started, used, done.stdout


def parts_of(run: Path) -> dict[str, float]:
    """Processor seconds of each part of a report, and of all that is loaded before."""
    spent: dict[str, float] = {}
    for part, (module, name) in PARTS.items():
        _watch(importlib.import_module(module), name, part, spent)
    spent["start"] = time.process_time()
    importlib.import_module("deepglass.api").report(run)
    return spent


def _watch(home: Any, name: str, part: str, spent: dict[str, float]) -> None:
    *outer, name = name.split(".")
    for one in outer:
        home = getattr(home, one)
    called: Callable[..., Any] = getattr(home, name)

    @wraps(called)
    def timed(*args: Any, **settings: Any) -> Any:
        started = time.process_time()
        try:
            return called(*args, **settings)
        finally:
            spent[part] = spent.get(part, 0.0) + time.process_time() - started

    setattr(home, name, timed)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("runs", nargs="*", type=Path)
    parser.add_argument("--parts", type=Path)
    given = parser.parse_args()
    if given.parts:
        print(json.dumps(parts_of(given.parts)))
    else:
        main(given.runs)
