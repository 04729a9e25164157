"""Label errors beside cleanlab's, on the same out-of-sample probabilities: `python benchmarks/doctor.py compare`.

Labels of ag_news and mnist are changed; training takes 200 steps (10,000 rows) or 150, on one thread. cleanlab, in a
Python that has it, gets the probabilities of the true class by which ours judges: those of the cross-fitted heads.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from fresh import DATA
from sklearn.metrics import average_precision_score

import deepglass
from deepglass.data.sources import read
from deepglass.doctor.label_noise import estimate_noise
from deepglass.doctor.labels import embed_rows, find_label_issues
from deepglass.run.callbacks.margins import margins_for_table

CLEANLAB = """
import json, sys, time
import numpy as np
from cleanlab.filter import find_label_issues
from cleanlab.rank import get_label_quality_scores
data = np.load(sys.argv[1])
start = time.process_time()
labels, probs = data["labels"], data["probs"]
flagged = find_label_issues(labels, probs, n_jobs=1)
quality = get_label_quality_scores(labels, probs)
seconds = time.process_time() - start
print(json.dumps({"flagged": np.flatnonzero(flagged).tolist(), "scores": (-quality).tolist(), "seconds": seconds}))
"""
PLANS = (("random", 0.05, 10_000), ("random", 0.2, 5_000), ("pairs", 0.1, 5_000))  # kind, share, rows
COMPARED_SEED = 77


def compare(folder: Path, python: str = "") -> dict[str, Any]:
    """Ours and cleanlab's label errors: average precision, precision and recall at each's own cut."""
    results: dict[str, Any] = {}
    for name, column in (("ag_news/train.csv", "text"), ("mnist", "image")):
        for kind, share, count in PLANS:
            key = f"{name} {kind} {share:.0%} of {count:,}"
            results[key] = _compared(
                Path(DATA) / name, column, kind, share, count, folder / f"{column}-{kind}-{share}", python
            )
            print(key, json.dumps(results[key]), file=sys.stderr)
    return results


def _compared(
    source: Path, column: str, kind: str, share: float, count: int, folder: Path, python: str
) -> dict[str, Any]:
    """Results of one set and plan.

    Args:
        kind: `random`: any other class; `pairs`: each class to the next one.
    """
    table, random = read(source), np.random.default_rng(COMPARED_SEED)
    truth = np.unique(np.asarray(table["label"]).astype(int), return_inverse=True)[1]
    rows = random.choice(len(truth), count, replace=False)
    truth = truth[rows]
    wrong = np.zeros(count, bool)
    wrong[random.choice(count, round(share * count), replace=False)] = True
    classes = int(truth.max()) + 1
    given = np.where(wrong, truth + (random.integers(1, classes, count) if kind == "random" else 1), truth) % classes
    data = {column: table.take(rows)[column], "label": np.array([f"c{k}" for k in given])}
    steps = 200 if count > 5_000 else 150
    run = deepglass.train(data, "label", out=folder, steps=steps, baselines=False, training={"threads": 1})
    data_table = read(data)
    margins = margins_for_table(run.folder, data_table, run.state)["label"]
    start = time.process_time()
    embedding = embed_rows(run.predictor, data_table).embedding
    names = tuple(f"c{k}" for k in range(classes))
    every = find_label_issues(embedding, given, names, np.arange(count), margins, min_probability=0.0)
    seconds = time.process_time() - start
    probability = np.zeros(count)
    probability[[e.row for e in every]] = [e.probability for e in every]
    results = {"ours": _scores(probability, probability >= 0.5, wrong, seconds)}
    if python:
        probs = np.exp(estimate_noise(embedding, given, classes, np.flatnonzero(np.isnan(margins))).log_probs)
        np.savez(folder / "probs.npz", labels=given, probs=probs / probs.sum(1, keepdims=True))
        command = [python, "-c", CLEANLAB, str(folder / "probs.npz")]
        told = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])
        flagged = np.isin(np.arange(count), told["flagged"])
        results["cleanlab"] = _scores(np.array(told["scores"]), flagged, wrong, told["seconds"])
    return {"accuracy": round(run.metrics["test"]["label"]["accuracy"], 3), **results}


def _scores(ranking: np.ndarray, flagged: np.ndarray, wrong: np.ndarray, seconds: float) -> dict[str, float]:
    right = int((flagged & wrong).sum())
    return {
        "average_precision": round(float(average_precision_score(wrong, ranking)), 3),
        "flagged": int(flagged.sum()),
        "precision": round(right / max(int(flagged.sum()), 1), 3),
        "recall": round(right / int(wrong.sum()), 3),
        "processor_seconds": round(seconds, 2),
    }
