"""How time and memory of `inspect` and `train --steps` grow with the data: rows, columns, classes, lengths, files.

    python benchmarks/growth.py [rows columns classes text images pixels sequence] [--steps 20] [--largest N] [--write]

Each command runs in a process of its own. Its cost is the processor time (user and system), without that of the
smallest size, which is mostly the start of Python. The exponent is the slope of log cost over log size, fitted to the
larger half of the sizes. `--write` puts the table into docs/performance.md, between its two marks.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
from PIL import Image

PERFORMANCE = Path(__file__).parent.parent / "docs" / "performance.md"
BEGIN, END = "<!-- growth: begin -->", "<!-- growth: end -->"
ROWS = 2_000


OPTIONS: dict[str, list[str]] = {"images": [], "pixels": [], "sequence": ["--kind", "x=sequence"]}


class Cost(NamedTuple):
    """Processor and wall time in seconds, and peak memory in MB, of one command."""

    user: float
    wall: float
    memory: float


def rows(folder: Path, count: int) -> Path:
    return _numbers(folder, count, 8)


def columns(folder: Path, count: int) -> Path:
    return _numbers(folder, 600, count)


def classes(folder: Path, count: int) -> Path:
    random = np.random.default_rng(0)
    codes = random.permutation(np.arange(max(4 * count, ROWS)) % count)
    values = codes / count + random.normal(size=len(codes)) * 0.01
    return _table(folder, {"x": values, "y": [f"class_{k}" for k in codes]})


def text(folder: Path, words: int) -> Path:
    random = np.random.default_rng(0)
    texts = [" ".join(f"word{k}" for k in random.integers(0, 2_000, words)) for _ in range(ROWS // 4)]
    return _table(folder, {"t": texts, "y": ["no", "yes"] * (ROWS // 8)})


def images(folder: Path, count: int) -> Path:
    return _images(folder, count, 16)


def pixels(folder: Path, side: int) -> Path:
    return _images(folder, 100, side)


def sequence(folder: Path, length: int) -> Path:
    random = np.random.default_rng(0)
    path = folder / "data.npz"
    np.savez(path, x=random.normal(size=(200, length, 1)).astype(np.float32), y=np.arange(200) % 2)
    return path


SUBJECTS: dict[str, tuple[Callable[[Path, int], Path], tuple[int, ...]]] = {
    "rows": (rows, (1_000, 10_000, 100_000, 300_000, 1_000_000)),
    "columns": (columns, (10, 100, 500, 1_500, 5_000)),
    "classes": (classes, (2, 100, 1_000, 3_000, 10_000)),
    "text": (text, (10, 100, 300, 1_000, 3_000)),
    "images": (images, (100, 1_000, 5_000, 15_000, 50_000)),
    "pixels": (pixels, (16, 64, 128, 256, 512)),
    "sequence": (sequence, (10, 100, 300, 1_000)),
}


def measure(command: list[str]) -> Cost:
    """Run `deepglass` with these arguments."""
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "deepglass", *command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    assert process.stderr is not None
    errors = process.stderr.read().decode(errors="replace")
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)}: exit code {process.returncode}\n{errors[-2000:]}")
    return Cost(usage.ru_utime + usage.ru_stime, time.perf_counter() - start, usage.ru_maxrss / 1024)


def exponent(sizes: list[int], costs: list[Cost]) -> float | None:
    """Slope of log cost over log size of the larger half of the sizes, without the cost of the smallest."""
    points = [(n, c.user - costs[0].user) for n, c in zip(sizes[1:], costs[1:], strict=True)][
        -max(len(sizes) // 2, 2) :
    ]
    if len(points) < 2 or min(cost for _, cost in points) < 0.3:  # hardly more than the start
        return None
    sizes_log, costs_log = np.log(np.array(points).T)
    return float(np.polyfit(sizes_log, costs_log, 1)[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("subjects", nargs="*", choices=[*SUBJECTS, []], default=[])
    parser.add_argument("--steps", default="20")
    parser.add_argument("--largest", type=int, default=10**9, help="leave out larger sizes")
    parser.add_argument("--write", action="store_true", help="write the table into docs/performance.md")
    arguments = parser.parse_args()
    lines = ["| | size | inspect: CPU, wall, memory | train: CPU, wall, memory |", "|---|---|---|---|"]
    for name in arguments.subjects or SUBJECTS:
        make, all_sizes = SUBJECTS[name]
        sizes = [size for size in all_sizes if size <= arguments.largest]
        costs: dict[str, list[Cost]] = {"inspect": [], "train": []}
        for size in sizes:
            with tempfile.TemporaryDirectory() as place:
                source = str(make(Path(place), size))
                target = OPTIONS.get(name, ["--target", "y"])
                out = ["--out", str(Path(place) / "run"), "--steps", arguments.steps]
                costs["inspect"].append(measure(["inspect", source, *target]))
                costs["train"].append(measure(["train", source, *target, *out]))
            cells = [f"{c.user:.1f} s, {c.wall:.1f} s, {c.memory:,.0f} MB" for c in (v[-1] for v in costs.values())]
            lines.append(f"| {name} | {size:,} | {' | '.join(cells)} |")
            print(lines[-1], flush=True)
        fits = [exponent(sizes, c) for c in costs.values()]
        lines.append(f"| {name} | exponent | {' | '.join('start only' if f is None else f'{f:.2f}' for f in fits)} |")
        print(lines[-1], flush=True)
    if arguments.write:
        before, _, rest = PERFORMANCE.read_text().partition(BEGIN)
        after = rest.partition(END)[2]
        PERFORMANCE.write_text("\n".join([f"{before}{BEGIN}", *lines, f"{END}{after}"]))


def _numbers(folder: Path, count: int, width: int) -> Path:
    random = np.random.default_rng(0)
    x = random.normal(size=(count, width)).astype(np.float32)
    return _table(folder, {**{f"x{k}": x[:, k] for k in range(width - 1)}, "y": x[:, : width - 1].mean(1)})


def _table(folder: Path, columns: dict[str, object]) -> Path:
    path = folder / "data.csv"
    pl.DataFrame(columns).write_csv(path, float_precision=5)
    return path


def _images(folder: Path, count: int, side: int) -> Path:
    random = np.random.default_rng(0)
    for label in ("dark", "light"):
        (folder / "images" / label).mkdir(parents=True)
    for i in range(count):
        values = random.integers(0, 128, (side, side), np.uint8) + 127 * (i % 2)
        Image.fromarray(values.astype(np.uint8)).save(folder / "images" / ("dark", "light")[i % 2] / f"{i}.png")
    return folder / "images"


if __name__ == "__main__":
    main()
