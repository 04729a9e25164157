"""What a person's labels bring: wrong ones planted, those mended that the page proposes first, trained again.

    python benchmarks/label_loop.py                                   # mnist, 5 % wrong: about 4 minutes on two cores
    python benchmarks/label_loop.py sklearn:digits --epochs 10 --rows 60

The labels of the training rows are changed in a copy; the test rows keep theirs. The person is played by the true
labels, who answers what `deepglass.label` asks first. Then the run is trained again from scratch and from where it was,
each for the same time. The table goes to stdout, the figures to docs/learning/label-loop.json.
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
    assert target is not None, f"{source} marks no answer"
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy.npz"
        truth, wrong = spoiled(table, target, share, seed, copy)
        settings: dict[str, Any] = {"seed": seed, "baselines": False, **length}
        before = deepglass.train(copy, target, out=Path(folder) / "before", **settings)
        began = time.perf_counter()
        queue = deepglass.label(before, copy, out=Path(folder) / "labels.csv", limit=rows)
        asked = time.perf_counter() - began
        for i, item in enumerate(queue.items):
            queue.answer(i, str(truth[item.place]))
        found = int(wrong[[item.place for item in queue.items]].sum())
        settings["labels"] = queue.path
        scratch = deepglass.train(copy, target, out=Path(folder) / "scratch", **settings)
        started = deepglass.train(copy, target, out=Path(folder) / "started", init_from=before, **settings)
        runs = {"before": before, "mended, from scratch": scratch, "mended, from the run before": started}
        tested = {name: run.metrics["test"][target] for name, run in runs.items()}
    return {
        "source": source,
        "planted": int(wrong.sum()),
        "asked": len(queue.items),
        "found": found,
        **length,
        "seconds_to_ask": round(asked, 1),
        "seed": seed,
        "error": {name: round(1 - figures["accuracy"], 5) for name, figures in tested.items()},
        "log_loss": {name: round(figures["log_loss"], 5) for name, figures in tested.items()},
        "device": describe(pick("cpu")),
        "date": date.today().isoformat(),
    }


def spoiled(table: Table, target: str, share: float, seed: int, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Write a copy as npz whose training and validation rows have some wrong labels; test rows keep theirs.

    Returns:
        The true labels and which of the copy's are wrong, in the order of its rows.
    """
    split = Split().assign(table, table[target])
    order = np.concatenate([np.flatnonzero(split == part) for part in SPLIT_NAMES])
    split, truth = split[order], np.asarray(table[target])[order]
    random = np.random.default_rng(seed)
    kept = np.flatnonzero(split != "test")
    wrong = np.zeros(len(truth), bool)
    wrong[random.choice(kept, round(share * len(kept)), replace=False)] = True
    classes = np.unique(truth)
    turned = classes[(np.searchsorted(classes, truth) + random.integers(1, len(classes), len(truth))) % len(classes)]
    columns = {n: np.asarray(table[n])[order] for n in table.names} | {target: np.where(wrong, turned, truth)}
    np.savez(path, **{f"{part}_{n}": values[split == part] for part in SPLIT_NAMES for n, values in columns.items()})
    return truth, wrong


def as_table(figures: dict[str, Any]) -> str:
    found = f"{figures['found']} of the {figures['asked']} labels asked about were wrong ones"
    lines = [
        f"{figures['planted']:,} wrong labels planted; {found}",
        "",
        "| run | test error | log loss |",
        "|---|---|---|",
    ]
    for name, error in figures["error"].items():
        lines.append(f"| {name} | {100 * error:.2f} % | {figures['log_loss'][name]:.4f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", nargs="?", default="data:mnist")
    parser.add_argument("--share", type=float, default=0.05)
    parser.add_argument("--rows", type=int, default=300)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--epochs", type=int, help="instead of seconds, where other work runs beside")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", action="store_true", help=f"keep the figures in {FIGURES.relative_to(ROOT)}")
    given = parser.parse_args()
    length = {"epochs": given.epochs} if given.epochs else {"time": given.seconds}
    made = main(given.source, given.share, given.rows, length, given.seed)
    print(as_table(made))
    if given.write:
        FIGURES.write_text(json.dumps(made, indent=1) + "\n")
