"""What callbacks record in the run folder while a run trains."""

from pathlib import Path

import numpy as np
import polars as pl

import deepglass
from deepglass.run.callbacks.boundary_recorder import FOLDER


def trained(source: object, out: Path, **settings: object) -> deepglass.Run:
    return deepglass.train(source, "up", out=out, steps=6, baselines=False, training={"threads": 1}, **settings)


def test_the_decision_boundary_of_audio_is_recorded(tmp_path: Path) -> None:
    times = np.arange(1600) / 16_000
    tones = np.stack([np.sin(2 * np.pi * (200 + 20 * i) * times) for i in range(60)]).astype(np.float32)
    settings = {"inputs": [{"name": "tone", "kind": "audio"}], "network": {"trunk": "tcn", "width": 8}}
    run = trained({"tone": tones, "up": ["low"] * 30 + ["high"] * 30}, tmp_path / "run", **settings)
    assert sorted((run.path / FOLDER).glob("*.safetensors"))


def test_the_decision_boundary_of_sequences_is_recorded(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    walks = [rng.normal(i % 2, 1, 5 + i % 3).tolist() for i in range(60)]
    frame = pl.DataFrame({"walk": walks, "up": ["no", "yes"] * 30})
    run = trained(frame, tmp_path / "run", network={"trunk": "gru", "width": 8})
    assert [f.kind for f in run.state.experiment.inputs] == ["sequence"]
    assert sorted((run.path / FOLDER).glob("*.safetensors"))
