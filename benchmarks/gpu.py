"""What a GPU brings: examples a second in training, on it and on the CPU, and whether a run there is right.

    python benchmarks/gpu.py                 # a few minutes; needs no data beyond scikit-learn's
    python benchmarks/gpu.py --device cpu    # only to try the script where there is none

For each network a batch of made-up pictures (or rows of numbers) is learned for some steps through the same objective
and optimizer as a run; then scikit-learn's digits are trained for real on the device and read back on the CPU. Prints a
table and JSON; the figures go by hand, with date and hardware, into docs/performance.md.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

import deepglass
from deepglass.data.batches import Dataset, ShuffledLoader
from deepglass.device import describe, fast_bfloat16, pick
from deepglass.features.image import Image
from deepglass.features.number import Number
from deepglass.features.outputs.category import CategoryOutput
from deepglass.networks.trunks.base import TRUNKS
from deepglass.run.build import build
from deepglass.spec.spec import Spec
from deepglass.training.planning import make_plan
from deepglass.training.trainer import Trainer

CASES = {  # trunk, rows a batch, side of the pictures (None: a table), settings
    "mlp, 32 columns": ("mlp", 512, None, {}),
    "conv, 32 x 32": ("conv", 256, 32, {"width": 32}),
    "resnet, 32 x 32": ("resnet", 256, 32, {}),
    "resnet, 224 x 224": ("resnet", 32, 224, {}),
}
SECONDS = 5.0


def main(device: str) -> None:
    target = pick(device)
    found: dict[str, dict[str, float]] = {}
    for name, (trunk, rows, side, settings) in CASES.items():
        found[name] = {}
        for where in dict.fromkeys(["cpu", str(target)]):
            found[name][where] = examples_per_second(trunk, rows, side, settings, where)
            print(f"{name:<22}{where:<8}{found[name][where]:>12,.0f} examples a second", flush=True)
    print(json.dumps({"device": describe(target), "examples_per_second": found, "digits": digits(str(target))}))


def examples_per_second(trunk: str, rows: int, side: int | None, settings: dict, device: str) -> float:
    """Through the trainer's own step, warm, with the precision that the plan would choose."""
    random = np.random.default_rng(0)
    count = 4 * rows
    labels = np.array([f"class {i % 10}" for i in range(count)])
    if side is None:
        raw = {f"x{i}": random.normal(size=count) for i in range(32)}
        inputs = [Number(name=n).fit([v]) for n, v in raw.items()]
    else:
        raw = {"image": random.integers(0, 255, (count, side, side, 3), np.uint8)}
        inputs = [Image(name="image", size=(side, side)).fit([raw["image"]])]
    label = CategoryOutput(name="label").fit([pl.Series("label", labels)])
    spec = Spec.from_dict({"data": {"source": "-"}, "network": {"trunk": trunk, **settings}})
    spec = replace(spec, training=replace(spec.training, batch_size=rows, steps=10_000))
    objective = build(spec, inputs, [label], device)
    data = Dataset(
        {f.name: f.encode(raw[f.name]) for f in inputs}, {"label": label.encode(pl.Series("label", labels))}, device
    )
    objective.on_fit_start(data)
    plan = make_plan(spec.training, TRUNKS.get(trunk).training_defaults, count, device)
    costs = Trainer().probe(objective, ShuffledLoader(data, rows, 0), plan, None, SECONDS)
    return rows / costs.step


def digits(device: str) -> dict[str, float]:
    """A run on the device, and its answers when it is read again on the CPU."""
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
