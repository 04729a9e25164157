"""Effect of corrected labels: change labels, correct the first rows of the queue, train again.

    python benchmarks/label_loop.py                                   # mnist, 5 % changed: about 4 minutes on two cores
    python benchmarks/label_loop.py sklearn:digits --epochs 10 --rows 60

Labels of training and validation rows are changed in a copy; test rows keep theirs. The rows that `deepglass.label`
queues first get their true labels. Then the model is trained again, from scratch and with a warm start, each for the
same time. The table goes to stdout, the numbers to docs/learning/label-loop.json.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

import deepglass
from deepglass.data.sources import read
from deepglass.data.sources.base import SPLIT_NAMES
from deepglass.data.split import Split
from deepglass.data.table import Table
from deepglass.device import describe, pick

ROOT = Path(__file__).parent.parent
FIGURES = ROOT / "docs" / "learning" / "label-loop.json"


def main(source: str, share: float, rows: int, length: dict[str, float], seed: int) -> dict[str, Any]:
    table = read(source)
    target = table.target
    assert target is not None, f"{source} has no target"
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy.npz"
        truth, wrong = write_with_label_noise(table, target, share, seed, copy)
        settings: dict[str, Any] = {"seed": seed, "baselines": False, **length}
        before = deepglass.train(copy, target, out=Path(folder) / "before", **settings)
        began = time.perf_counter()
        queue = deepglass.label(before, copy, out=Path(folder) / "labels.csv", limit=rows)
        queue_seconds = time.perf_counter() - began
        for i, item in enumerate(queue.items):
            queue.answer(i, str(truth[item.place]))
        wrong_queued = int(wrong[[item.place for item in queue.items]].sum())
        settings["labels"] = queue.path
        scratch = deepglass.train(copy, target, out=Path(folder) / "scratch", **settings)
        started = deepglass.train(copy, target, out=Path(folder) / "started", init_from=before, **settings)
        runs = {"before": before, "corrected, from scratch": scratch, "corrected, warm start": started}
        tested = {name: run.metrics["test"][target] for name, run in runs.items()}
    return {
        "source": source,
        "changed": int(wrong.sum()),
        "queued": len(queue.items),
        "wrong": wrong_queued,
        **length,
        "queue_seconds": round(queue_seconds, 1),
        "seed": seed,
        "error": {name: round(1 - metrics["accuracy"], 5) for name, metrics in tested.items()},
        "log_loss": {name: round(metrics["log_loss"], 5) for name, metrics in tested.items()},
        "device": describe(pick("cpu")),
        "date": date.today().isoformat(),
    }


def write_with_label_noise(
    table: Table, target: str, share: float, seed: int, path: Path
) -> tuple[np.ndarray, np.ndarray]:
    """Write a copy as npz whose training and validation rows have some wrong labels; test rows keep theirs.

    Returns:
        The true labels and which of the copy's are wrong, in the order of its rows.
    """
    split = Split().assign(table, table[target])
    order = np.concatenate([np.flatnonzero(split == part) for part in SPLIT_NAMES])
    split, truth = split[order], np.asarray(table[target])[order]
    random = np.random.default_rng(seed)
    trained = np.flatnonzero(split != "test")
    wrong = np.zeros(len(truth), bool)
    wrong[random.choice(trained, round(share * len(trained)), replace=False)] = True
    classes = np.unique(truth)
    turned = classes[(np.searchsorted(classes, truth) + random.integers(1, len(classes), len(truth))) % len(classes)]
    columns = {n: np.asarray(table[n])[order] for n in table.names} | {target: np.where(wrong, turned, truth)}
    np.savez(path, **{f"{part}_{n}": values[split == part] for part in SPLIT_NAMES for n, values in columns.items()})
    return truth, wrong


def as_table(metrics: dict[str, Any]) -> str:
    lines = [
        f"{metrics['changed']:,} labels changed; {metrics['wrong']} of {metrics['queued']} queued labels are wrong",
        "",
        "| run | test error | log loss |",
        "|---|---|---|",
    ]
    for name, error in metrics["error"].items():
        lines.append(f"| {name} | {100 * error:.2f} % | {metrics['log_loss'][name]:.4f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", nargs="?", default="data:mnist")
    parser.add_argument("--share", type=float, default=0.05)
    parser.add_argument("--rows", type=int, default=300)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--epochs", type=int, help="instead of seconds, on a loaded machine")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", action="store_true", help=f"store the numbers in {FIGURES.relative_to(ROOT)}")
    arguments = parser.parse_args()
    length = {"epochs": arguments.epochs} if arguments.epochs else {"time": arguments.seconds}
    result = main(arguments.source, arguments.share, arguments.rows, length, arguments.seed)
    print(as_table(result))
    if arguments.write:
        FIGURES.write_text(json.dumps(result, indent=1) + "\n")
