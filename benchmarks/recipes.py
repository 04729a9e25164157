"""The recipes' figures, asked beside measured: each recipe run as a user would, its expected figures compared.

    python benchmarks/recipes.py                             # all of them: hours; nothing else should run beside
    python benchmarks/recipes.py digits-lenet5 --seeds 0 1 2
    python benchmarks/recipes.py digits-lenet5 --results elsewhere.json    # on another machine, and here:
    python benchmarks/recipes.py --merge elsewhere.json

Each run is a fresh process. Results go to docs/recipes.json, and from there, for all recipes, to docs/recipes.md.
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

What deepglass ships as ready specs, and the figures that they reached. Run one with `deepglass train recipe:NAME`;
the sets called `data:` lie below `$DEEPGLASS_DATA`. Written by `benchmarks/recipes.py`; "asked" is what the recipe's
own `# expect:` lines say, "measured" the mean over the seeds on the test rows.

| recipe | shows | figure asked | measured | seeds | training | machine, date |
|---|---|---|---|---|---|---|
"""


def main(names: list[str], seeds: list[int], keep: Path | None, into: Path, settings: str) -> None:
    results = json.loads(into.read_text()) if into.exists() else {}
    for name in names or recipes.names():
        runs = [train(f"recipe:{name} {settings}", seed, keep and keep / f"{name}-{seed}") for seed in seeds]
        found = {}
        for expected in recipes.expected(name):
            values = [run["test"][expected.output][expected.metric] for run in runs]
            found[str(expected)] = {"values": values, "reached": expected.reached(mean(values))}
            print(f"{name}: {expected}: {', '.join(f'{v:.4f}' for v in values)}", flush=True)
        results[name] = {
            "figures": found,
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
    """What was measured elsewhere, into the page."""
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for file in files:
        results |= json.loads(file.read_text())
    _store(results, RESULTS)


def _store(results: dict, into: Path) -> None:
    into.write_text(json.dumps(results, indent=1) + "\n")
    if into == RESULTS:
        PAGE.write_text(page(results))


def page(results: dict) -> str:
    """docs/recipes.md: a line a recipe and figure; a recipe that was not run says so."""
    lines = []
    for name in recipes.names():
        found = results.get(name)
        if found is None:
            asked = "; ".join(map(str, recipes.expected(name)))
            lines.append(f"| {name} | {recipes.about(name)} | {asked} | not measured | | | |")
            continue
        for asked, figure in found["figures"].items():
            value = f"{mean(figure['values']):.4f}" + ("" if figure["reached"] else " (short of it)")
            seconds = f"{mean(found['seconds']):.0f} s" + (f" ({said})" if (said := found.get("settings")) else "")
            seeds = ", ".join(map(str, found["seeds"]))
            where = f"{found['machine']}, {found['date']}"
            lines.append(f"| {name} | {recipes.about(name)} | {asked} | {value} | {seeds} | {seconds} | {where} |")
    return HEAD + "\n".join(lines) + "\n"


def _machine() -> str:
    ours = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    some = f"{ours} of {os.cpu_count()} cores" if ours != os.cpu_count() else f"{ours} cores"
    return f"{some} {platform.machine()}, {torch.backends.cpu.get_cpu_capability()}, torch {torch.__version__}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(recipes.names()))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--keep", type=Path, help="the folder in which the runs stay")
    parser.add_argument("--results", type=Path, default=RESULTS, help="the JSON file that results go into")
    parser.add_argument("--settings", default="", help="further words of the command, such as '--time 60s'")
    parser.add_argument("--merge", type=Path, nargs="+", help="files of results that go into docs/")
    arguments = parser.parse_args()
    if arguments.merge:
        merge(arguments.merge)
    else:
        main(arguments.names, arguments.seeds, arguments.keep, arguments.results, arguments.settings)
