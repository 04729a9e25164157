"""Losses and metrics that are functions of the user."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from torch.nn import functional

import deepglass
from deepglass.errors import UserError
from deepglass.features.outputs.category import CategoryPrediction
from deepglass.nn.tokens import Field

SMALL: dict[str, Any] = {
    "network": {"trunk": "mlp", "width": 16, "depth": 1, "ensemble_size": 1},
    "training": {"threads": 1, "batch_size": 128},
    "steps": 80,
    "baselines": False,
}
SOURCE = '''
import numpy as np

def costly_below(predicted, target):
    """A number too low costs four times as much as one too high."""
    error = target - predicted
    return (4 * error).maximum(-error)

def within_one(truth, predicted):
    return np.mean(np.abs(truth - predicted) <= 1)
'''


def costly_below(predicted: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    error = target - predicted
    return (4 * error).maximum(-error)


def scalar(predicted: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return functional.mse_loss(predicted, target)


def detached(predicted: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return (predicted.detach() - target).abs()


def margin(log_probs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    return functional.nll_loss(log_probs, labels, reduction="none") * (1 + labels)


def within_one(truth: np.ndarray, predicted: np.ndarray) -> float:
    return float(np.mean(np.abs(truth - predicted) <= 1))


def share_of_b(truth: np.ndarray, predicted: np.ndarray) -> float:
    return float(np.mean(predicted == "b"))


def text(truth: np.ndarray, predicted: np.ndarray) -> str:
    return "good"


def _frame(rows: int = 1000) -> pl.DataFrame:
    random = np.random.default_rng(0)
    x = random.uniform(-1, 1, rows)
    y = 1000 + 50 * x + random.exponential(20, rows)
    return pl.DataFrame({"x": x, "y": y, "c": np.where(x > 0, "a", "b")})


def test_a_loss_of_numbers_in_their_unit(tmp_path: Path) -> None:
    outputs = {"y": {"loss": costly_below, "metrics": [within_one, "mape"]}}
    run = deepglass.train(_frame(), outputs=outputs, inputs=["x"], out=tmp_path / "run", **SMALL)
    predicted = run.predict(_frame())
    assert (_frame()["y"] <= predicted["y"]).mean() == pytest.approx(0.8, abs=0.06)  # 4 : 1, the 80 % quantile
    metrics = run.metrics["test"]["y"]
    assert 0 <= metrics["within_one"] < 0.2
    assert "mape" in metrics
    again = deepglass.Run(tmp_path / "run")  # the loss exists in this process
    assert again.predict(_frame()).equals(predicted)
    assert deepglass.evaluate(again, _frame(), include_trained=True)["y"]["within_one"] >= 0


def test_a_loss_and_a_metric_of_classes(tmp_path: Path) -> None:
    outputs = {"c": {"loss": margin, "metrics": [share_of_b]}}
    run = deepglass.train(_frame(), outputs=outputs, inputs=["x"], out=tmp_path / "run", **SMALL)
    assert run.metrics["test"]["c"]["share_of_b"] == pytest.approx(0.5, abs=0.15)
    assert run.metrics["test"]["c"]["accuracy"] > 0.9
    logits, labels = torch.randn(20, 3), torch.randint(0, 3, (20,))
    target = Field(labels + 1, torch.ones(20, dtype=torch.bool))
    losses = CategoryPrediction(logits, own_loss=margin).loss(target)
    assert torch.allclose(losses, functional.cross_entropy(logits, labels, reduction="none") * (1 + labels))


@pytest.mark.parametrize(
    ("outputs", "says"),
    [
        ({"y": {"loss": scalar}}, "outputs.y.loss: expected a tensor with the loss of each row, of shape"),
        ({"y": {"loss": detached}}, "detached has no gradient"),
        ({"y": {"loss": lambda a, b: (a - b).abs()}}, "outputs.y.loss: a lambda"),
        ({"y": {"loss": costly_below, "quantile": 0.9}}, "outputs.y.quantile"),
        ({"y": {"metrics": [text]}}, "outputs.y.metrics: expected a number from"),
        ({"y": {"loss": "nowhere:fn"}}, "cannot import 'nowhere:fn'"),
        ({"y": {"loss": "math:sqroot"}}, "has no 'sqroot'; did you mean 'sqrt'"),
        (
            {"y": {"loss": "my loss:fn"}},
            "expected one of squared, absolute, huber, poisson, quantile or module:function",
        ),
        ({"c": {"loss": margin, "focal_gamma": 3}}, "outputs.c.focal_gamma"),
        ({"c": {"loss": margin, "label_smoothing": 0.1, "kind": "category"}}, "outputs.c.label_smoothing"),
    ],
)
def test_what_is_no_loss_or_metric_is_an_error(outputs: dict[str, Any], says: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as error:
        deepglass.train(_frame(60), outputs=outputs, inputs=["x"], out=tmp_path / "run", **SMALL)
    assert says in str(error.value)
    assert not (tmp_path / "run").exists()


def test_functions_of_a_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The user's names allow their module; a run needs --allow-code where it uses the functions."""
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(SOURCE)
    _frame(300).write_csv("a.csv")
    settings = {"outputs.y.loss": "mine:costly_below", "outputs.y.metrics": ["mine:within_one"]}
    run = deepglass.train("a.csv", "y", ignore=["c"], out="run", settings=settings, **{**SMALL, "steps": 5})
    assert Path("run/code/mine.py").read_text() == SOURCE
    assert "within_one" in run.metrics["test"]["y"]

    def command(*arguments: str) -> subprocess.CompletedProcess[str]:
        words = [sys.executable, "-m", "deepglass", *arguments]
        return subprocess.run(words, capture_output=True, text=True, check=False)

    assert command("predict", "run", "a.csv", "--out", "b.csv").returncode == 0  # needs neither
    refused = command("evaluate", "run", "a.csv")
    assert refused.returncode == 2
    assert "--allow-code mine" in refused.stderr
