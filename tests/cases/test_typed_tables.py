"""Tables with all types of parquet and arrow files."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from conftest import CASES, needs_cases

import deepglass
from deepglass.data.sources import read
from deepglass.features.base import infer_type

TYPES = CASES / "21-parquet" / "types.parquet"


@needs_cases
def test_the_case(tmp_path: Path) -> None:
    table = read(TYPES)
    content = pl.read_parquet(TYPES)
    assert len(table) == len(content)
    assert table["dec"].to_list() == pytest.approx([float(value) for value in content["dec"]])
    assert table["u64"].to_list() == content["u64"].to_list()  # beyond 63 bits
    assert table["cat"].to_list() == content["cat"].to_list()
    assert table["fixed"].shape == (len(content), 2)
    assert table["st.h.deep"].to_list() == [value["h"]["deep"] for value in content["st"]]
    assert table["naive"][0] == dt.datetime(1965, 1, 1)
    kinds = {name: infer_type(table[name], name)[0] for name in ("tz", "naive", "day", "vec", "fixed", "tags", "half")}
    assert {name: kinds[name] for name in ("tz", "naive", "day")} == dict.fromkeys(("tz", "naive", "day"), "date")
    assert kinds["fixed"] == "vector"
    assert kinds["tags"] == "multilabel"
    run = deepglass.train(TYPES, "y", ignore=["binc", "mapc"], out=tmp_path / "run", steps=3, baselines=False)
    assert {"dec", "cat", "fixed", "tags", "day"} <= {f.name for f in run.predictor.inputs}


@pytest.mark.parametrize("ending", ["parquet", "arrow"])
def test_further_types(tmp_path: Path, ending: str) -> None:
    frame = pl.DataFrame(
        {
            "price": pl.Series([f"{i}.25" for i in range(40)]).cast(pl.Decimal(10, 2)),
            "time": [dt.time(i % 24, 30) for i in range(40)],
            "length": [dt.timedelta(minutes=i) for i in range(40)],
            "point": [{"x": i, "y": -i} for i in range(40)],
            "level": pl.Series(["low", "high"] * 20, dtype=pl.Enum(["low", "high"])),
            "grid": pl.Series(np.arange(160.0).reshape(40, 2, 2).tolist(), dtype=pl.Array(pl.Float64, (2, 2))),
        }
    )
    getattr(frame, {"parquet": "write_parquet", "arrow": "write_ipc"}[ending])(tmp_path / f"a.{ending}")
    table = read(tmp_path / f"a.{ending}")
    assert table["price"].to_list() == [i + 0.25 for i in range(40)]
    assert np.diff(np.array(table["length"].to_list(), dtype=float)).min() > 0
    assert table["point.y"].to_list() == [-i for i in range(40)]
    assert table["level"].to_list() == ["low", "high"] * 20
    assert np.asarray(table["grid"]).shape == (40, 2, 2)
