"""Training examples per second on a GPU and on the CPU, and the accuracy of a run on the GPU.

    python benchmarks/gpu.py                 # a few minutes; needs no data sets
    python benchmarks/gpu.py --device cpu    # to try the script without a GPU

Each network is trained for some steps on random images (or rows of numbers) with the objective and optimizer of a run;
then scikit-learn's digits are trained on the device. Prints a table and JSON; the numbers are copied, with date and
hardware, into docs/performance.md.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

import deepglass
from deepglass.data.batches import ShuffledLoader
from deepglass.device import describe, fast_bfloat16, pick
from deepglass.prepare.prepare import prepare
from deepglass.run.build import build
from deepglass.spec.spec import Spec
from deepglass.training.planning import make_plan
from deepglass.training.trainer import Trainer

CASES = {  # trunk, batch size, side of the images (None: a table), settings
    "mlp, 32 columns": ("mlp", 512, None, {}),
    "conv, 32 x 32": ("conv", 256, 32, {"width": 32}),
    "resnet, 32 x 32": ("resnet", 256, 32, {}),
    "resnet, 224 x 224": ("resnet", 32, 224, {}),
}
SECONDS = 5.0


def main(device: str) -> None:
    target = pick(device)
    results: dict[str, dict[str, float]] = {}
    for name, (trunk, rows, side, settings) in CASES.items():
        results[name] = {}
        for where in dict.fromkeys(["cpu", str(target)]):
            results[name][where] = examples_per_second(trunk, rows, side, settings, where)
            print(f"{name:<22}{where:<8}{results[name][where]:>12,.0f} examples per second", flush=True)
    print(json.dumps({"device": describe(target), "examples_per_second": results, "digits": digits(str(target))}))


def examples_per_second(trunk: str, rows: int, side: int | None, settings: dict, device: str) -> float:
    """In the trainer's step, after warm-up, with the precision of the plan."""
    random = np.random.default_rng(0)
    count = 5 * rows
    if side is None:
        source: dict[str, Any] = {f"x{i}": random.normal(size=count) for i in range(32)}
        inputs = []
    else:
        source = {"image": random.integers(0, 255, (count, side, side, 3), np.uint8)}
        inputs = [{"name": "image", "size": [side, side]}]
    source["label"] = [f"class {i % 10}" for i in range(count)]
    spec = Spec.from_dict(
        {
            "data": {"source": source, "split": {"test": 0.1, "valid": 0.1}},
            "inputs": inputs,
            "outputs": [{"name": "label", "kind": "category"}],
            "network": {"trunk": trunk, **settings},
            "training": {"batch_size": rows, "steps": 10_000},
        }
    )
    experiment, prepared = prepare(spec)
    objective = build(experiment, device)
    data = prepared.datasets(device)["train"]
    objective.on_fit_start(data)
    plan = make_plan(experiment.spec.training, experiment.defaults, len(data), device)
    costs = Trainer().probe(objective, ShuffledLoader(data, rows, 0), plan, None, SECONDS)
    return rows / costs.step


def digits(device: str) -> dict[str, float]:
    """Accuracy and training time of a run on the device."""
    with tempfile.TemporaryDirectory() as folder:
        run = deepglass.train("sklearn:digits", out=Path(folder) / "run", time="10s", device=device, baselines=False)
        there = run.metrics["test"]["label"]["accuracy"]
        return {
            "accuracy": there,
            "seconds": run.metrics["seconds"]["train"],
            "fast_bfloat16": fast_bfloat16(pick(device)),
        }


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", default="cuda")
    main(parser.parse_args().device)
