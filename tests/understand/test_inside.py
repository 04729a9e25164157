"""Inside the network: illnesses planted and found, a healthy network left in peace, boundaries, visions."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import deepglass as dg
from deepglass.run.grounds import SIDE, moments_of
from deepglass.run.watching import Moment, alarms

SMALL = {"width": 24, "members": 1, "dropout": 0.0}


def _rings(rows: int = 300) -> pl.DataFrame:
    """Inside or outside of a circle: no straight line tells."""
    random = np.random.default_rng(0)
    x, y = random.uniform(-1, 1, (2, rows))
    return pl.DataFrame({"x": x, "y": y, "where": np.where(x**2 + y**2 < 0.5, "inside", "outside")})


def _train(path: Path, network: dict, training: dict | None = None, steps: int = 40, source: object = None) -> dg.Run:
    settings = {"trunk": "mlp", **SMALL, **network}
    data = _rings() if source is None else source
    return dg.train(
        data, "where", out=path, baselines=False, steps=steps, network=settings, training=training or {}, seed=1
    )


def _kinds(run: dg.Run) -> str:
    return " ".join(run.metrics["health"])


def test_a_healthy_network_raises_no_alarm(tmp_path: Path) -> None:
    run = _train(tmp_path / "run", {"depth": 2, "activation": "relu"}, steps=120)
    assert run.metrics["health"] == []
    assert run.metrics["test"]["where"]["accuracy"] > 0.8  # it is healthy indeed


def test_a_huge_rate_kills_relus(tmp_path: Path) -> None:
    run = _train(tmp_path / "run", {"depth": 3, "activation": "relu"}, {"learning_rate": 5.0})
    said = _kinds(run)
    assert "layer 3 (trunk.body." in said
    assert "(dead" in said
    assert "training.learning_rate (5)" in said
    assert "network.activation=leaky_relu" in said


def test_large_steps_saturate_tanh(tmp_path: Path) -> None:
    run = _train(tmp_path / "run", {"depth": 2, "activation": "tanh"}, {"learning_rate": 2.0})
    assert "saturated" in _kinds(run)
    assert "network.norm=layer" in _kinds(run)


def test_a_deep_sigmoid_network_has_vanishing_gradients(tmp_path: Path) -> None:
    run = _train(tmp_path / "run", {"depth": 10, "activation": "sigmoid"})
    (said,) = [s for s in run.metrics["health"] if "vanishing" in s]
    assert said.startswith("layer 1 (trunk.body.0)")
    assert "network.activation=relu" in said


def test_gradients_that_explode_are_named_with_the_clip() -> None:
    layer = "recurrent layer 1 (trunk.body.layers.0.0)"
    calm = Moment(10, {}, {}, {layer: 0.02}, 0.03, layer, 0.02)
    assert alarms([calm], "rnn", 0.01) == []
    (alarm,) = alarms([calm, Moment(20, {}, {}, {layer: 0.5}, 240.0, layer, 0.1)], "rnn", 0.01)
    assert alarm.layer == layer
    assert "240 times its weights" in alarm.text
    assert "training.clip=1" in alarm.cure
    assert "network=lstm" in alarm.cure
    (broken,) = alarms([calm, calm._replace(broken=2)], "rnn", 0.01, clip=1.0)
    assert "2 times" in broken.text
    assert "training.clip" not in broken.cure


def test_watching_changes_no_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = {"depth": 2, "activation": "relu", "dropout": 0.2}
    watched = _train(tmp_path / "a", network)
    monkeypatch.setattr("deepglass.run.fit.watched", lambda *_: [])
    monkeypatch.setattr("deepglass.run.fit.grounds", lambda *_: [])
    alone = _train(tmp_path / "b", network)
    assert not (alone.path / "health.jsonl").exists()
    assert watched.metrics["weights_sha256"] == alone.metrics["weights_sha256"]


def test_the_boundary_is_where_the_circle_is(tmp_path: Path) -> None:
    run = _train(tmp_path / "run", {"depth": 2}, steps=200)
    moments = moments_of(run.path)
    assert moments[0].step == 0
    assert moments[-1].step == 200
    ground = moments[-1].ground
    assert ground is not None
    line = np.linspace(-1.12, 1.12, SIDE)
    inside = (line[None] ** 2 + line[:, None] ** 2) < 0.5
    named = run.predictor.outputs[0].class_names.index("inside")
    assert ((ground.value.reshape(SIDE, SIDE) == named) == inside).mean() > 0.85


def test_the_report_shows_it_and_leaves_rows_out_when_asked(tmp_path: Path) -> None:
    run = _train(tmp_path / "run", {"depth": 2, "activation": "relu"}, steps=60)
    html = dg.report(run.path, source=_rings()).read_text()
    for title in ("Health of the network", "The boundary", "One example, layer by layer"):
        assert title in html
    assert 'class="rows"><circle' in html
    assert "The learned space" in html
    html = dg.report(run.path, samples=False, source=_rings()).read_text()
    assert "The boundary" in html
    assert "One example" not in html
    assert 'class="rows"><circle' not in html


def test_a_class_would_like_to_see_its_own_pictures(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    left = random.random(240) < 0.5
    pictures = random.integers(0, 40, (240, 16, 16)).astype(np.uint8)
    for picture, at in zip(pictures, left, strict=True):
        picture[:, 2:6] += np.uint8(180) * np.uint8(at)
        picture[:, 10:14] += np.uint8(180) * np.uint8(not at)
    names = np.where(left, "left", "right")
    run = dg.train((pictures, names), out=tmp_path / "run", baselines=False, steps=60, network="conv", seed=1)
    html = dg.report(run.path, source=(pictures, names)).read_text()
    assert "What it would like to see" in html
    assert "made for left" in html
    assert "map 1" in html
    assert json.loads((run.path / "metrics.json").read_text())["health"] == []
