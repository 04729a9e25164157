"""Cross-validation: one run per fold, and their mean and standard deviation in the folder above."""

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from statistics import fmean, stdev
from typing import Any

import polars as pl

from deepglass.run.folder import Folder
from deepglass.spec.spec import Spec

Metrics = Mapping[str, Mapping[str, float]]  # output -> metric -> value


def is_many(spec: Spec) -> bool:
    """Whether a spec asks for cross-validation."""
    return spec.data.split.folds is not None and spec.data.split.fold is None


def fold_specs(spec: Spec) -> list[Spec]:
    """The spec of each fold; a time budget is divided equally."""
    split = spec.data.split
    assert split.folds is not None
    budget = spec.training.budget
    training = spec.training if budget is None else replace(spec.training, time=budget / split.folds)
    datas = (replace(spec.data, split=replace(split, fold=i)) for i in range(split.folds))
    return [replace(spec, data=data, training=training) for data in datas]


def summarise(folder: Folder, started: float) -> None:
    """Store mean and standard deviation of the folds' metrics, and the predictions for all rows.

    Args:
        started: `time.perf_counter()` when the command began, for the total.
    """
    folds = [Folder(path) for path in folder.folds()]
    fold_metrics = [fold.metrics() for fold in folds]
    frames = [frame for f in folds if (frame := f.predictions()) is not None]
    if frames:
        folder.store_predictions(pl.concat(frames, how="vertical_relaxed").sort("row"))
    names = ("device", "precision", "seed", "parameters", "versions")
    outputs = dict.fromkeys(output for m in fold_metrics for output in m["baselines"])
    metrics: dict[str, Any] = {
        "train": mean([m["train"] for m in fold_metrics]),
        "valid": mean([m.get("valid", {}) for m in fold_metrics]),
        "test": mean([m["test"] for m in fold_metrics]),
        "spread": spread([m["test"] for m in fold_metrics]),
        "baselines": {o: mean([m["baselines"].get(o, {}) for m in fold_metrics]) for o in outputs},
        "folds": [
            {"run": f.path.name, "test": m["test"], "seconds": m["seconds"]} for f, m in zip(folds, fold_metrics)
        ],
        "seconds": {
            "train": round(sum(m["seconds"]["train"] for m in fold_metrics), 3),
            "total": round(time.perf_counter() - started, 3),
        },
        "examples_per_second": round(fmean(m["examples_per_second"] for m in fold_metrics), 1),
        **{name: fold_metrics[0][name] for name in names},
        "weights_sha256": hashlib.sha256("".join(m["weights_sha256"] for m in fold_metrics).encode()).hexdigest(),
        "stop_reason": "done",
        "step": sum(m["step"] for m in fold_metrics),
        "notes": list(dict.fromkeys(note for m in fold_metrics for note in m["notes"])),
    }
    folder.store_summary(metrics)


def mean(folds: Sequence[Metrics]) -> dict[str, dict[str, float]]:
    """The mean of each metric over the folds that have it."""
    return _combined(folds, fmean, 1)


def spread(folds: Sequence[Metrics]) -> dict[str, dict[str, float]]:
    """The standard deviation of each metric over the folds that have it; none for a single fold."""
    return _combined(folds, stdev, 2)


def _combined(
    folds: Sequence[Metrics], statistic: Callable[[Sequence[float]], float], min_count: int
) -> dict[str, dict[str, float]]:
    gathered: dict[str, dict[str, list[float]]] = {}
    for fold in folds:
        for output, metrics in fold.items():
            for metric, value in metrics.items():
                gathered.setdefault(output, {}).setdefault(metric, []).append(value)
    return {o: {m: statistic(v) for m, v in ms.items() if len(v) >= min_count} for o, ms in gathered.items()}
