"""What follows training: the baselines beside it, and the report."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deepglass.baselines import baselines
from deepglass.baselines.random_policy import random_policy
from deepglass.objectives.base import Objective
from deepglass.prepare.prepared_data import PreparedData
from deepglass.projection.points import Tested
from deepglass.projection.projection import AS_USUAL, Wish
from deepglass.report.data import ReportContext, ReportData, ReportOptions
from deepglass.report.write import write_report
from deepglass.run.folder import Folder
from deepglass.run.labelled_only import NAME, labelled_alone

BASELINE_SECONDS = 8.0  # for all outputs together


def add_baselines(folder: Folder, prepared: PreparedData, metrics: Mapping[str, Any], started: float) -> None:
    """Fit the baselines on the training rows and store their test figures.

    Args:
        started: `time.perf_counter()` when the command began, for the total.
    """
    train, test = prepared.split_table("train"), prepared.split_table("test")
    found: dict[str, dict[str, dict[str, float]]] = {}
    if prepared.table.environment is not None:
        found = {folder.spec().objective["name"]: {"random": random_policy(prepared.table.environment)}}
    elif len(test):
        alone = labelled_alone(folder, folder.spec(), prepared, metrics["step"])
        answered = [f for f in prepared.outputs if f.name in metrics.get("test", {})]  # some only say what to draw
        share = BASELINE_SECONDS / max(len(answered), 1)
        for output in answered:
            beside = {NAME: alone[output.name]} if output.name in alone else {}
            found[output.name] = {**beside, **baselines(train, test, prepared.inputs, output, share)}
    seconds = {**metrics["seconds"], "total": round(time.perf_counter() - started, 3)}
    folder.store_metrics({**metrics, "baselines": {n: f for n, f in found.items() if f}, "seconds": seconds})


def add_report(
    folder: Folder,
    prepared: PreparedData,
    objective: Objective,
    tested: Tested | None = None,
    samples: bool = True,
    wish: Wish = AS_USUAL,
    pair: tuple[str, str] | None = None,
) -> Path:
    """Write report.html and say where it is.

    Args:
        tested: the answers to the test rows; None: they are asked for.
        samples: False leaves out whatever shows single rows or their values; the names of classes stay.
        wish: how the map is laid out, and whose space it shows.
        pair: columns whose boundary is drawn; None: those that tell most.
    """
    calibration = folder.read_json("features.json")["calibration"]
    context = ReportContext(folder, prepared, objective, calibration, folder.plan().device)
    path = folder.path / "report.html"
    write_report(ReportData(context, ReportOptions(samples, wish, pair), tested), path)
    return path
