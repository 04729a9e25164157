"""A run's context: of a finished run, and of one that still trains."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import deepglass
from deepglass.run.context import RunContext
from deepglass.training.callbacks import Callback, EvaluationRecord

SETTINGS = {"network": {"width": 8}, "training": {"threads": 1}}


class Opens(Callback):
    """Opens the context of a run at an evaluation, in this process or in another."""

    def __init__(self, path: Path, at: int, other_process: bool = False) -> None:
        self.path, self.at, self.other_process = path, at, other_process
        self.context: RunContext | None = None
        self.output = ""
        self.optional: tuple[object, object, object] = (None, None, None)

    def on_evaluation_end(self, record: EvaluationRecord) -> None:
        if record.step < self.at or self.context is not None or self.output:
            return
        if not self.other_process:
            self.context = context = RunContext.open(self.path)
            assert len(context.history) > 0
            self.optional = context.metrics, context.predictions, context.calibration
            return
        code = f"from deepglass.run.context import RunContext; c = RunContext.open({str(self.path)!r}); "
        code += "print(len(c.data.table), len(c.history), dict(c.metrics), c.predictions, dict(c.calibration))"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        self.output = done.stdout.strip()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("context") / "run"
    deepglass.train("sklearn:iris", out=out, steps=20, baselines=False, network={"width": 8})
    return out


def test_a_finished_run_opens_with_all_fields(run: Path) -> None:
    context = RunContext.open(run)
    assert context.experiment.trunk == "mlp"
    assert context.experiment.split.by is None
    assert context.metrics["step"] == 20
    assert context.plan.last_step == 20
    assert context.predictions is not None
    assert len(context.predictions) == len(context.data.rows("test"))
    assert context.calibration
    again = context.objective.evaluate(context.data.datasets("cpu")["test"], 512).predictions["target"]
    predicted = np.array([d["value"] for d in context.experiment.outputs[0].decode(again, {})])
    assert (predicted == context.predictions["target.value"].to_numpy()).all()


@pytest.mark.parametrize("other_process", [False, True], ids=["callback", "second process"])
def test_a_run_opens_while_it_trains(tmp_path: Path, other_process: bool) -> None:
    opens = Opens(tmp_path / "run", 20, other_process)
    deepglass.train("sklearn:iris", out=opens.path, steps=60, baselines=False, callbacks=[opens], **SETTINGS)
    if other_process:
        assert opens.output.startswith("150 ")
        assert opens.output.endswith("{} None {}")
        return
    context = opens.context
    assert context is not None
    assert opens.optional == ({}, None, {})
    assert all(torch.isfinite(p).all() for p in context.objective.parameters())


def test_a_run_without_weights_is_an_error(run: Path, tmp_path: Path) -> None:
    for name in ("spec.yaml", "features.json", "split.parquet", "plan.json"):
        (tmp_path / name).write_bytes((run / name).read_bytes())
    with pytest.raises(deepglass.UserError, match=r"\[not-found\].*model.safetensors"):
        RunContext.open(tmp_path)
