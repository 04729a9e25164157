"""Faithfulness of explanations: completeness, weight randomization, deletion and insertion, on five kinds of data.

    python benchmarks/explanations.py [RUNS [NAME ...]]     # RUNS: a folder of runs; existing ones are used again
    python benchmarks/explanations.py causes [--python PATH] [--runs RUNS]     # sets with a known cause; see causes.py

Each data set gets a short training (limited by steps, so that a busy machine gives the same run), then some of its test
rows are explained in full. Results: docs/explanations.json and docs/explanations.md.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from explanations_text import OVER_ALL_ROWS, TEXT

import deepglass
from deepglass.explain.explainer import Explainer
from deepglass.explain.explanation import Explanation
from deepglass.explain.reference import training_rows

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
CHECKS = ("completeness_gap", "weight_randomization", "deletion", "deletion_random", "insertion", "insertion_random")


class Set(NamedTuple):
    """A data set, its training, and the number of explained test rows."""

    name: str
    source: str
    target: str | None
    steps: int
    rows: int
    settings: dict[str, Any]
    max_steps: int = 512  # of integrated gradients
    separate: bool | None = None  # False: one explanation of the sum of a prediction's targets


SETS = (
    Set("mnist", "data:mnist", None, 336, 48, {}),
    Set("adult_census", "data:adult_census", "column_15", 300, 24, {}),
    Set("ag_news", str(ROOT / "recipes" / "text-classify.yaml"), None, 250, 48, {}),
    Set(
        "spoken_digits",
        "data:spoken_digits",
        "digit",
        250,
        24,
        {"filename_pattern": "{digit}_{speaker}_{take}", "ignore": ["speaker", "take"], "network": "tcn"},
    ),
    Set("camvid", str(ROOT / "recipes" / "segment-roads.yaml"), None, 80, 12, {}, max_steps=32, separate=False),
)


def main() -> None:
    torch.set_num_threads(1)
    if sys.argv[1:2] == ["causes"]:
        measure_causes(sys.argv[2:])
        return
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "runs" / "explanations"
    names = sys.argv[2:] or [s.name for s in SETS]
    path = DOCS / "explanations.json"
    results = json.loads(path.read_text()) if path.exists() else {}
    for one in SETS:
        if one.name in names:
            results[one.name] = measure(one, folder / one.name)
            path.write_text(json.dumps(results, indent=1) + "\n")
            (DOCS / "explanations.md").write_text(page(results))
            print(one.name, results[one.name]["median"], flush=True)


def measure(one: Set, folder: Path) -> dict[str, Any]:
    """The checks of some test rows, their medians, and how often our order is better than random."""
    if (folder / "metrics.json").exists():
        run = deepglass.Run(folder)
    else:
        run = deepglass.train(one.source, one.target, out=folder, baselines=False, steps=one.steps, **one.settings)
    prepared = run.context.data
    rows = prepared.rows("test")
    rows = rows[np.unique(np.linspace(0, len(rows) - 1, one.rows).astype(int))]
    explainer = Explainer(run.predictor, training_rows(prepared, 500), max_steps=one.max_steps, separate=one.separate)
    table = prepared.table.take(rows)
    reasons = [r for row in explainer.explain(table) for r in row]
    each = [r.checks.to_json() for r in reasons if r.checks is not None]
    return {
        "metric": _metric(run),
        "steps": run.metrics["step"],
        "rows": len(rows),
        "method": reasons[0].method,
        "median": {name: _median(each, name) for name in CHECKS},
        "largest_gap": round(max(c["completeness_gap"] for c in each), 4),
        "better": {"deletion": _share(each, "deletion", -1), "insertion": _share(each, "insertion", 1)},
        "fast": _agreement(explainer, table, reasons),
        "cost": _cost(explainer, table),
        "commit": _commit(),
        "each": each,
    }


def measure_causes(words: list[str]) -> None:
    """Whether causes are named, and attributions beside SHAP's and Captum's, in an interpreter that has these."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--runs", type=Path, default=ROOT / "runs" / "causes")
    options = parser.parse_args(words)
    command = [options.python, str(ROOT / "benchmarks" / "cause_peers.py"), str(options.runs)]
    environment = {"DEEPGLASS_DATA": str(ROOT.parent / "shared" / "data"), **os.environ}
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment)
    store_causes(json.loads(done.stdout))


def store_causes(sets: dict[str, Any]) -> None:
    """Write the results of `cause_peers.py` beside the others."""
    path = DOCS / "explanations.json"
    results = json.loads(path.read_text())
    results["causes"] = {"hardware": f"{os.cpu_count()} cores {platform.machine()}", "sets": sets}
    path.write_text(json.dumps(results, indent=1) + "\n")
    (DOCS / "explanations.md").write_text(page(results))


