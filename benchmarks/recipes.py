"""Measured metrics of the recipes beside their expected values.

    python benchmarks/recipes.py                             # all recipes: hours on an otherwise idle machine
    python benchmarks/recipes.py digits-lenet5 --seeds 0 1 2
    python benchmarks/recipes.py digits-lenet5 --results other.json    # on another machine, then here:
    python benchmarks/recipes.py --merge other.json

Each run is a fresh process. Results go to docs/recipes.json, from which docs/recipes.md is written.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
from datetime import date
from pathlib import Path
from statistics import mean

import torch
from fresh import ROOT, train

from deepglass.spec import recipes

RESULTS = ROOT / "docs" / "recipes.json"
PAGE = ROOT / "docs" / "recipes.md"
HEAD = """# Recipes

Ready specs with their test metrics. Command: `deepglass train recipe:NAME`; data sets named `data:` lie below
`$DEEPGLASS_DATA`. "Expected" is the value in the `# expect:` line of the recipe, "measured" the mean over the seeds on
the test rows. This page is written by `benchmarks/recipes.py`.

| recipe | description | expected | measured | seeds | training time | machine, date |
|---|---|---|---|---|---|---|
"""


def main(names: list[str], seeds: list[int], keep: Path | None, into: Path, settings: str) -> None:
    results = json.loads(into.read_text()) if into.exists() else {}
    for name in names or recipes.names():
        runs = [train(f"recipe:{name} {settings}", seed, keep and keep / f"{name}-{seed}") for seed in seeds]
        metrics = {}
        for expected in recipes.expected(name):
            values = [run["test"][expected.output][expected.metric] for run in runs]
            metrics[str(expected)] = {"values": values, "reached": expected.reached(mean(values))}
            print(f"{name}: {expected}: {', '.join(f'{v:.4f}' for v in values)}", flush=True)
        results[name] = {
            "metrics": metrics,
            "test": [run["test"] for run in runs],
            "seeds": seeds,
            "seconds": [run["seconds"]["train"] for run in runs],
            "parameters": runs[0]["parameters"],
            "precision": runs[0]["precision"],
            "settings": settings,
            "machine": _machine(),
            "date": date.today().isoformat(),
        }
        _store(results, into)


def merge(files: list[Path]) -> None:
    """Add results of other machines."""
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for file in files:
        results |= json.loads(file.read_text())
    _store(results, RESULTS)


def _store(results: dict, into: Path) -> None:
    into.write_text(json.dumps(results, indent=1) + "\n")
    if into == RESULTS:
        PAGE.write_text(page(results))


def page(results: dict) -> str:
    """The text of docs/recipes.md: a line for each recipe and metric; recipes without results are marked."""
    lines = []
    for name in recipes.names():
        result = results.get(name)
        if result is None:
            expected = "; ".join(map(str, recipes.expected(name)))
            lines.append(f"| {name} | {recipes.about(name)} | {expected} | not measured | | | |")
            continue
        for expected, metric in result["metrics"].items():
            value = f"{mean(metric['values']):.4f}" + ("" if metric["reached"] else " (not reached)")
            settings = f" ({result['settings']})" if result.get("settings") else ""
            seconds = f"{mean(result['seconds']):.0f} s{settings}"
            seeds = ", ".join(map(str, result["seeds"]))
            where = f"{result['machine']}, {result['date']}"
            lines.append(f"| {name} | {recipes.about(name)} | {expected} | {value} | {seeds} | {seconds} | {where} |")
    return HEAD + "\n".join(lines) + "\n"


def _machine() -> str:
    ours = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    some = f"{ours} of {os.cpu_count()} cores" if ours != os.cpu_count() else f"{ours} cores"
    return f"{some} {platform.machine()}, {torch.backends.cpu.get_cpu_capability()}, torch {torch.__version__}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(recipes.names()))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--keep", type=Path, help="folder that keeps the runs")
    parser.add_argument("--results", type=Path, default=RESULTS, help="JSON file of the results")
    parser.add_argument("--settings", default="", help="further arguments, such as '--time 60s'")
    parser.add_argument("--merge", type=Path, nargs="+", help="result files to add to docs/")
    arguments = parser.parse_args()
    if arguments.merge:
        merge(arguments.merge)
    else:
        main(arguments.names, arguments.seeds, arguments.keep, arguments.results, arguments.settings)
