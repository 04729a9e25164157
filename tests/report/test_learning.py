"""The learning curves of a report: one loss on both sides, and what they say about the end of training."""

import json
from pathlib import Path

import numpy as np
import pytest
from report_values import report_of, section_html
from sklearn.datasets import load_diabetes

import deepglass
from deepglass.report.convergence import training_end
from deepglass.report.facts import HistoryPoint


def points(valid: list[float], train: list[float]) -> list[HistoryPoint]:
    return [HistoryPoint(10 * i, i, i, 1e-3, {"loss": t}, {"loss": v}) for i, (v, t) in enumerate(zip(valid, train), 1)]


@pytest.mark.parametrize(
    ("valid", "train", "ending"),
    [
        ([1, 0.8, 0.6, 0.7, 0.8, 0.9], [1, 0.7, 0.5, 0.4, 0.3, 0.2], "overfits"),
        ([1, 0.8, 0.6, 0.5, 0.4, 0.3], [1, 0.8, 0.6, 0.5, 0.4, 0.3], "falling"),
        ([1, 0.5, 0.4, 0.4, 0.4, 0.4, 0.399, 0.399], [1, 0.5, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4], "converged"),
        ([1, 1e-4, 1e-4, 1.2e-4, 1.3e-4, 1.3e-4], [1, 1e-3, 9e-4, 8e-4, 7e-4, 6e-4], "converged"),
        ([1, 0.5], [1, 0.5], "unknown"),
        ([], [], "unknown"),
    ],
)
def test_the_end_of_training_follows_from_the_losses(valid: list[float], train: list[float], ending: str) -> None:
    assert training_end(points(valid, train)) == ending


def test_both_losses_of_the_history_are_the_same_quantity(tmp_path: Path) -> None:
    """The log loss of an unbalanced target, not its share of a constant prediction's, which selects the weights."""
    frame = load_diabetes(as_frame=True).frame
    frame["target"] = np.where(frame["target"] > 220, "high", "low")
    deepglass.train(frame, target="target", steps=20, out=tmp_path / "run", baselines=False)
    records = [json.loads(line) for line in (tmp_path / "run" / "history.jsonl").read_text().splitlines()]
    assert records
    for record in records:
        assert record["valid_loss"] == pytest.approx(record["valid"]["target"]["log_loss"], rel=1e-3)
        assert record["monitor"] > 1.2 * record["valid_loss"]


@pytest.mark.parametrize("objective", ["pseudo_label", "gan", "autoencoder"])
def test_a_loss_that_is_not_the_training_loss_is_not_drawn_beside_it(objective: str, tmp_path: Path) -> None:
    frame = load_diabetes(as_frame=True).frame[:120]
    target = {"target": "target"} if objective == "pseudo_label" else {}
    settings = {"data": {"num_labels": 40}} if objective == "pseudo_label" else {}
    deepglass.train(frame, **target, steps=6, out=tmp_path / "run", baselines=False, objective=objective, **settings)
    records = [json.loads(line) for line in (tmp_path / "run" / "history.jsonl").read_text().splitlines()]
    assert all(record["valid_loss"] is None for record in records)


def test_no_chart_repeats_another() -> None:
    """R², RMSE and MSE of one output have one curve; all of them stand in the table."""
    losses = [4.0, 2.0, 1.0, 0.5]
    errors = [1.0, 1.2, 0.7, 0.9]
    history = tuple(
        HistoryPoint(i, i, i, 1e-3, {"loss": v}, {"loss": v, "mse": v, "rmse": v**0.5, "r2": 1 - v / 4, "mae": error})
        for i, (v, error) in enumerate(zip(losses, errors), 1)
    )
    html = section_html("learning", report_of(history=history))
    assert html.count('<svg class="chart') == 2
    assert all(name in html for name in ("RMSE", "MSE", "R²", "MAE"))
