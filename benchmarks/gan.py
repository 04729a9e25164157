"""Samples of a GAN run judged by a classifier: agreement with the requested class, and Fréchet distance.

    python benchmarks/gan.py RUN [--judge RUN]     # RUN: of recipe:gan-digits; 4 minutes on two cores without a judge

The judge is a deepglass classifier of the same images. Printed are the share of 1,000 samples that it assigns to the
requested class, the Fréchet distance between samples and real images in its features, that between two halves of the
real images, and the number of samples per predicted class.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

import deepglass
from deepglass.data.batches import Batch
from deepglass.features.outputs._dense import decode_png
from deepglass.metrics import frechet_distance
from deepglass.nn.tokens import Field
from deepglass.prepare.sources import read_like
from deepglass.run.run import Run

os.environ.setdefault("DEEPGLASS_DATA", str(Path(__file__).parents[2] / "shared" / "data"))
ASKED = 100  # drawn of each class
REAL = 5_000  # pictures beside which the drawn ones are held


def main(path: str, judge: str | None, seconds: int) -> None:
    run = Run(path)
    with tempfile.TemporaryDirectory() as folder:
        classifier = Run(judge) if judge else trained(run, Path(folder) / "judge", seconds)
        compare(run, classifier)


def trained(run: Run, out: Path, seconds: int) -> Run:
    """A classifier of the pictures that the run learned from."""
    spec = {"data": run.spec.to_dict()["data"], "outputs": [f.name for f in run.predictor.outputs]}
    return deepglass.train({**spec, "training": {"time": seconds}}, out=out, baselines=False)


def compare(run: Run, judge: Run) -> None:
    label, picture = run.predictor.outputs[0], run.predictor.inputs[0]
    asked = [name for name in label.class_names for _ in range(ASKED)]
    rows = deepglass.sample(run, len(asked), given={label.name: asked})
    drawn = torch.from_numpy(np.stack([_codes(row[picture.name]["value"]) for row in rows]))
    said, features = answers(judge, drawn)
    right = np.array([answer == name for answer, name in zip(said, asked, strict=True)])
    table = read_like(run.spec.data, run.spec.data.source)
    places = np.flatnonzero(table.split == "test") if table.split is not None else np.arange(len(table))
    real = picture.encode(table.take(places[:REAL])[picture.column])
    _, real_features = answers(judge, torch.from_numpy(real.values))
    half = len(real_features) // 2
    counted = {name: int(sum(answer == name for answer in said)) for name in label.class_names}
    accuracy = judge.metrics.get("test", {}).get(label.name, {}).get("accuracy", float("nan"))
    print(f"judge: test accuracy {accuracy:.4f}")
    print(f"agreement: {right.mean():.4f} of {len(asked):,} samples have the requested class")
    apart = frechet_distance(features, real_features)
    floor = frechet_distance(real_features[:half], real_features[half:])
    print(f"frechet_distance: {apart:.2f} (between two halves of {2 * half:,} real images: {floor:.2f})")
    print(f"predicted classes: {counted}; all present: {all(counted.values())}")


def answers(judge: Run, pictures: Tensor) -> tuple[list[str], np.ndarray]:
    """The judge's classes and features of encoded images (N, C, Y, X)."""
    objective, name = judge.objective.eval(), judge.predictor.inputs[0].name
    label = judge.predictor.outputs[0]
    said: list[str] = []
    features = []
    with torch.inference_mode():
        for some in pictures.split(500):
            field = Field(some, torch.ones(len(some), dtype=torch.bool))
            batch = Batch({name: field}, {}, torch.arange(len(some)))
            log_probs = objective.predict(batch)[label.name].mode()["log_probs"]
            said += [label.class_names[k] for k in log_probs.argmax(1).tolist()]
            features.append(objective.embed(batch).numpy())
    return said, np.concatenate(features)


def _codes(value: Mapping[str, Any]) -> np.ndarray:
    """The pixels of a generated image, (C, Y, X) uint8."""
    pixels = decode_png(value)
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("run")
    parser.add_argument("--judge", default=None, help="a run that classifies the same images")
    parser.add_argument("--seconds", type=int, default=180, help="training time of the judge, without --judge")
    arguments = parser.parse_args()
    main(arguments.run, arguments.judge, arguments.seconds)
