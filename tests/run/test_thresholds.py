"""Decision thresholds by name: chosen on the validation rows, used wherever a class is predicted, and told."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import deepglass
from deepglass import metrics
from deepglass.errors import UserError

SMALL: dict[str, Any] = {
    "network": {"trunk": "mlp", "width": 16, "depth": 1, "ensemble_size": 1},
    "training": {"threads": 1, "batch_size": 128},
    "steps": 60,
    "baselines": False,
}


def _frame(rows: int = 1200) -> pl.DataFrame:
    random = np.random.default_rng(0)
    x = random.normal(size=rows)
    sick = random.random(rows) < 1 / (1 + np.exp(2 - 1.5 * x))
    size = np.digitize(x + random.normal(0, 0.8, rows), [-0.5, 1.0])
    tags = [[t for t, on in (("hot", x[i] > 0.5), ("wet", sick[i])) if on] for i in range(rows)]
    return pl.DataFrame({"x": x, "state": np.where(sick, "yes", "no"), "size": size, "tags": tags})


def _train(out: Path, target: str, threshold: Any, **settings: Any) -> deepglass.Run:
    outputs = {target: {"threshold": threshold, **settings}}
    return deepglass.train(_frame(), outputs=outputs, inputs=["x"], out=out, **SMALL)


def test_rules_choose_what_they_promise() -> None:
    random = np.random.default_rng(1)
    label = (random.random(500) < 0.3).astype(int)
    prob = np.clip(0.3 + 0.25 * (label - 0.3) + random.normal(0, 0.15, 500), 0, 1)

    def counts(threshold: float) -> tuple[int, ...]:
        positive = prob >= threshold
        return (
            int((positive & (label == 1)).sum()),
            int((positive & (label == 0)).sum()),
            int((~positive & (label == 1)).sum()),
        )

    thresholds = np.unique(np.concatenate([prob, [0.0, 1.1]]))
    tables = np.array([counts(t) for t in thresholds])
    tp, fp, fn = tables.T
    recall, precision = tp / (tp + fn), tp / np.maximum(tp + fp, 1)
    chosen = metrics.choose_threshold(prob, label, "recall", 0.8)
    assert chosen.recall >= 0.8
    assert chosen.precision == pytest.approx(precision[recall >= 0.8].max())
    chosen = metrics.choose_threshold(prob, label, "precision", 0.6)
    assert chosen.precision >= 0.6
    assert chosen.recall == pytest.approx(recall[precision >= 0.6].max())
    chosen = metrics.choose_threshold(prob, label, "cost", costs=(5.0, 1.0))
    tp_, fp_, fn_ = counts(chosen.threshold)
    assert 5 * fn_ + fp_ == (5 * fn + fp).min()
    tp_, fp_, fn_ = counts(metrics.choose_threshold(prob, label, "best_f1").threshold)
    assert 2 * tp_ / (2 * tp_ + fp_ + fn_) == pytest.approx((2 * tp / (2 * tp + fp + fn)).max())
    doubled = metrics.choose_threshold(prob, label, "precision", 0.6, weights=1.0 + label)
    assert doubled.precision >= 0.6
    assert doubled.threshold <= metrics.choose_threshold(prob, label, "precision", 0.6).threshold


def test_a_rule_is_used_and_told_everywhere(tmp_path: Path) -> None:
    run = _train(tmp_path / "run", "state", "recall>=0.9")
    threshold = run.predictor.calibration["state"]["threshold"]
    assert threshold < 0.4
    frame = _frame()
    predicted = (run.predict(frame)["state"] == "yes").to_numpy()
    assert (predicted == (run.predict_proba(frame)[:, 1] >= threshold)).all()
    scores = run.metrics["test"]["state"]
    assert scores["threshold"] == threshold
    assert scores["recall"] > 0.75
    assert run.metrics["valid"]["state"]["recall"] >= 0.9
    assert "'yes' is predicted from" in run.metrics["decisions"][0]
    assert "recall>=0.9 on 120 validation rows: precision" in run.metrics["decisions"][0]
    again = deepglass.Run(tmp_path / "run")
    assert again.evaluate(frame, include_trained=True)["state"]["threshold"] == threshold
    row = frame[int(np.flatnonzero(predicted)[0])].to_dicts()
    assert deepglass.explain(again, row, fast=True)[0]["state"]["value"] == "yes"


@pytest.mark.parametrize(
    ("threshold", "says"),
    [
        (0.2, "0.2 on (as set)"),
        ({"cost": {"fn": 9, "fp": 1}}, "9 for each false negative"),
        ("precision>=0.999", "precision>=0.999"),
    ],
)
def test_numbers_and_costs(threshold: Any, says: str, tmp_path: Path) -> None:
    run = _train(tmp_path / "run", "state", threshold, positive=True)
    assert says in run.metrics["decisions"][0]
    assert "those of 'yes'" in run.metrics["decisions"][0]


def test_costs_of_several_classes(tmp_path: Path) -> None:
    run = _train(tmp_path / "run", "size", {"cost": {2: {0: 20, 1: 20}}}, kind="category")
    probabilities, predicted = run.predict_proba(_frame()), run.predict(_frame())["size"].to_numpy()
    expected = (probabilities @ np.array([[0, 1, 1], [1, 0, 1], [20, 20, 0]])).argmin(1)
    assert (predicted == expected).all()
    assert (predicted == 2).mean() > 1.5 * (probabilities.argmax(1) == 2).mean()


def test_each_label_has_its_rule(tmp_path: Path) -> None:
    run = _train(tmp_path / "run", "tags", {"wet": "recall>=0.95", "hot": 0.9}, kind="multilabel")
    names = run.predictor.outputs[0].class_names
    thresholds = dict(zip(names, run.predictor.calibration["tags"]["thresholds"], strict=True))
    assert thresholds["hot"] == 0.9
    assert thresholds["wet"] < 0.4
    assert "wet" in run.metrics["decisions"][0]


@pytest.mark.parametrize(
    ("outputs", "says"),
    [
        ({"state": {"threshold": "best_f2"}}, ["outputs.state.threshold", "'best_f2'", "'best_f1'"]),
        ({"state": {"threshold": "recal>=0.8"}}, ["outputs.state.threshold", "did you mean 'recall>=0.8'"]),
        ({"state": {"threshold": 1.2}}, ["outputs.state.threshold", "1.2"]),
        ({"state": {"threshold": {"cost": {"fn": 5, "fq": 1}}}}, ["outputs.state.threshold", "fp"]),
        ({"state": {"threshold": {"cost": {"fn": -5}}}}, ["outputs.state.threshold"]),
        ({"state": {"positive": "maybe"}}, ["positive is 'maybe'", "yes"]),
        ({"size": {"kind": "category", "threshold": 0.3}}, ["outputs.size.threshold", "TRUE", "binary"]),
        ({"size": {"kind": "category", "threshold": {"cost": {7: {0: 1}}}}}, ["threshold.cost", "no class 7"]),
        ({"tags": {"kind": "multilabel", "threshold": {"wett": 0.3}}}, ["outputs.tags.threshold", "'wet'"]),
    ],
)
def test_wrong_thresholds(outputs: dict[str, Any], says: list[str], tmp_path: Path) -> None:
    with pytest.raises(UserError) as error:
        deepglass.train(_frame(60), outputs=outputs, inputs=["x"], out=tmp_path / "run", steps=1)
    assert all(word in str(error.value) for word in says), str(error.value)
    assert not (tmp_path / "run").exists()
