"""A callback that only displays never ends a training, and does not change it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Command, made_up

import deepglass
from deepglass.cli.progress import ProgressBar
from deepglass.failures import DisplayWarning
from deepglass.training.callbacks import Callback, EvaluationRecord

HOOKS = [name for name in vars(Callback) if name.startswith("on_")]


def trained(out: Path, *callbacks: Callback) -> deepglass.Run:
    settings: dict[str, Any] = {"training": {"threads": 1}, "baselines": False, "steps": 6}
    return deepglass.train(made_up(60), "price", out=out, callbacks=list(callbacks), **settings)


class Broken(ProgressBar):
    """Fails in each of its hooks."""

    def __init__(self, hooks: list[str]) -> None:
        super().__init__()
        self.hooks, self.failed, self.closed = hooks, 0, False

    def __getattribute__(self, name: str) -> Any:
        return super().__getattribute__("fail" if name.startswith("on_") and name in self.hooks else name)

    def fail(self, *arguments: object) -> None:
        self.failed += 1
        raise StopIteration

    def close(self) -> None:
        self.closed = True
        raise ValueError("closed twice")


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(trained(tmp_path_factory.mktemp("whole") / "run").metrics["weights_sha256"])


@pytest.mark.parametrize("hooks", [["on_data_ready"], ["on_evaluation_end"], ["on_train_end"], HOOKS], ids=len)
def test_a_display_that_fails_is_switched_off(weights: str, hooks: list[str], tmp_path: Path) -> None:
    display = Broken(hooks)
    with pytest.warns(DisplayWarning, match="Broken failed in .* and is switched off; training goes on") as warned:
        run = trained(tmp_path / "run", display)
    assert display.failed == len(warned) == 1
    assert display.closed
    traceback = str(warned[0].message).rpartition(" ")[2]
    assert "StopIteration" in Path(traceback).read_text()
    assert run.metrics["weights_sha256"] == weights


def test_other_callbacks_end_the_training(tmp_path: Path) -> None:
    class Failing(Callback):
        def on_evaluation_end(self, record: EvaluationRecord) -> None:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        trained(tmp_path / "run", Failing())


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e300, 1e-300, 0.0])
@pytest.mark.parametrize("valid", [{}, {"y": {}}, {"y": {"rmse": 0.0}}])
def test_the_progress_bar_shows_any_record(value: float, valid: dict[str, dict[str, float]]) -> None:
    metrics = {name: dict.fromkeys(values, value) for name, values in valid.items()}
    record = EvaluationRecord(1, value, 1.0, value, {"network": value}, {}, value, metrics, event="non-finite loss")
    ProgressBar().on_evaluation_end(record)


def test_integers_beyond_float_precision_train_with_all_displays(command: Command, tmp_path: Path) -> None:
    """A chart's axis had no tick for them, and the progress bar no metric."""
    rows = [f"{10**30 + 10**15 * i},{i**2 % 7 / 3},{np.sin(i)}" for i in range(60)]
    (tmp_path / "huge.csv").write_text("\n".join(["a,b,y", *rows]))
    said = command("train", tmp_path / "huge.csv", "--target", "y", "--kind", "a=number", "--steps", "4", "--out",
                   tmp_path / "run")  # fmt: skip
    assert said.code == 0, said.err
    assert "switched off" not in said.err
    said = command("report", tmp_path / "run")
    assert said.code == 0, said.err
    assert "fault of deepglass" not in (tmp_path / "run" / "report.html").read_text()
