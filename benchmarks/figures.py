"""The figures that deepglass promises, asked beside measured: each by its command, as a user would give it.

    python benchmarks/figures.py                    # all of them, about 40 minutes on two cores
    python benchmarks/figures.py mnist-7s titanic   # some
    python benchmarks/figures.py cifar10 --seeds 0  # with fewer seeds than promised

Each line is a fresh process; nothing else should run beside. Results go to docs/figures.json and stdout.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
from dataclasses import dataclass
from datetime import date
from statistics import mean, stdev

from fresh import ROOT, train

RESULTS = ROOT / "docs" / "figures.json"


@dataclass(frozen=True)
class Asked:
    """A figure: what to run, which metric of which output to read, what it must reach."""

    arguments: str
    output: str
    metric: str
    least: float
    goal: float | None = None
    seeds: tuple[int, ...] = (0, 1, 2)
    most: bool = False  # the figure must stay below


FIGURES = {
    "mnist-7s": Asked("data:mnist --time 7s", "label", "accuracy", 0.990),
    "mnist-4s": Asked("data:mnist --time 4s", "label", "accuracy", 0.990),
    "mnist-60s": Asked("data:mnist --time 60s", "label", "accuracy", 0.994, 0.996),
    "digits": Asked("sklearn:digits --time 15s", "label", "accuracy", 0.985),
    "california": Asked(
        "data:california_housing --target median_house_value --time 60s data.split.test=0.2",
        "median_house_value", "r2", 0.84, 0.86,
    ),
    "adult": Asked("data:adult_census --target column_15 --time 60s", "column_15", "roc_auc", 0.913, 0.927),
    "adult-ece": Asked("data:adult_census --target column_15 --time 60s", "column_15", "ece", 0.015, most=True),
    "titanic": Asked("data:titanic --target Survived data.split.folds=5", "Survived", "accuracy", 0.81, seeds=(0,)),
    "ag_news-60s": Asked("data:ag_news --target label --time 60s", "label", "accuracy", 0.8935),
    "ag_news-10s": Asked("data:ag_news --target label --time 10s", "label", "accuracy", 0.885),
    "cifar10": Asked("data:cifar10 --time 180s", "label", "accuracy", 0.70, 0.76),
}  # fmt: skip


def main(names: list[str], seeds: list[int] | None = None) -> None:
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    runs: dict[tuple[str, int], dict] = {}
    for name in names or list(FIGURES):
        asked = FIGURES[name]
        found = []
        for seed in seeds or asked.seeds:
            key = (asked.arguments, seed)
            if key not in runs:
                runs[key] = train(asked.arguments, seed)
            metrics = runs[key]
            found.append(metrics["test"][asked.output][asked.metric])
            seconds = metrics.get("seconds", {}).get("train", 0)
            print(f"{name} seed {seed}: {asked.metric} {found[-1]:.4f}, {seconds:.1f} s of training", flush=True)
        results[name] = {
            "command": f"deepglass train {asked.arguments} --seed N",
            "metric": asked.metric,
            "asked": asked.least,
            "goal": asked.goal,
            "values": found,
            "mean": mean(found),
            "spread": stdev(found) if len(found) > 1 else None,
            "reached": mean(found) <= asked.least if asked.most else mean(found) >= asked.least,
            "date": date.today().isoformat(),
            "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        }
        RESULTS.write_text(json.dumps(results, indent=1) + "\n")
        print(f"{name}: {asked.metric} {mean(found):.4f} (asked {asked.least})", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(FIGURES))
    parser.add_argument("--seeds", nargs="+", type=int)
    arguments = parser.parse_args()
    main(arguments.names, arguments.seeds)
