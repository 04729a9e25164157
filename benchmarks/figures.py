"""Target metrics of deepglass and their measurements, each by its command.

    python benchmarks/figures.py                    # all, about 40 minutes on two cores
    python benchmarks/figures.py mnist-7s titanic   # some
    python benchmarks/figures.py cifar10 --seeds 0  # with fewer seeds

Each run is a fresh process, on an otherwise idle machine. Results go to docs/figures.json and stdout.
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
class Target:
    """A target: command, output, metric, and the value to reach."""

    arguments: str
    output: str
    metric: str
    least: float
    goal: float | None = None
    seeds: tuple[int, ...] = (0, 1, 2)
    most: bool = False  # the value must be at most `least`


FIGURES = {
    "mnist-7s": Target("data:mnist --time 7s", "label", "accuracy", 0.990),
    "mnist-4s": Target("data:mnist --time 4s", "label", "accuracy", 0.990),
    "mnist-60s": Target("data:mnist --time 60s", "label", "accuracy", 0.994, 0.996),
    "digits": Target("sklearn:digits --time 15s", "label", "accuracy", 0.985),
    "california": Target(
        "data:california_housing --target median_house_value --time 60s data.split.test=0.2",
        "median_house_value", "r2", 0.84, 0.86,
    ),
    "adult": Target("data:adult_census --target column_15 --time 60s", "column_15", "roc_auc", 0.913, 0.927),
    "adult-ece": Target("data:adult_census --target column_15 --time 60s", "column_15", "ece", 0.015, most=True),
    "titanic": Target("data:titanic --target Survived data.split.folds=5", "Survived", "accuracy", 0.81, seeds=(0,)),
    "ag_news-60s": Target("data:ag_news --target label --time 60s", "label", "accuracy", 0.8935),
    "ag_news-10s": Target("data:ag_news --target label --time 10s", "label", "accuracy", 0.885),
    "cifar10": Target("data:cifar10 --time 180s", "label", "accuracy", 0.70, 0.76),
}  # fmt: skip


def main(names: list[str], seeds: list[int] | None = None) -> None:
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    runs: dict[tuple[str, int], dict] = {}
    for name in names or list(FIGURES):
        target = FIGURES[name]
        values = []
        for seed in seeds or target.seeds:
            key = (target.arguments, seed)
            if key not in runs:
                runs[key] = train(target.arguments, seed)
            metrics = runs[key]
            values.append(metrics["test"][target.output][target.metric])
            seconds = metrics.get("seconds", {}).get("train", 0)
            print(f"{name} seed {seed}: {target.metric} {values[-1]:.4f}, {seconds:.1f} s of training", flush=True)
        results[name] = {
            "command": f"deepglass train {target.arguments} --seed N",
            "metric": target.metric,
            "target": target.least,
            "goal": target.goal,
            "values": values,
            "mean": mean(values),
            "spread": stdev(values) if len(values) > 1 else None,
            "reached": mean(values) <= target.least if target.most else mean(values) >= target.least,
            "date": date.today().isoformat(),
            "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        }
        RESULTS.write_text(json.dumps(results, indent=1) + "\n")
        print(f"{name}: {target.metric} {mean(values):.4f} (target {target.least})", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(FIGURES))
    parser.add_argument("--seeds", nargs="+", type=int)
    arguments = parser.parse_args()
    main(arguments.names, arguments.seeds)
