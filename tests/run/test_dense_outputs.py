"""Dense outputs from training to a loaded run: masks and images."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

import deepglass
from deepglass.data.table import Table
from deepglass.features.base import Media
from deepglass.features.outputs._dense import decode_png, decode_runs


def scenes(folder: Path, rows: int = 24) -> Table:
    """Images with a bright square and its masks; one mask has an index without a name."""
    random = np.random.default_rng(0)
    pictures, masks = [], []
    for i in range(rows):
        pixels, mask = random.integers(0, 90, (24, 32), dtype=np.uint8), np.zeros((24, 32), np.uint8)
        y, x = random.integers(0, 16, 2)
        pixels[y : y + 8, x : x + 8] += 150
        mask[y : y + 8, x : x + 8] = 1
        mask[0, 0] = 9 if i == 5 else 0
        for name, array, files in (("p", pixels, pictures), ("m", mask, masks)):
            path = folder / f"{name}{i}.png"
            Pillow.fromarray(array).save(path)
            files.append(Media(path.name, path))
    kinds, hints = {"image": "image", "mask": "mask"}, {"mask": {"names": ("ground", "square")}}
    return Table({"image": pictures, "mask": masks}, "scenes", kinds=kinds, hints=hints)


def test_a_segmentation_run_predicts_a_new_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    spec = {"data": {"source": scenes(tmp_path)}, "outputs": [{"name": "mask"}]}
    run = deepglass.train({**spec, "network": {"width": 8}, "training": {"epochs": 40, "threads": 1}}, out="run")
    figures = json.loads((tmp_path / "run/metrics.json").read_text())
    assert figures["test"]["mask"]["miou"] > figures["baselines"]["mask"]["constant"]["miou"] + 0.1
    assert any("m5.png" in note and "class 9 has no name" in note for note in figures["notes"])
    assert (tmp_path / "run/report.html").exists()
    wide = np.zeros((30, 90), np.uint8)
    wide[10:20, 40:50] = 240
    answer = run.predict([{"image": wide}])[0]["mask"]
    assert decode_runs(answer["value"]).shape == (30, 90)
    assert set(answer["shares"]) <= {"ground", "square"}
    assert 0 < answer["confidence"] <= 1
    json.dumps(answer)


def test_a_colourisation_run_predicts_a_new_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    pictures = np.random.default_rng(0).integers(0, 256, (24, 16, 16, 3), dtype=np.uint8)
    spec = {
        "data": {"source": {"image": pictures}},
        "inputs": [{"name": "grey", "column": "image", "kind": "image", "mode": "grayscale", "size": [8, 8]}],
        "outputs": [{"name": "colour", "column": "image", "kind": "image"}],
        "training": {"steps": 2, "threads": 1},
    }
    run = deepglass.train(spec, out="run")
    assert np.isfinite(run.metrics["test"]["colour"]["psnr"])
    answer = run.predict([{"image": pictures[0]}])[0]["colour"]
    assert decode_png(answer["value"]).shape == (16, 16, 3)
    assert (tmp_path / "run/report.html").exists()
