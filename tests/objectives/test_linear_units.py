"""Perceptron and adaline: the rule, the bound, the margin, what cannot be separated, the report."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from conftest import Command

import deepglass
from deepglass.nn.perceptron import largest_margin, margin_of, next_mistake

QUIET = {"baselines": False, "training": {"threads": 1, "batch_size": 20}}


def separable(rows: int = 60, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows with a 1 behind them, on both sides of a line."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(rows, 2, generator=generator)
    side = x @ torch.tensor([0.6, 0.8]) - 0.3
    x = torch.cat([x, torch.ones(rows, 1)], 1)[side.abs() > 0.2]
    return x, side[side.abs() > 0.2].sign()


@pytest.fixture(scope="module")
def clouds(tmp_path_factory: pytest.TempPathFactory) -> deepglass.Run:
    out = tmp_path_factory.mktemp("clouds") / "run"
    return deepglass.train("synthetic:clouds", objective="perceptron", epochs=3, out=out, **QUIET)


@pytest.fixture(scope="module")
def curves(tmp_path_factory: pytest.TempPathFactory) -> deepglass.Run:
    out = tmp_path_factory.mktemp("curves") / "run"
    return deepglass.train("synthetic:curves", objective="perceptron", epochs=3, out=out, **QUIET)


def test_mistakes_are_those_of_a_loop_over_the_rows() -> None:
    x, y = separable()
    expected, w = [], torch.zeros(3)
    for i in range(len(x)):
        if y[i] * (x[i] @ w) <= 0:
            w = w + y[i] * x[i]
            expected.append(i)
    w, mistakes, i = torch.zeros(3), [], next_mistake(x, y, torch.zeros(3), 0)
    while i is not None:
        w = w + y[i] * x[i]
        mistakes.append(i)
        i = next_mistake(x, y, w, i + 1)
    assert mistakes == expected


def test_the_largest_margin_is_that_of_a_support_vector_machine() -> None:
    svm = pytest.importorskip("sklearn.svm")
    x, y = separable()
    weights = svm.LinearSVC(C=1e6, fit_intercept=False, loss="hinge", max_iter=10**6).fit(x, y).coef_[0]
    best = margin_of(x, y, torch.tensor(weights, dtype=torch.float32))
    assert largest_margin(x, y) == pytest.approx(best, rel=0.01)
    corners = torch.tensor([[1.0, 1.0, 1.0], [-1.0, -1.0, 1.0], [1.2, -1.0, 1.0], [-1.0, 1.0, 1.0]])
    assert largest_margin(corners, torch.tensor([1.0, 1.0, -1.0, -1.0])) <= 0, "exclusive or"


def test_the_perceptron_separates_two_clouds_within_the_bound(clouds: deepglass.Run) -> None:
    test = clouds.metrics["test"]
    assert test["cloud"]["accuracy"] >= 0.99
    own = test["perceptron"]
    assert 0 < own["mistakes"] <= own["mistake_bound"]
    assert 0 < own["margin"] <= own["largest_margin"]
    objective = clouds.objective
    mistakes = int(objective.mistakes)
    rows = objective.path_rows[:mistakes]
    assert (rows.diff() > 0).all(), "each mistake is at a later row"
    assert torch.equal(objective.path[mistakes - 1], objective.weights), "the last mistake gave the final line"


def test_the_perceptron_fails_on_two_curves(curves: deepglass.Run) -> None:
    test = curves.metrics["test"]
    assert test["curve"]["accuracy"] <= 0.9
    assert "mistake_bound" not in test["perceptron"]
    assert test["perceptron"]["mistakes"] > 100


@pytest.mark.slow
def test_one_hidden_layer_learns_two_curves(tmp_path: Path) -> None:
    run = deepglass.train("recipe:two-curves-mlp", epochs=40, out=tmp_path / "run", baselines=False)
    assert run.metrics["test"]["curve"]["accuracy"] >= 0.98


def test_adaline_approaches_least_squares(tmp_path: Path) -> None:
    run = deepglass.train("synthetic:curves", objective="adaline", epochs=20, out=tmp_path / "run", **QUIET)
    objective = run.objective
    train = run.context.data.dataset(run.context.data.rows("train"), "cpu")
    x, y = objective.labelled(train.batch(torch.arange(len(train))))
    best = torch.linalg.lstsq(x, y[:, None]).solution[:, 0]
    assert torch.allclose(objective.weights.detach(), best, atol=0.1)


def test_the_report_draws_line_and_mistakes(clouds: deepglass.Run, curves: deepglass.Run) -> None:
    page = deepglass.report(clouds.path).read_text().replace("\N{NO-BREAK SPACE}", " ")
    assert "Line, margin and mistakes" in page
    assert "Novikoff's bound is" in page.replace("&#39;", "'")
    assert "after mistake 1" in page
    assert "no line separates the classes" in deepglass.report(curves.path).read_text()
    without_rows = deepglass.report(clouds.path, samples=False).read_text()
    assert "after mistake 1" in without_rows
    points = "<circle cx="
    assert points in _section(page)
    assert points not in _section(without_rows)


def _section(page: str) -> str:
    """The section of the line in a page."""
    return page.partition("Line, margin and mistakes</h2>")[2].partition("</section>")[0]


def test_more_than_two_classes_are_refused(tmp_path: Path, command: Command) -> None:
    refused = command("train", "sklearn:iris", "--objective", "perceptron", "--steps", "2", "--out", tmp_path / "run")
    assert refused.code == 2
    assert "separates two classes, and 'target' has 3" in " ".join(refused.err.split())
    assert not (tmp_path / "run").exists()


def test_a_run_predicts_and_explains_new_rows(clouds: deepglass.Run, command: Command, tmp_path: Path) -> None:
    pl.DataFrame({"x": [3.0, -3.0], "y": [3.0, -3.0]}).write_csv(tmp_path / "new.csv")
    assert [p["cloud"]["value"] for p in clouds.predict(tmp_path / "new.csv")] == ["second", "first"]
    assert "y = 3" in command("explain", clouds.path, tmp_path / "new.csv").out


def test_categories_and_missing_values_are_inputs(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    colour, x = random.choice(["red", "blue"], 200), random.normal(size=200)
    label = np.where((colour == "red") ^ (x > 3), "yes", "no")
    rows = pl.DataFrame({"colour": colour, "x": np.where(random.random(200) < 0.2, None, x), "label": label})
    run = deepglass.train(rows, "label", objective="perceptron", epochs=5, out=tmp_path / "run", **QUIET)
    assert run.metrics["test"]["label"]["accuracy"] > 0.9
