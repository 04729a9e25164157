"""Overfitting test of the detector: sixteen images with many classes, training and test rows alike.

    python benchmarks/sixteen.py [SOURCE] [--steps 180]     # default: data:coco128; a minute on two cores

A detector that cannot overfit sixteen images has a fault; success says nothing about generalisation.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

import numpy as np

import deepglass
from deepglass.data.sources import read

os.environ.setdefault("DEEPGLASS_DATA", str(Path(__file__).parents[2] / "shared" / "data"))


def main(source: str, steps: int) -> None:
    few = read(source).take(np.arange(16))
    spec = {
        "data": {"source": few, "split": {"test": 0, "valid": 0}},
        "outputs": [{"name": "boxes", "num_levels": 4}],
        "network": {"trunk": "resnet", "width": 32, "depth": 1, "downsample_stem": True},
        "training": {"steps": steps, "batch_size": 16, "augment": False},
    }
    with tempfile.TemporaryDirectory() as folder:
        run = deepglass.train(spec, out=Path(folder) / "run", baselines=False)
        print(run.evaluate(few)["boxes"], f"{run.metrics['seconds']['train']:.0f} s of training")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("source", nargs="?", default="data:coco128")
    parser.add_argument("--steps", type=int, default=180)
    arguments = parser.parse_args()
    main(arguments.source, arguments.steps)
