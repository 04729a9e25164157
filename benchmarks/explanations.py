"""Faithfulness of explanations: completeness, weight randomization, deletion and insertion, on five kinds of data.

    python benchmarks/explanations.py [RUNS [NAME ...]]     # RUNS: a folder of runs; existing ones are used again

Each data set gets a short training (limited by steps, so that a busy machine gives the same run), then some of its test
rows are explained in full. Results: docs/explanations.json and docs/explanations.md.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

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
    lines = []
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
    return TEXT.format(rows="\n".join(lines), methods=methods, commits=commits)


TEXT = """# Explanations and their faithfulness

`deepglass explain RUN SOURCE` gives the attribution of each column, word, region or time step to a prediction: in
log-odds of a class, of an object or of a mask's class, in the unit of a number, in the log-probability of a word. An
explanation that looks right may say nothing about the network (Adebayo et al., 2018), so each full one is tested:

- **Completeness** (Sundararajan et al., 2017): the attributions add up to the row's score less the baseline's.
  `completeness_gap` is the rest, as a share of that difference; the number of steps is doubled until it is below 0.02
  or there are 512 steps (camvid: 32).
- **Weight randomization** (after Adebayo et al., 2018): the rank correlation with the explanation of the same network
  whose weights are in a random order. Near 0 is right: the explanation depends on what was learned.
- **Deletion and insertion** (Petsiuk et al., 2018): the area under the score curve, 1 being the row's own score and 0
  the baseline's, while the largest attributions are removed first (lower is better) or inserted first (higher is
  better), beside random orders; in brackets the share of rows in which our order is better than random. Images and
  spectrograms are deleted in blocks, 16 x 16 to an image, since single missing pixels are only noise to a network.
- **Standard errors**: each Shapley value of a column has one, over the background rows and, where permutations are
  sampled, over these: "error" in JSON, ± in the terminal and in the report. A target none of whose columns exceeds two
  standard errors is not drawn. Integrated gradients have a fixed baseline and no such error.
- **Fast mode**: the rank correlation of `--fast` with the full mode, and its cost in predictions (three passes: the
  prediction, one forward and one backward pass at the middle of the path; CPU time). It explains the sum of a
  prediction's targets.

| data | test metric | rows | gap (largest) | randomization | deletion, ours / random | insertion, same | fast | cost |
|---|---|---|---|---|---|---|---|---|
{rows}

Medians over test rows at equal distances in the test split, one seed, short trainings. Methods:

{methods}

Limits: the baseline is a choice (the mean colour, no word, each band at its own mean, other rows' columns), and another
one gives other attributions. Correlated columns are replaced independently, so the network also sees rows that never
occur. A good curve shows that the order is right, not each attribution.

Expected gradients (Erion et al., 2019: eight other rows as baselines, four steps each) were tried instead. Validation
rows, insertion, ours / expected gradients: mnist 0.76 / 0.81, spoken_digits 0.99 / 1.04 (16 rows each), but camvid
0.88 / 0.69 (3 test rows); deletion was worse on all three (0.00 / 0.03, -0.04 / 0.09, 0.12 / 0.29).

On synthetic data the cause of a prediction is known. That explanations find it is tested in
`tests/explain/test_explain_causes.py` (columns, an image patch, a word for three networks, a frequency band, a time
step, a word for its own tag, a translated word, a mask's region) and `test_explain_locations.py` (words of a caption,
frame and region of a video, one of two images, the lag of a series). `test_explain_contract.py` tests each kind of
input and output, with missing values and empty rows.

Command: `python benchmarks/explanations.py`, measured at {commits}. Trainings are limited by steps, so the load of the
machine changes the time only. The numbers of each row are in [explanations.json](explanations.json).
"""

if __name__ == "__main__":
    main()
