"""Explanations find the causal location in an input or the causal input: captions, videos, images, series."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import deepglass
from deepglass.run.run import Run

QUICK = {"threads": 1, "augment": False, "precision": "float32"}


def noise(*shape: int, seed: int = 0) -> tuple[np.random.Generator, np.ndarray]:
    random = np.random.default_rng(seed)
    return random, random.integers(0, 120, shape, dtype=np.uint8)


def trained(folder: Path, source: dict[str, Any], output: dict[str, Any], steps: int, **spec: Any) -> Run:
    inputs = [{"name": n, **({"kind": k} if isinstance(k, str) else k)} for n, k in spec.pop("inputs").items()]
    training = {**QUICK, "steps": steps, **spec.pop("training", {})}
    whole = {"data": {"source": source}, "inputs": inputs, "outputs": [output], "training": training, **spec}
    return deepglass.train(whole, out=folder / "run", baselines=False)


def test_each_word_of_a_caption_is_attributed_to_its_half(tmp_path: Path) -> None:
    """The first word depends on the left half, the second on the right half."""
    random, pictures = noise(300, 16, 24)
    lit = random.random((300, 2)) < 0.5
    tops = random.integers(1, 9, (300, 2))
    for half in (0, 1):
        for i in np.flatnonzero(lit[:, half]):
            left = 3 + 12 * half
            pictures[i, tops[i, half] : tops[i, half] + 6, left : left + 6] = 250
    words = [f"{'sun' if a else 'night'} {'tree' if b else 'field'}" for a, b in lit]
    run = trained(
        tmp_path,
        {"image": pictures, "said": words},
        {"name": "said", "kind": "text", "num_beams": 1},
        80,
        inputs={"image": "image"},
        network={"trunk": "conv", "width": 8},
        training={"learning_rate": 0.003, "batch_size": 32},
    )
    assert run.metrics["test"]["said"]["accuracy"] > 0.9
    which = np.flatnonzero(lit.all(1))[:2].tolist()
    for row, i in zip(deepglass.explain(run, {"image": pictures}, which), which, strict=True):
        assert row["said"]["checks"]["completeness_gap"] < 0.05
        assert [q["target"] for q in row["said"]["targets"]] == ["sun", "tree"]
        for half, question in enumerate(row["said"]["targets"]):
            left, top, right, bottom = question["attributions"][0]["box"]
            centre = np.array([(top + bottom) / 2, (left + right) / 2])
            assert np.abs(centre - (tops[i, half] + 3, 6 + 12 * half)).max() <= 4


def test_a_flash_is_attributed_to_its_frame_and_region(tmp_path: Path) -> None:
    random, videos = noise(400, 6, 16, 16)
    labels = random.choice(["flash", "dark"], 400)
    frames, corners = random.integers(0, 6, 400), random.integers(0, 10, (400, 2))
    for i in np.flatnonzero(labels == "flash"):
        top, left = corners[i]
        videos[i, frames[i], top : top + 6, left : left + 6] = 250
    run = trained(
        tmp_path,
        {"clip": videos, "label": labels.tolist()},
        {"name": "label", "kind": "category"},
        60,
        inputs={"clip": {"kind": "video", "frames": 6}},
    )
    assert run.metrics["test"]["label"]["accuracy"] > 0.9
    which = np.flatnonzero(labels == "flash")[:4].tolist()
    for row, i in zip(deepglass.explain(run, {"clip": videos}, which), which, strict=True):
        best = row["label"]["attributions"][0]
        assert best["part"] == f"clip, frame {frames[i]}"
        left, top, right, bottom = best["box"]
        assert np.abs(np.array([(top + bottom) / 2, (left + right) / 2]) - (corners[i] + 3)).max() <= 3


def test_explanations_find_the_causal_image_of_two(tmp_path: Path) -> None:
    random, pictures = noise(400, 2, 16, 16)
    lit = random.random((400, 2)) < 0.5
    for i, which in zip(*np.nonzero(lit), strict=True):
        top, left = random.integers(0, 10, 2)
        pictures[i, which, top : top + 6, left : left + 6] = 250
    labels = np.where(lit[:, 1], "yes", "no")
    run = trained(
        tmp_path,
        {"first": pictures[:, 0], "second": pictures[:, 1], "label": labels.tolist()},
        {"name": "label", "kind": "category"},
        60,
        inputs={"first": "image", "second": "image"},
    )
    assert run.metrics["test"]["label"]["accuracy"] > 0.9
    which = np.flatnonzero(lit[:, 1])[:4]
    for row in deepglass.explain(run, {"first": pictures[which, 0], "second": pictures[which, 1]}):
        parts = {p["part"]: p["weight"] for p in row["label"]["attributions"]}
        assert parts["second"] > 3 * abs(parts["first"])


def test_explanations_find_the_causal_lag(tmp_path: Path) -> None:
    lag, walks = 3, np.random.default_rng(0).normal(size=(500, 6, 1)).astype(np.float32)
    run = trained(
        tmp_path,
        {"walk": walks, "next": 3 * walks[:, -lag, 0] + 1},
        {"name": "next", "kind": "number"},
        120,
        inputs={"walk": "sequence"},
        network={"trunk": "gru", "width": 32},
        training={"learning_rate": 0.01},
    )
    assert run.metrics["test"]["next"]["r2"] > 0.9
    for row, walk in zip(deepglass.explain(run, {"walk": walks[:4]}), walks, strict=False):
        if abs(walk[-lag, 0]) > 0.5:
            assert row["next"]["attributions"][0]["part"] == f"walk, step {6 - lag}"
            assert np.sign(row["next"]["attributions"][0]["weight"]) == np.sign(walk[-lag, 0])
