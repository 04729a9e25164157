"""Predictions as tables: frames in and out, kept columns, class probabilities, files."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

import deepglass
from deepglass.errors import UserError

SMALL: dict[str, Any] = {
    "steps": 8,
    "baselines": False,
    "training": {"threads": 1},
    "network": {"trunk": "mlp", "width": 8, "depth": 1, "ensemble_size": 1},
}


def _rows(count: int = 200) -> pl.DataFrame:
    x = np.random.default_rng(0).normal(size=(count, 2))
    return pl.DataFrame(
        {
            "order_id": [f"n{i}" for i in range(count)],
            "a": x[:, 0],
            "b": x[:, 1],
            "grade": np.array(["low", "mid", "high"])[np.digitize(x[:, 0], [-0.5, 0.5])],
            "sold": x[:, 1] > 0,
            "price": x.sum(1) * 100,
        }
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> deepglass.Run:
    out = tmp_path_factory.mktemp("tables") / "run"
    return deepglass.train(_rows(), ["grade", "sold", "price"], ignore=["order_id"], out=out, **SMALL)


@pytest.fixture
def new() -> pl.DataFrame:
    return _rows().select("order_id", "a", "b")[:30]


def test_a_frame_gives_a_frame_of_the_same_library(run: deepglass.Run, new: pl.DataFrame) -> None:
    expected = run.predict(new.to_dicts())
    table = run.predict(new)
    assert isinstance(table, pl.DataFrame)
    assert table.columns == [
        "grade", "grade.confidence", "sold", "sold.confidence", "sold.probability",
        "price", "price.low", "price.high", "price.confidence",
    ]  # fmt: skip
    for output in ("grade", "sold", "price"):
        for key in expected[0][output]:
            if key != "probabilities":
                values = table[output if key == "value" else f"{output}.{key}"].to_list()
                of_dicts = [row[output][key] for row in expected]
                assert values == (
                    of_dicts if isinstance(of_dicts[0], str | bool) else pytest.approx(of_dicts, rel=1e-5)
                )
    frame = pd.DataFrame(new.to_dict(as_series=False), index=[f"r{i}" for i in range(30)])
    of_pandas = run.predict(frame)
    assert isinstance(of_pandas, pd.DataFrame)
    assert of_pandas.index.tolist() == frame.index.tolist()
    assert of_pandas["price"].tolist() == pytest.approx(table["price"].to_list(), rel=1e-6)


def test_kept_columns_and_probabilities(run: deepglass.Run, new: pl.DataFrame) -> None:
    table = run.predict_table(new, keep=["order_id"], probabilities=True)
    assert table["order_id"].to_list() == new["order_id"].to_list()
    names = [f"grade.probability.{name}" for name in run.classes()]
    assert sorted(run.classes()) == ["high", "low", "mid"]
    assert table.select(names).sum_horizontal().to_list() == pytest.approx([1.0] * 30)
    proba = run.predict_proba(new)
    assert np.allclose(table.select(names).to_numpy(), proba)
    assert [run.classes()[k] for k in proba.argmax(1)] == table["grade"].to_list()
    assert run.predict_proba(new, "sold").shape == (30, 2)
    assert run.predict_table(_rows()[:3], keep=["all"]).columns[:6] == _rows().columns
    with pytest.raises(UserError, match=r"\[unknown-column\] no column 'order'.*did you mean 'order_id'"):
        run.predict_table(new, keep=["order"])
    with pytest.raises(UserError, match="there is no output 'price' with classes"):
        run.predict_proba(new, "price")


@pytest.mark.parametrize("ending", ["csv", "tsv", "parquet", "xlsx"])
def test_files_of_predictions(ending: str, run: deepglass.Run, new: pl.DataFrame, tmp_path: Path, command: Any) -> None:
    new.with_columns(order_id=pl.lit("=1+1")).write_csv(tmp_path / "new.csv")
    out = tmp_path / f"out.{ending}"
    words = ("--out", out, "--keep", "order_id", "--probabilities")
    done = command("predict", run.path, tmp_path / "new.csv", *words)
    assert done.code == 0, done.err
    assert "30 predictions" in done.err
    readers = {"csv": pl.read_csv, "parquet": pl.read_parquet, "xlsx": pl.read_excel}
    table = pl.read_csv(out, separator="\t") if ending == "tsv" else readers[ending](out)
    assert table.height == 30
    assert table["order_id"].to_list() == ["=1+1"] * 30
    assert table["price"].to_list() == pytest.approx(run.predict(new)["price"].to_list(), rel=1e-5)
    assert "grade.probability.high" in table.columns


def test_explanations_are_a_column_an_input(
    run: deepglass.Run, new: pl.DataFrame, tmp_path: Path, command: Any
) -> None:
    new.write_csv(tmp_path / "new.csv")
    for ending in ("csv", "parquet"):
        out = tmp_path / f"why.{ending}"
        done = command("predict", run.path, tmp_path / "new.csv", "--explain", "--out", out)
        assert done.code == 0, done.err
        table = pl.read_csv(out) if ending == "csv" else pl.read_parquet(out)
        assert {"price.weight.a", "price.weight.b", "grade.weight.a"} <= set(table.columns)
        assert table["price.weight.a"].dtype == pl.Float64
    done = command("predict", run.path, tmp_path / "new.csv", "--keep", "order_id")
    assert done.code == 2
    assert "--keep and --probabilities need --out" in done.err
