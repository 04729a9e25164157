"""Multivariate drift between training and test rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

import deepglass
from deepglass.doctor.base import Finding
from deepglass.doctor.findings import read_findings
from deepglass.doctor.two_sample_test import two_sample_test


def drift(train: Path, test: Path) -> Finding | None:
    found = deepglass.inspect(train, "answer", test=str(test)).findings
    return next((f for f in found if f.kind == "drift"), None)


def made(seed: int, together: bool, path: Path) -> Path:
    """Columns with equal marginals; `low` and `high` are positively or negatively correlated."""
    random = np.random.default_rng(seed)
    low, noise, other = random.normal(size=(3, 600))
    high = np.where(together, low, -low) + 0.5 * noise
    answer = np.where(other + random.normal(size=600) > 0, "yes", "no")
    pl.DataFrame({"low": low, "high": high, "other": other, "answer": answer}).write_csv(path)
    return path


def test_changed_correlations_are_found_and_named(tmp_path: Path) -> None:
    train = made(0, True, tmp_path / "train.csv")
    assert drift(train, made(1, True, tmp_path / "same.csv")) is None
    found = drift(train, made(1, False, tmp_path / "other.csv"))
    assert found is not None
    assert set(found.columns) == {"low", "high"}
    assert "a classifier separates test rows from training rows" in found.text


def test_random_splits_have_no_drift() -> None:
    for seed in range(6):
        random = np.random.default_rng(seed)
        x = np.column_stack([random.normal(size=(500, 3)), np.arange(500) // 2, random.integers(0, 3, 500)])
        second, judged = random.random((2, 500)) < np.array([[0.3], [0.5]])
        found = two_sample_test(x, np.array([False, False, False, True, True]), second, judged, 1e-3)
        assert found.auc < found.bound, seed


def test_groups_are_not_recognised_across_splits(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    person = np.repeat(np.arange(60), 20)
    own = random.normal(size=(60, 4))[person] + 0.1 * random.normal(size=(1200, 4))
    columns = {f"x{i}": own[:, i] for i in range(4)}
    frame = pl.DataFrame({**columns, "person": [f"p{p}" for p in person], "answer": person % 2})
    found = deepglass.inspect(frame, "answer", split={"by": "group:person"}, ignore=["person"]).findings
    assert not any("a model tells" in f.text for f in found)


def test_labels_that_a_run_hides_are_no_drift(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(1000, 2))
    answer = np.where(x[:, 0] + random.normal(size=1000) > 1.3, "rare", "usual")
    train, test = tmp_path / "train.csv", tmp_path / "test.csv"
    for path, rows in ((train, slice(0, 700)), (test, slice(700, 1000))):
        pl.DataFrame({"a": x[rows, 0], "b": x[rows, 1], "answer": answer[rows]}).write_csv(path)
    settings = {"data": {"num_labels": {"per_class": 60}}, "objective": "pseudo_label", "baselines": False}
    run = deepglass.train(train, "answer", test=str(test), steps=2, out=tmp_path / "run", **settings)
    assert not any(f.kind == "drift" for f in read_findings(run.folder) or ())
