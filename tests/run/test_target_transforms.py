"""Transformations of a target: learned on another scale, all else in the user's unit."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import deepglass
from deepglass.errors import UserError
from deepglass.features.outputs._target_transforms import TRANSFORMS
from deepglass.run.run import Run
from deepglass.training.callbacks import Callback

SMALL: dict[str, Any] = {
    "network": {"trunk": "mlp", "width": 16, "depth": 1, "ensemble_size": 2},
    "training": {"threads": 1, "batch_size": 128},
}


class Interrupt(Callback):
    """Interrupts the training after ten steps."""

    def on_evaluation_end(self, record: Any) -> None:
        if record.step >= 10:
            os.kill(os.getpid(), signal.SIGINT)


def _frame(rows: int = 900, seed: int = 0) -> pl.DataFrame:
    """Amounts over four orders of magnitude, with an error that is a factor."""
    random = np.random.default_rng(seed)
    x = random.uniform(-2, 2, rows)
    return pl.DataFrame({"x": x, "cost": np.exp(5 + 2 * x + random.normal(0, 0.3, rows))})


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    out = tmp_path_factory.mktemp("transforms") / "run"
    return deepglass.train(_frame(), outputs={"cost": {"transform": "log"}}, out=out, steps=150, **SMALL)


@pytest.mark.parametrize("name", TRANSFORMS)
def test_the_inverse_gives_the_numbers_back(name: str) -> None:
    import torch

    transform = TRANSFORMS[name]
    values = np.array([1e-6, 0.5, 1.0, 20.0, 3e5])
    assert np.allclose(transform.inverse(transform.forward(values)), values, rtol=1e-9)
    tensor = torch.tensor(values)
    assert np.allclose(transform.forward_tensor(tensor).numpy(), transform.forward(values))
    assert np.allclose(transform.inverse_tensor(transform.forward_tensor(tensor)).numpy(), values)
    assert np.isfinite(transform.inverse(np.array([-1e9, 1e9])).astype(np.float32)).all()


def test_answers_are_in_the_unit_of_the_column(run: Run) -> None:
    rows = _frame(2000, seed=1)
    predicted = run.predict(rows)
    assert (predicted["cost.low"] > 0).all()
    ratio = (predicted["cost"] / rows["cost"]).log()
    assert float(ratio.std()) < 0.4  # the error is a factor of exp(0.3)
    inside = rows["cost"].is_between(predicted["cost.low"], predicted["cost.high"])
    for part in (rows["cost"] < 50, rows["cost"] > 500):
        assert inside.filter(part).mean() == pytest.approx(0.9, abs=0.08)
    metrics, baselines = run.metrics["test"]["cost"], run.metrics["baselines"]["cost"]
    assert metrics["mae"] == pytest.approx((predicted["cost"] - rows["cost"]).abs().mean(), rel=0.4)
    assert baselines["linear"]["r2"] > 0.6  # the logarithm is linear in x; of the cost itself a line has 0.5


def test_an_explanation_is_in_the_unit_of_the_column(run: Run) -> None:
    explained = deepglass.explain(run, _frame()[:1])[0]["cost"]
    total = explained["baseline"] + sum(part["weight"] for part in explained["attributions"])
    assert total == pytest.approx(explained["value"], rel=0.05)


def test_a_resumed_run_ends_in_the_same_bits(tmp_path: Path) -> None:
    _frame().write_parquet(tmp_path / "costs.parquet")
    settings = {"outputs": {"cost": {"transform": "log"}}, "steps": 40, "baselines": False, **SMALL}
    whole = deepglass.train(tmp_path / "costs.parquet", out=tmp_path / "whole", **settings)
    half = deepglass.train(tmp_path / "costs.parquet", out=tmp_path / "half", callbacks=[Interrupt()], **settings)
    assert half.metrics["stop_reason"] == "interrupted"
    resumed = deepglass.resume(tmp_path / "half")
    assert resumed.metrics["weights_sha256"] == whole.metrics["weights_sha256"]
    rows = _frame(100, seed=2)
    assert whole.predict(rows).equals(Run(tmp_path / "half").predict(rows))
    stored = json.loads((tmp_path / "half" / "features.json").read_text())["outputs"][0]
    assert stored["transform"] == "log"
    assert stored["transformed_mean_"] == pytest.approx(5, abs=0.3)
    assert "a prediction is the geometric mean" in whole.predictor.outputs[0].notes()[0]


def test_targets_outside_of_the_domain_name_their_rows(tmp_path: Path) -> None:
    frame = _frame(200)
    costs = frame["cost"].to_list()
    costs[7], costs[150] = 0.0, -3.5
    frame = frame.with_columns(cost=pl.Series(costs))
    for settings in ({"transform": "log"}, {"transform": "log", "loss": "huber"}):
        with pytest.raises(
            UserError, match=r"numbers above 0 for transform: log, got 2 .*row 7 \(0.0\), row 150 \(-3.5"
        ):
            deepglass.train(frame, outputs={"cost": settings}, out=tmp_path / "run", steps=1, **SMALL)
    with pytest.raises(UserError, match=r"at least 0 for loss: poisson, got 1 others of 200: row 150 \(-3.5\)"):
        deepglass.train(frame, outputs={"cost": {"loss": "poisson"}}, out=tmp_path / "run", steps=1, **SMALL)


def test_wrong_settings_are_errors(tmp_path: Path) -> None:
    def message(settings: dict[str, Any]) -> str:
        with pytest.raises(UserError) as error:
            deepglass.train(_frame(100), outputs={"cost": settings}, out=tmp_path / "run", steps=1, **SMALL)
        return str(error.value)

    assert "expected one of log, log1p, sqrt, arcsinh, got 'logg'; did you mean 'log'" in message({"transform": "logg"})
    assert "poisson takes the logarithm" in message({"transform": "log", "loss": "poisson"})
    assert "no setting 'transfrom'; did you mean 'transform'" in message({"transfrom": "log"})
    assert "no setting 'transform'" in message({"kind": "category", "transform": "log"})


def test_new_rows_outside_of_the_domain_are_evaluated(run: Run) -> None:
    rows = pl.DataFrame({"x": [0.0, 1.0, 2.0], "cost": [-5.0, 1000.0, 8000.0]})
    metrics = deepglass.evaluate(run, rows)["cost"]
    assert all(np.isfinite(value) for value in metrics.values())
    assert metrics["interval_coverage"] < 1
