"""Intervals of numbers whose width follows the row, in whole runs."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

import deepglass
from deepglass.features.outputs.number import NumberPrediction
from deepglass.nn.encoders_heads import ScaledHead
from deepglass.nn.tokens import Tokens
from deepglass.run.run import Run

SMALL = {"trunk": "mlp", "width": 128, "depth": 1, "ensemble_size": 8}


def _table(count: int, seed: int = 0) -> pl.DataFrame:
    """Noise that is twenty times as large where `x` is large; the target does not depend on `x` itself."""
    generator = np.random.default_rng(seed)
    x, z = generator.uniform(0, 1, (2, count))
    return pl.DataFrame({"x": x, "z": z, "y": 3 * z + np.exp(3 * x) / 20 * generator.normal(size=count)})


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    out = tmp_path_factory.mktemp("scales") / "run"
    split = {"valid": 0.25, "test": 0.25}
    return deepglass.train(
        _table(2400), "y", out=out, steps=300, network=SMALL, split=split, baselines=False, training={"threads": 1}
    )


def test_the_width_follows_the_row(run: Run) -> None:
    rows = _table(4000, seed=1)
    predicted = run.predict(rows)
    width, inside = (
        predicted["y.high"] - predicted["y.low"],
        rows["y"].is_between(predicted["y.low"], predicted["y.high"]),
    )
    easy, hard = rows["x"] < 0.2, rows["x"] > 0.8
    assert width.filter(hard).mean() > 4 * width.filter(easy).mean()
    constant = run.predictor.calibration["y"]["constant_half_width"]
    inside_constant = (rows["y"] - predicted["y"]).abs() <= constant
    assert inside_constant.filter(hard).mean() < 0.65
    assert inside_constant.filter(easy).mean() > 0.99
    for part in (easy, hard):
        assert inside.filter(part).mean() == pytest.approx(0.9, abs=0.1)
    metrics = run.metrics["test"]["y"]
    assert metrics["interval_coverage"] == pytest.approx(0.9, abs=0.04)
    assert 0 < metrics["interval_width"] < 2 * run.predictor.calibration["y"]["constant_half_width"]
    assert "constant_intervals" not in run.metrics


def test_the_scale_of_an_ensemble_is_that_of_its_mean_embedding() -> None:
    generator = torch.Generator().manual_seed(0)
    head, members = ScaledHead(4, [0.0]), 3
    embeddings = 5 * torch.randn(6 * members, 1, 4, generator=generator)
    head.scale_weight.copy_(torch.randn(1, 4, generator=generator))
    params = head(Tokens(embeddings, torch.ones(len(embeddings), 1, dtype=torch.bool)))
    scale = NumberPrediction(params, 0.0, 1.0).ensemble_mean(members).mode()["scale"]
    mean = embeddings[:, 0].reshape(6, members, 4).mean(1)
    torch.testing.assert_close(scale, (mean @ head.scale_weight[0]).exp())


def test_a_row_alone_has_the_interval_that_it_has_in_a_table(run: Run) -> None:
    rows = _table(5, seed=2)
    together = run.predictor.predict(rows)
    for row, expected in zip(rows.to_dicts(), together, strict=True):
        assert run.predict(row)[0]["y"] == pytest.approx(expected["y"], rel=1e-5)
    assert Run(run.path).predictor.predict(rows) == together


def test_few_validation_rows_give_one_width_and_say_so(tmp_path: Path) -> None:
    run = deepglass.train(_table(300), "y", out=tmp_path / "run", steps=20, network=SMALL, baselines=False)
    predicted = run.predict(_table(50, seed=1))
    assert (predicted["y.high"] - predicted["y.low"]).to_numpy() == pytest.approx(
        2 * run.predictor.calibration["y"]["half_width"]
    )
    why = "30\N{NO-BREAK SPACE}validation rows, and 100 are needed for a width that follows the row"
    assert run.metrics["constant_intervals"] == {"y": why}


def test_each_entry_of_a_vector_has_its_own_width(tmp_path: Path) -> None:
    """The first entry is noisy where `x` is large, the second where it is small, the third everywhere."""
    generator = np.random.default_rng(0)
    x, z = generator.uniform(0, 1, (2, 1600))
    noise = generator.normal(size=(3, 1600)) * np.stack([np.exp(3 * x) / 20, np.exp(3 - 3 * x) / 20, 0 * x + 0.3])
    vectors = [*(np.stack([3 * z, -3 * z, z]) + noise).T.round(6)]
    vectors[7][1] = np.nan  # a row with an entry that is missing
    frame = pl.DataFrame({"x": x, "z": z, "y": vectors})
    run = deepglass.train(
        frame, "y", kinds={"y": "vector"}, out=tmp_path / "run", steps=150, network=SMALL, baselines=False,
        split={"valid": 0.3, "test": 0.3}, training={"threads": 1},
    )  # fmt: skip
    calibration = run.predictor.calibration["y"]
    assert len(calibration["scale_range"]) == 3
    assert calibration["scale_range"][2] == [1, 1]  # no width that follows the row is better there
    assert calibration["half_width"][2] == calibration["constant_half_width"][2]
    opened = Run(run.path)
    rows = [{"x": value, "z": 0.5} for value in (0.05, 0.95)]
    few, many = ([np.subtract(p["y"]["high"], p["y"]["low"]) for p in r.predict(rows)] for r in (run, opened))
    assert np.array_equal(few, many)
    easy, hard = few
    assert hard[0] > 3 * easy[0]
    assert easy[1] > 3 * hard[1]
    assert easy[2] == pytest.approx(hard[2])
    assert run.metrics["test"]["y"]["interval_coverage"] == pytest.approx(0.9, abs=0.05)
