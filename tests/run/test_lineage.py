"""Rows that a run has learned from: retraining keeps their split, evaluate leaves them out, compare pairs them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import deepglass
from deepglass.errors import DataWarning, SourceError, SpecError

SMALL: dict[str, Any] = {
    "steps": 3,
    "baselines": False,
    "training": {"threads": 1},
    "network": {"trunk": "mlp", "width": 8, "depth": 1, "ensemble_size": 1},
}


def _rows(count: int = 300, seed: int = 0) -> pl.DataFrame:
    x = np.random.default_rng(seed).normal(size=(count, 3))
    y = np.where(x @ [1, 2, -1] > 0, "yes", "no")
    return pl.DataFrame({"a": x[:, 0], "b": x[:, 1], "c": x[:, 2], "y": y, "group": np.arange(count) // 10})


def _split(run: deepglass.Run) -> np.ndarray:
    return run.folder.split()["split"].to_numpy()


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> deepglass.Run:
    folder = tmp_path_factory.mktemp("lineage")
    _rows()[:200].write_csv(folder / "old.csv")
    return deepglass.train(str(folder / "old.csv"), "y", out=folder / "old", ignore=["group"], **SMALL)


def test_a_run_that_starts_from_another_keeps_the_split_of_its_rows(old: deepglass.Run, tmp_path: Path) -> None:
    order = np.random.default_rng(1).permutation(300)
    _rows()[order].write_parquet(tmp_path / "grown.parquet")
    run = deepglass.train(
        str(tmp_path / "grown.parquet"),
        "y",
        out=tmp_path / "new",
        init_from=old,
        ignore=["group"],
        split={"seed": 7},
        **SMALL,
    )
    split = np.empty(300, "U5")
    split[order] = _split(run)
    assert (split[:200] == _split(old)).all()
    assert {name: (split[200:] == name).sum() for name in ("train", "valid", "test")} == {
        "train": 80, "valid": 10, "test": 10
    }  # fmt: skip
    note = "200 rows are rows of old and keep its split (160 train, 20 valid, 20 test); 100 are new"
    assert note in run.metrics["notes"]

    third = deepglass.train(_rows()[:250], "y", out=tmp_path / "third", init_from=run, ignore=["group"], **SMALL)
    assert [rows.run for rows in third.folder.lineage(third.state)] == ["third", "new", "old"]
    assert (_split(third) == split[:250]).all()
    with pytest.warns(DataWarning, match=r"has learned from, by their inputs \(270\)"):
        third.evaluate(_rows())


def test_evaluate_leaves_out_rows_that_the_run_has_learned_from(old: deepglass.Run) -> None:
    rows = _rows()
    own = _split(old)
    fresh = pl.concat([rows[:200].filter(pl.Series(own == "test")), rows[200:]])
    with pytest.warns(DataWarning, match=rf"rows that {old.path} has learned from, by their inputs \(180\)"):
        metrics = old.evaluate(rows)
    assert metrics == old.evaluate(fresh)
    with pytest.warns(DataWarning, match=r"are in the metrics \(180\)"):
        everything = old.evaluate(rows, include_trained=True)
    assert everything != metrics
    with pytest.raises(SourceError, match=r"\[no-rows\].*all 160 rows are 160 training and 0 validation rows"):
        old.evaluate(rows[:200].filter(pl.Series(own == "train")))


def test_a_corrected_label_does_not_make_a_row_new(old: deepglass.Run) -> None:
    flipped = _rows().with_columns(y=pl.when(pl.col("y") == "yes").then(pl.lit("no")).otherwise(pl.lit("yes")))
    with pytest.warns(DataWarning, match=r"\(180\)"):
        old.evaluate(flipped)


def test_few_different_inputs_do_not_identify_rows(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frame = pl.DataFrame({n: rng.choice(list("uvw"), 400) for n in "ab"} | {"y": rng.choice(["n", "p"], 400)})
    run = deepglass.train(frame[:300], "y", out=tmp_path / "few", **SMALL)
    assert run.evaluate(frame[300:])["y"]  # nothing is left out, though each combination was in training
    with pytest.warns(DataWarning, match=r"\(270\)"):
        run.evaluate(frame[:300])  # its own source is known by its order


def test_a_split_by_groups_keeps_groups_together(tmp_path: Path) -> None:
    split = {"by": "group:group"}
    run = deepglass.train(_rows()[:200], "y", out=tmp_path / "a", split=split, ignore=["group"], **SMALL)
    rows = _rows().with_columns(group=pl.Series(np.arange(300) % 200 // 10))  # new rows of known groups
    new = deepglass.train(rows, "y", out=tmp_path / "b", split=split, init_from=run, ignore=["group"], **SMALL)
    assert (_split(new)[:200] == _split(run)).all()
    assert (_split(new)[200:] == _split(run)[:100]).all()


def test_a_given_split_loses_the_test_rows_that_were_learned(old: deepglass.Run, tmp_path: Path) -> None:
    test = _rows()[150:300]
    run = deepglass.train(
        _rows(100, seed=5), "y", test=test, out=tmp_path / "new", init_from=old, ignore=["group"], **SMALL
    )
    learned = np.isin(_split(old)[150:], ("train", "valid")).sum()
    assert (_split(run) == "test").sum() == 150 - learned
    assert any(f"left out: {learned} test, 0 valid rows, which old has learned from" in n for n in run.metrics["notes"])


def test_folds_would_test_on_learned_rows(old: deepglass.Run, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"data\.split\.folds: a run with network\.init_from"):
        deepglass.train(_rows(), "y", out=tmp_path / "f", init_from=old, split={"folds": 2}, ignore=["group"], **SMALL)


def test_another_source_is_split_as_usual(old: deepglass.Run, tmp_path: Path) -> None:
    run = deepglass.train(_rows(100, seed=9), "y", out=tmp_path / "n", init_from=old, ignore=["group"], **SMALL)
    assert (_split(run) == "test").sum() == 10
    assert "none of the rows is a row of old, by the content of its inputs" in run.metrics["notes"]


def test_compare_pairs_the_common_test_rows(old: deepglass.Run, tmp_path: Path) -> None:
    new = deepglass.train(_rows(), "y", out=tmp_path / "new", init_from=old, ignore=["group"], **{**SMALL, "steps": 30})
    compared = deepglass.compare(old, new)[str(new.path)]
    json.dumps(compared)
    assert (compared["test_rows"], compared["common_test_rows"], compared["learned_by_first"]) == (30, 20, 0)
    paired = compared["paired"]["y"]
    assert paired["rows"] == 20
    assert paired["low"] <= paired["difference"] <= paired["high"]
    assert paired["first"] == pytest.approx(old.metrics["test"]["y"]["accuracy"])


def test_compare_says_which_test_rows_the_other_run_has_learned(old: deepglass.Run, tmp_path: Path) -> None:
    other = deepglass.train(_rows()[:200], "y", out=tmp_path / "o", split={"seed": 3}, ignore=["group"], **SMALL)
    compared = deepglass.compare(old, other)[str(other.path)]
    test = _split(other) == "test"
    assert compared["learned_by_first"] == np.isin(_split(old)[test], ("train", "valid")).sum() > 0
    assert compared["common_test_rows"] == (_split(old)[test] == "test").sum()
    assert all(d["low"] is None for d in compared["paired"].values()), "too few rows for an interval"


def test_compare_of_numbers_pairs_absolute_errors(tmp_path: Path) -> None:
    rows = _rows().with_columns(z=pl.col("a") * 2 + pl.col("b"))
    runs = [
        deepglass.train(rows, "z", out=tmp_path / f"z{steps}", ignore=["group", "y"], **{**SMALL, "steps": steps})
        for steps in (2, 40)
    ]
    paired = deepglass.compare(*runs)[str(runs[1].path)]["paired"]["z"]
    assert paired["metric"] == "mae"
    assert paired["rows"] == 30
    assert [paired["first"], paired["second"]] == pytest.approx([r.metrics["test"]["z"]["mae"] for r in runs], rel=1e-4)
    assert paired["high"] < 0, "forty steps are better than two"
