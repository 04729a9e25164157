"""Table transforms and features of several columns: fitted on training rows, the same wherever a run reads rows."""

import contextlib
import json
import os
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import deepglass
from deepglass.data.table import Table
from deepglass.data.transforms.base import TableTransform
from deepglass.errors import DeepglassError
from deepglass.run.context import RunContext
from deepglass.spec.schema import spec_schema
from deepglass.training.callbacks import Callback

MODULE = '''
from dataclasses import dataclass, replace

import polars as pl

from deepglass.data.transforms.base import TableTransform


@dataclass(frozen=True, kw_only=True)
class GroupMean(TableTransform):
    """The mean of a column of numbers in each group, as a new column."""

    group: str
    of: str
    to: str = "group_mean"
    means_: dict[str, float] | None = None
    mean_: float | None = None

    @property
    def source_columns(self):
        return (self.group,)

    def fit(self, table):
        rows = pl.DataFrame({"group": table[self.group].cast(pl.String), "of": table[self.of]}).drop_nulls()
        means = rows.group_by("group").agg(pl.col("of").mean()).sort("group")
        return replace(self, means_=dict(means.iter_rows()), mean_=rows["of"].mean())

    def apply(self, table):
        keys = table[self.group].cast(pl.String)
        values = keys.replace_strict(self.means_, default=self.mean_, return_dtype=pl.Float64).fill_null(self.mean_)
        return table.with_columns({self.to: values})
'''
FAST = {
    "network": {"trunk": "mlp", "width": 32, "depth": 1, "ensemble_size": 1},
    "training": {"steps": 150, "threads": 1},
    "baselines": False,
}
TRANSFORM = {"kind": "group_mean_transform:GroupMean", "group": "city", "of": "price"}


@pytest.fixture(autouse=True)
def module(tmp_path, monkeypatch):
    (tmp_path / "group_mean_transform.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    packages = str(Path(deepglass.__file__).parents[1])
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), packages]))
    yield tmp_path
    sys.modules.pop("group_mean_transform", None)


