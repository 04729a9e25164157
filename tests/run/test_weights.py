"""Class weights and sample weights: what they change, what they leave honest, and what is refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import deepglass
from deepglass.errors import DataWarning, SpecError, UserError

SMALL: dict[str, Any] = {
    "network": {"trunk": "mlp", "width": 16, "depth": 1, "ensemble_size": 1},
    "training": {"threads": 1, "batch_size": 128},
    "steps": 100,
    "baselines": False,
}


def _frame(rows: int = 1000) -> pl.DataFrame:
    random = np.random.default_rng(0)
    x = random.normal(size=rows)
    sick = random.random(rows) < 1 / (1 + np.exp(3 - 2 * x))
    weights = np.where(random.random(rows) < 0.5, 4.0, 0.0)
    y = np.where(weights > 0, 3 * x, -3 * x)  # only the rows of weight 0 fall
    return pl.DataFrame({"x": x, "state": np.where(sick, "sick", "well"), "y": y, "w": weights})


@pytest.fixture(scope="module")
def balanced(tmp_path_factory: pytest.TempPathFactory) -> deepglass.Run:
    out = tmp_path_factory.mktemp("runs") / "balanced"
    outputs = {"state": {"class_weight": "balanced"}}
    return deepglass.train(_frame(), outputs=outputs, ignore=["y", "w"], out=out, **SMALL)


def test_class_weights_move_decisions_and_not_probabilities(balanced: deepglass.Run) -> None:
    rows = _frame()
    probability = balanced.predict_proba(rows)[:, 1]
    share = (rows["state"] == "sick").mean()
    assert probability.mean() == pytest.approx(share, abs=0.04), "as often as in the data"
    sick = (balanced.predict(rows)["state"] == "sick").to_numpy()
    assert sick.mean() > 1.5 * share, "the rarer class is predicted more often"
    assert (sick == (probability >= balanced.predictor.calibration["state"]["threshold"])).all()
    scores = balanced.metrics["test"]["state"]
    assert scores["balanced_accuracy"] > scores["balanced_accuracy_at_half"]
    assert any("class weights in the loss: well 0." in note for note in balanced.metrics["notes"])
    explained = deepglass.explain(balanced, rows[:1].to_dicts(), fast=True)[0]["state"]
    assert explained["attributions"]


def test_class_weights_of_several_classes(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    x = random.normal(size=900)
    classes = np.digitize(x + random.normal(0, 0.7, 900), [0.5, 1.6])
    run = deepglass.train(
        pl.DataFrame({"x": x, "c": classes}),
        "c",
        settings={"outputs.c.class_weight": {2: 9, 1: 2.0}},
        kinds={"c": "category"},
        out=tmp_path / "run",
        **SMALL,
    )
    frame = pl.DataFrame({"x": x})
    shares = np.bincount(classes) / len(x)
    assert run.predict_proba(frame).mean(0) == pytest.approx(shares, abs=0.05)
    predicted = run.predict(frame)["c"].to_numpy()
    assert (predicted == 2).mean() > 1.3 * shares[2]
    decoded = run.predict(frame[:20].to_dicts())
    assert [row["c"]["value"] for row in decoded] == predicted[:20].tolist()
    assert all(row["c"]["confidence"] == row["c"]["probabilities"][str(row["c"]["value"])] for row in decoded)
    assert deepglass.Run(tmp_path / "run").predict(frame)["c"].to_list() == predicted.tolist()


def test_sample_weights_enter_loss_and_metrics(tmp_path: Path) -> None:
    frame = _frame()
    run = deepglass.train(frame, "y", sample_weight="w", ignore=["state"], out=tmp_path / "run", **SMALL)
    assert [f.name for f in run.predictor.inputs] == ["x"]
    scores = run.metrics["test"]["y"]
    assert scores["r2"] > 0.95, "rows of weight 0 neither teach nor count"
    assert run.metrics["sample_weight"] == "w"
    assert any("weighted by 'w'" in note for note in run.metrics["notes"])
    assert "weighted by" in (tmp_path / "run" / "log.txt").read_text()
    with pytest.warns(DataWarning, match="weighted by 'w'"):
        assert run.evaluate(frame, include_trained=True)["y"]["r2"] > 0.95
    with pytest.warns(DataWarning, match="not weighted"):
        assert run.evaluate(frame.drop("w"), include_trained=True)["y"]["r2"] < 0.5
    assert run.predict(frame.drop("w")).height == len(frame)
    resumed = deepglass.resume(run.path, frame, steps=3)
    assert resumed.metrics["test"]["y"]["r2"] > 0.9


def test_baselines_are_weighted_too(tmp_path: Path) -> None:
    settings = {**SMALL, "baselines": True, "steps": 20}
    run = deepglass.train(_frame(600), "y", sample_weight="w", ignore=["state"], out=tmp_path / "run", **settings)
    assert run.metrics["baselines"]["y"]["linear"]["r2"] > 0.95
    assert "weighted by" in (tmp_path / "run" / "report.html").read_text()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"w": pl.lit(-1.0)}, ["bad-value", "'w'", "at least 0", "row 0", "-1.0"]),
        ({"w": pl.when(pl.int_range(pl.len()) == 7).then(None).otherwise(1.0)}, ["row 7", "None"]),
        ({"w": pl.lit("much")}, ["bad-value", "'w'", "numbers", "'much'"]),
        ({"w": pl.lit(0)}, ["bad-value", "training rows have the weight 0"]),
        ({"w": pl.lit(float("inf"))}, ["bad-value", "inf"]),
    ],
)
def test_wrong_sample_weights(change: dict[str, pl.Expr], says: list[str], tmp_path: Path) -> None:
    with pytest.raises(UserError) as error:
        deepglass.train(_frame(60).with_columns(**change), "y", sample_weight="w", out=tmp_path / "run", **SMALL)
    assert all(word in str(error.value) for word in says), str(error.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"sample_weight": "ww"}, ["unknown-column", "data.sample_weight", "'ww'", "'w'"]),
        ({"sample_weight": "state"}, ["data.sample_weight", "'state'", "outputs"]),
        ({"sample_weight": "w", "inputs": ["x", "w"]}, ["data.sample_weight", "'w'", "inputs"]),
        ({"sample_weight": "w", "objective": "dbn"}, ["data.sample_weight", "dbn", "supervised"]),
        ({"outputs.state.class_weight": "balancd"}, ["outputs.state.class_weight", "'balanced'"]),
        ({"outputs.state.class_weight": {"sic": 2}}, ["unknown-name", "class_weight", "'sic'", "'sick'"]),
        ({"outputs.state.class_weight": {"sick": 0}}, ["outputs.state.class_weight", "above 0"]),
    ],
)
def test_wrong_settings_of_weights(settings: dict[str, Any], says: list[str], tmp_path: Path) -> None:
    with pytest.raises(UserError) as error:
        deepglass.train(_frame(60), "state", settings=settings, out=tmp_path / "run", steps=1)
    assert all(word in str(error.value) for word in says), str(error.value)
    assert not (tmp_path / "run").exists()


def test_a_stored_bias_has_one_number_per_class(balanced: deepglass.Run) -> None:
    feature = balanced.predictor.outputs[0]
    assert json.dumps(feature.state())
    with pytest.raises(SpecError, match="bias: expected 2 numbers"):
        feature.restore_calibration({"temperature": 2.0, "bias": [0.1]}, "calibration.state")
