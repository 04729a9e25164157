"""Runs with derived columns and histories: training, coming rows, stored state, damage, wrong expressions."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from entity_tables import league, table_of

import deepglass
from deepglass.errors import DataWarning, SourceError, SpecError
from deepglass.prepare.derived_columns import derive, leaking_columns

RESULT = "CASE WHEN home_goals > away_goals THEN 'win' WHEN home_goals = away_goals THEN 'draw' ELSE 'loss' END"
HISTORY = {"entities": ["home", "away"], "time": "day", "columns": ["home_goals", "away_goals"], "last": 5}
SPEC: dict[str, Any] = {
    "data": {"source": "league.csv", "derive": {"result": RESULT}, "history": {**HISTORY, "rating_outcome": "result"}},
    "outputs": ["result"],
    "network": {"width": 16, "depth": 1, "ensemble_size": 1},
    "training": {"steps": 30, "threads": 1},
}
COMING = {"home": ["team 0", "team 5"], "away": ["team 5", "team 0"]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("league")
    league(120).write_csv(path / "league.csv")
    return path


@pytest.fixture(scope="module")
def run(folder: Path) -> deepglass.Run:
    data = {**SPEC["data"], "source": str(folder / "league.csv")}
    return deepglass.train({**SPEC, "data": data}, out=folder / "run", baselines=False)


def test_the_split_is_by_time_and_scores_are_no_inputs(run: deepglass.Run) -> None:
    inputs = {f.name for f in run.predictor.inputs}
    assert {"home", "away", "home_rating", "expected_outcome", "home_history", "away_expected_goals"} <= inputs
    assert not inputs & {"home_goals", "away_goals", "day", "result"}
    rows = run.folder.split().sort("row")
    assert rows["split"].to_list() == sorted(rows["split"], key=["train", "valid", "test"].index)
    reasons = {role.name: role.why for role in run.state.column_roles}
    assert reasons["home_goals"].startswith("result is derived from it")
    assert run.state.experiment.trunk == "mlp"


def test_coming_rows_are_asked_by_names_alone(run: deepglass.Run) -> None:
    predictor = deepglass.Run(run.folder.path).predictor  # as another process opens it
    win = [p["result"]["probabilities"]["win"] for p in predictor.predict(pl.DataFrame(COMING))]
    assert win[0] > win[1]
    with pytest.warns(DataWarning, match=r"away: without any past row, such as 'team 77'; rated as the mean \(1\)"):
        run.predict(pl.DataFrame({"home": ["team 0"], "away": ["team 77"]}))


def test_the_past_ends_at_the_date_of_a_row(run: deepglass.Run) -> None:
    at = pl.DataFrame(COMING).with_columns(day=pl.Series([0, 0]))
    first = run.predictor.predict(at)  # nothing has happened yet
    assert first != run.predictor.predict(at.with_columns(day=pl.Series([100, 100])))
    later = run.predictor.predict(at.with_columns(day=pl.Series([500, 500])))
    assert later != first


def test_later_rows_are_evaluated_with_the_history_that_they_continue(run: deepglass.Run) -> None:
    late = league(130, seed=3).filter(pl.col("day") >= 121)
    assert run.evaluate(late)["result"]["accuracy"] > 0


def test_a_killed_run_with_a_history_resumes(folder: Path) -> None:
    whole = deepglass.train(str(_spec(folder)), out=folder / "whole", baselines=False)
    (folder / "whole" / "manifest.json").unlink()
    (folder / "whole" / "model.safetensors").unlink()
    resumed = deepglass.resume(folder / "whole")
    assert resumed.metrics["weights_sha256"] == whole.metrics["weights_sha256"]


def test_a_damaged_history_is_told(run: deepglass.Run, tmp_path: Path) -> None:
    copy = tmp_path / "run"
    shutil.copytree(run.folder.path, copy)
    (file,) = copy.glob("transform-*.parquet")
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(SourceError, match=re.escape(f"{file}: damaged or replaced")) as error:
        deepglass.Run(copy).predictor.predict(pl.DataFrame(COMING))
    assert error.value.code == "damaged-run"


def _spec(folder: Path) -> Path:
    path = folder / "spec.yaml"
    path.write_text(yaml.safe_dump(SPEC))
    return path


# -- derived columns -----------------------------------------------------------------------------------------


def test_derived_columns_may_name_those_before_them() -> None:
    table = derive(table_of(league(2)), {"goals": "home_goals + away_goals", "many": "goals > 2"})
    frame = league(2)
    assert table["goals"].to_list() == (frame["home_goals"] + frame["away_goals"]).to_list()  # type: ignore[union-attr]
    assert table["many"].dtype == pl.Boolean  # type: ignore[union-attr]


def test_a_derived_value_is_missing_where_all_its_columns_are() -> None:
    frame = pl.DataFrame({"home_goals": [1, None, None], "away_goals": [0, None, 2]})
    assert derive(table_of(frame), {"result": RESULT})["result"].to_list() == ["win", None, "loss"]  # type: ignore[union-attr]


def test_what_a_target_is_made_from_leaks_it() -> None:
    leaks = leaking_columns({"margin": "a - b", "result": "margin > 0", "other": "c + 1"}, ["result"])
    assert set(leaks) == {"a", "b", "margin"}
    assert leaking_columns({"double": "2 * y"}, ["y"]) == {"double": "derived from y"}


@pytest.mark.parametrize(
    ("expression", "code", "message"),
    [
        ("CASE WHEN (", "bad-value", "expected an SQL expression"),
        ("home_gols + 1", "unknown-column", "did you mean 'home_goals'"),
        ("home + 1", "bad-value", "arithmetic on dtypes"),
        ("SUM(home_goals)", "bad-value", "looks at other rows"),
        ("SUM(home_goals) OVER (PARTITION BY home)", "bad-value", "looks at other rows"),
        ("read_csv('x')", "bad-value", "unsupported function"),
        ("1", "bad-value", "looks at other rows"),
    ],
)
def test_wrong_expressions_are_told(expression: str, code: str, message: str) -> None:
    with pytest.raises((SourceError, SpecError), match=message) as error:
        derive(table_of(league(4)), {"new": expression})
    assert error.value.code == code
    assert error.value.message.startswith("data.derive.new: ")


def test_a_derived_column_needs_a_new_name(folder: Path) -> None:
    with pytest.raises(SourceError, match=r"data\.derive\.home: .* has a column 'home' already"):
        deepglass.inspect(str(folder / "league.csv"), data={"derive": {"home": "day + 1"}})


@pytest.mark.parametrize("key", ["entities", "time", "columns"])
def test_inspect_tells_a_wrong_column_of_the_history(folder: Path, key: str) -> None:
    wrong = {**HISTORY, key: "dy" if key == "time" else ["dy", "home"]}
    with pytest.raises(SourceError, match=rf"data\.history\.{key}: no column 'dy' .* did you mean 'day'"):
        deepglass.inspect(str(folder / "league.csv"), data={"history": wrong})