def in_another_process(*words: object) -> None:
    allow = ("--allow-code", TRANSFORM["kind"].partition(":")[0])
    done = subprocess.run([sys.executable, "-m", "deepglass", *map(str, words), *allow], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def homes(count: int = 400) -> pl.DataFrame:
    """Prices that depend on the city, as 40 names that say nothing by themselves, and on the size."""
    random = np.random.default_rng(0)
    city = random.integers(0, 40, count)
    level = random.normal(0, 10, 40)[city]
    size = random.uniform(20, 90, count)
    price = 100 + level + size / 10 + random.normal(0, 0.5, count)
    return pl.DataFrame({"city": [f"c{i}" for i in city], "size": size, "price": price})


def spec(source: str | Path, **more: object) -> dict[str, object]:
    return {
        "data": {"source": str(source), "transforms": [TRANSFORM]},
        "inputs": ["group_mean", "size"],
        "outputs": ["price"],
        **more,
    }


def test_a_group_mean_of_the_target_is_fitted_on_training_rows_and_applied_everywhere(module):
    frame = homes()
    frame.write_csv(module / "homes.csv")
    run = deepglass.train(spec(module / "homes.csv"), out=module / "run", **FAST)
    assert run.metrics["test"]["price"]["r2"] > 0.9  # 0.05 without the column

    data = run.context.data
    train = data.source_rows[data.rows("train")]
    means = dict(frame[train].group_by("city").agg(pl.col("price").mean()).iter_rows())
    mean = frame["price"][train].mean()
    expected = [means.get(city, mean) for city in frame["city"][data.source_rows]]
    np.testing.assert_allclose(data.table["group_mean"], expected, rtol=1e-12)
    assert set(frame["city"]) >= set(means)
    state = json.loads((module / "run" / "features.json").read_text())["experiment"]["transforms"]
    assert state[0]["kind"] == TRANSFORM["kind"]
    assert state[0]["means_"] == pytest.approx(means)

    rows = pl.DataFrame({"city": ["c1", "nowhere", None, "c7"], "size": [30.0, 40.0, 50.0, 60.0]})
    rows.write_csv(module / "rows.csv")
    of_python = run.predict(rows)["price"].to_list()
    loaded = deepglass.Run(module / "run")
    assert [a["price"]["value"] for a in loaded.predict(module / "rows.csv")] == of_python
    assert [a["price"]["value"] for a in loaded.predict(rows.to_dicts())] == of_python
    assert loaded.predict({"city": "c7", "size": 60.0})[0]["price"]["value"] == pytest.approx(of_python[3], rel=1e-5)
    in_another_process("predict", module / "run", module / "rows.csv", "--out", module / "answers.csv")
    np.testing.assert_allclose(pl.read_csv(module / "answers.csv")["price"], of_python, rtol=1e-6)
    at_mean = [run.predict(row)[0]["price"]["value"] for row in ({"city": "elsewhere", "size": 40.0}, {"size": 40.0})]
    assert at_mean == pytest.approx([of_python[1]] * 2, rel=1e-5)  # the global mean, both times
    assert run.predictor.reader.notes["column 'city' is missing"] == 1

    test = frame[data.source_rows[data.rows("test")]]
    assert run.evaluate(test)["price"]["rmse"] == pytest.approx(run.metrics["test"]["price"]["rmse"], rel=1e-5)
    again = RunContext.open(module / "run").data
    assert np.array_equal(again.table["group_mean"], data.table["group_mean"])
    explained = deepglass.explain(run, rows, 1)[0]["price"]["attributions"]
    assert {a["part"] for a in explained} == {"group_mean", "size"}
    vectors, _ = deepglass.embed(run)
    assert len(vectors) == len(frame)
    in_another_process("report", module / "run")


class Interrupt(Callback):
    def on_step_end(self, step, plan, loss):
        if step == 60:
            raise KeyboardInterrupt


def test_a_resumed_run_has_the_same_transform(module):
    homes().write_csv(module / "homes.csv")
    whole = deepglass.train(spec(module / "homes.csv"), out=module / "whole", **FAST)
    broken = module / "broken"
    with contextlib.suppress(KeyboardInterrupt):
        deepglass.train(spec(module / "homes.csv"), out=broken, callbacks=[Interrupt()], **FAST)
    resumed = deepglass.resume(broken)
    assert resumed.metrics["weights_sha256"] == whole.metrics["weights_sha256"]
    assert resumed.state.experiment.transforms == whole.state.experiment.transforms


def test_all_columns_are_inputs_where_the_spec_names_none(module):
    run = deepglass.train(homes(), "price", out=module / "run", data={"transforms": [TRANSFORM]}, **FAST)
    assert {f.name for f in run.predictor.inputs} == {"city", "size", "group_mean"}


@pytest.mark.parametrize(
    ("transform", "words"),
    [
        ({**TRANSFORM, "grup": 1}, ("data.transforms[0]", "'grup'", "'group'")),
        ({**TRANSFORM, "to": "price"}, ("data.transforms[0]", "'price'", "output")),
        ({"kind": "nowhere:X"}, ("data.transforms[0]", "nowhere:X")),
        ({"kind": "mean"}, ("data.transforms[0]", "'mean'", "table transform")),
        ({"group": "city"}, ("data.transforms[0]", "kind")),
    ],
)
def test_a_wrong_transform_is_rejected_before_training(module, transform, words):
    with pytest.raises(DeepglassError) as error:
        deepglass.train(homes(), "price", out=module / "run", data={"transforms": [transform]}, **FAST)
    assert all(word in str(error.value) for word in words), error.value
    assert not (module / "run").exists()


def test_an_input_that_no_transform_adds_is_rejected(module):
    with pytest.raises(DeepglassError, match=r"inputs\[1\].*'group_men'.*'group_mean'"):
        deepglass.train(
            {**spec("x"), "data": {"source": homes(), "transforms": [TRANSFORM]}, "inputs": ["size", "group_men"]},
            out=module / "run",
            **FAST,
        )


def test_fields_that_are_not_json_are_rejected():
    @dataclass(frozen=True, kw_only=True)
    class Learned(TableTransform):
        values_: object = None

        @property
        def source_columns(self):
            return ()

        def fit(self, table):
            return replace(self, values_=np.arange(3))

        def apply(self, table):
            return table

    with pytest.raises(DeepglassError, match=r"Learned.*JSON"):
        Learned().fit(Table({})).state()


def corners(count: int = 300) -> pl.DataFrame:
    """Points of which the class is the quadrant's parity, and a target of two columns."""
    random = np.random.default_rng(1)
    x, y = random.uniform(-1, 1, (2, count))
    return pl.DataFrame({"x": x, "y": y, "same": x * y > 0, "sum": x + y, "difference": x - y})


def test_a_feature_reads_two_columns(module):
    corners().select("x", "y", "same").write_csv(module / "points.csv")
    columns = {"name": "place", "columns": ["x", "y"]}
    run = deepglass.train(
        {"data": str(module / "points.csv"), "inputs": [columns], "outputs": ["same"]}, out=module / "run", **FAST
    )
    assert [(f.kind, f.columns) for f in run.predictor.inputs] == [("vector", ("x", "y"))]
    rows = [{"x": 0.5, "y": 0.5}, {"x": -0.5, "y": 0.5}, {"y": 0.5}]
    pl.DataFrame(rows).write_csv(module / "rows.csv")
    values = [a["same"]["value"] for a in run.predict(rows)]
    assert values[:2] == [True, False]
    assert [a["same"]["value"] for a in deepglass.Run(module / "run").predict(module / "rows.csv")] == values
    in_another_process("inspect", module / "run" / "spec.yaml")
    in_another_process("report", module / "run")


def test_an_output_reads_two_columns(module):
    both = {"name": "both", "columns": ["sum", "difference"]}
    run = deepglass.train(
        {"data": {"source": corners(), "ignore": ["same"]}, "outputs": [both]}, out=module / "run", **FAST
    )
    assert {f.name for f in run.predictor.inputs} == {"x", "y"}
    np.testing.assert_allclose(run.predict({"x": 0.5, "y": 0.25})[0]["both"]["value"], [0.75, 0.25], atol=0.2)
    assert run.evaluate(corners())["both"]["r2"] > 0.8


def test_a_member_of_an_output_is_no_input(module):
    both = {"name": "both", "columns": ["sum", "difference"]}
    with pytest.raises(DeepglassError, match=r"inputs\[0\].*'sum'"):
        deepglass.train({"data": {"source": corners()}, "inputs": ["sum"], "outputs": [both]}, out=module / "run")


@pytest.mark.parametrize(
    ("feature", "words"),
    [
        ({"name": "place", "columns": ["x", "z"]}, ("inputs[0]", "'z'")),
        ({"name": "place", "columns": ["x", "same"]}, ("place", "kind", "x, same")),
        ({"name": "place", "column": "x", "columns": ["x", "y"], "kind": "vector"}, ("inputs.place", "column")),
        ({"name": "x", "columns": ["x", "y"]}, ("inputs.x", "'x'", "name")),
    ],
)
def test_wrong_columns_of_a_feature_are_rejected(module, feature, words):
    with pytest.raises(DeepglassError) as error:
        deepglass.train({"data": {"source": corners()}, "inputs": [feature], "outputs": ["sum"]}, out=module / "run")
    assert all(word in str(error.value) for word in words), error.value


def test_both_are_in_the_schema():
    schema = json.dumps(spec_schema())
    assert '"transforms"' in schema
    assert '"columns"' in schema