def _cause_rows(sets: dict[str, Any]) -> str:
    """A line of the table for each set."""
    lines = []
    for name, repeats in sets.items():
        told = [sum(r["named"][place] for r in repeats) for place in ("command", "report")]
        cells = [f"{n} of {len(repeats)}" for n in told]
        for tool in ("deepglass", "shap", "captum"):
            each = [r[tool] for r in repeats if tool in r]
            correlations = [e["correlation"] for e in each]
            seconds = 1000 * float(np.mean([e["seconds"] for e in each])) if each else 0.0
            mean = f"{np.mean(correlations):.3f} ({min(correlations):.3f} to {max(correlations):.3f})" if each else ""
            cells.append(f"{mean}, {seconds:.0f} ms" if each else "not installed")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _metric(run: deepglass.Run) -> dict[str, float]:
    metrics = next(iter(run.metrics["test"].values()))
    return {name: round(metrics[name], 4) for name in ("accuracy", "miou") if name in metrics}


def _median(each: list[dict[str, float]], name: str) -> float:
    """The median over rows: where the baseline's score is near the row's, shares of the difference are huge."""
    return round(float(np.median([c[name] for c in each if name in c])), 4)


def _share(each: list[dict[str, float]], name: str, sign: int) -> float:
    """Share of rows in which our order is better than the mean of random orders."""
    better = [sign * (c[name] - c[f"{name}_random"]) > 0 for c in each if name in c]
    return round(float(np.mean(better)), 4)


def _agreement(explainer: Explainer, table: Any, reasons: list[Explanation]) -> float:
    """Mean rank correlation of attributions in fast and full mode."""
    fast = [r for row in explainer.explain(table, None, "fast") for r in row]
    correlations = []
    for a, b in zip(reasons, fast, strict=True):
        pairs = [(a.maps[n].sum(0), b.maps[n].sum(0)) for n in a.maps] or [_weights(a, b)]
        x, y = (np.concatenate([p[i].reshape(-1) for p in pairs]) for i in (0, 1))
        if len(x) > 2 and x.std() > 0 and y.std() > 0:
            correlations.append(np.corrcoef(x.argsort().argsort(), y.argsort().argsort())[0, 1])
    return round(float(np.mean(correlations)), 3) if correlations else float("nan")


def _weights(a: Explanation, b: Explanation) -> tuple[np.ndarray, np.ndarray]:
    """Attributions of the same parts in both; columns may have another order."""
    ours, theirs = ({(p.name, p.position): p.weight for p in r.parts} for r in (a, b))
    return np.array(list(ours.values())), np.array([theirs[part] for part in ours])


def _cost(explainer: Explainer, table: Any) -> float:
    """CPU time of a fast explanation, prediction included, as a multiple of that of a prediction."""
    ratios = []
    for i in range(min(len(table), 12)):
        one, times = table.take(np.array([i])), [time.process_time()]
        explainer.predictor.predict(one)
        times.append(time.process_time())
        explainer.explain(one, None, "fast")
        times.append(time.process_time())
        ratios.append(np.diff(times))
    return round(float(np.median([s[1] / s[0] for s in ratios])), 2)


def _commit() -> str:
    command = ["git", "rev-parse", "--short", "HEAD"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


def page(results: dict[str, Any]) -> str:
    """The text of docs/explanations.md."""
    lines, causes = [], results.get("causes", {"sets": {}, "hardware": "not measured"})
    results = {name: one for name, one in results.items() if name != "causes"}
    for name, one in results.items():
        m, metric = one["median"], next(iter(one["metric"].items()), ("", 0.0))
        better = one["better"]
        lines.append(
            f"| {name} | {metric[0]} {metric[1]:.3f} | {one['rows']} | {m['completeness_gap']:.4f} "
            f"({one['largest_gap']:.3f}) | {m['weight_randomization']:+.2f} | "
            f"{m['deletion']:.2f} / {m['deletion_random']:.2f} ({better['deletion']:.0%}) | "
            f"{m['insertion']:.2f} / {m['insertion_random']:.2f} ({better['insertion']:.0%}) | "
            f"{one['fast']:.2f} | {one['cost']:.1f} |"
        )
    methods = "\n".join(f"- {name}: {one['method']}." for name, one in results.items())
    commits = "commit " + ", ".join(dict.fromkeys(one["commit"] for one in results.values()))
    text = TEXT.format(rows="\n".join(lines), methods=methods, commits=commits)
    over_all = OVER_ALL_ROWS.replace("{causes}", _cause_rows(causes["sets"])).replace("{hardware}", causes["hardware"])
    return f"{text}\n{over_all}"


if __name__ == "__main__":
    main()
