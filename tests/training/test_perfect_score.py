"""Perfect test metrics raise an alarm that names the columns; good ones do not."""

from pathlib import Path

import numpy as np
import polars as pl

import deepglass
from deepglass.run.run import Run

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(1200, 3))
SMALL = {"trunk": "mlp", "width": 32, "depth": 1, "ensemble_size": 1}


def _train(y: np.ndarray, out: Path, **columns: np.ndarray) -> Run:
    table = pl.DataFrame({f"x{i}": X[:, i] for i in range(3)} | columns | {"y": y})
    split, training = {"test": 0.4, "valid": 0.1}, {"threads": 1}
    return deepglass.train(
        table, "y", out=out, steps=80, network=SMALL, split=split, baselines=False, training=training
    )


def test_a_column_that_holds_the_target_is_named(tmp_path: Path) -> None:
    y = np.where(X[:, 0] + RANDOM.normal(size=1200) > 0, "yes", "no")
    run = _train(y, tmp_path, paid=np.where(y == "yes", "A", "B"))
    (alarm,) = run.metrics["alarms"]
    assert alarm.startswith("y: accuracy 1 on 480 test rows is seldom honest; it rests on paid:")
    assert "known at prediction time?" in alarm
    assert alarm in run.metrics["notes"]


def test_good_metrics_raise_no_alarm(tmp_path: Path) -> None:
    run = _train(np.where(X[:, 0] + 0.3 * RANDOM.normal(size=1200) > 0, "yes", "no"), tmp_path)
    assert run.metrics["test"]["y"]["accuracy"] > 0.8
    assert "alarms" not in run.metrics
