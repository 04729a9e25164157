"""Whole numbers beyond 2^53 and beyond 64 bits keep their digits, and are codes."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from conftest import CASES, needs_cases

import deepglass
from deepglass.data.sources import read
from deepglass.features._value_keys import as_keys
from deepglass.features.base import infer_type

ORDERS = CASES / "01-big-ids" / "orders.csv"


@needs_cases
@pytest.mark.parametrize("column", ["user_id", "account", "order_ref", "hash64"])
def test_digits_are_kept(tmp_path: Path, column: str) -> None:
    position = ORDERS.read_text().split("\n")[0].split(",").index(column)
    digits = [line.split(",")[position] for line in ORDERS.read_text().splitlines()[1:]]
    table = read(ORDERS)
    frame = pl.DataFrame({n: table[n] for n in table.names})
    frame.write_parquet(tmp_path / "a.parquet")
    frame.write_json(tmp_path / "a.json")
    for source in (ORDERS, tmp_path / "a.parquet", tmp_path / "a.json", frame):
        raw = read(source)[column]
        assert [str(value) for value in raw] == digits
        assert infer_type(raw, column)[0] != "number"


def test_unsigned_numbers_count_up(tmp_path: Path) -> None:
    lines = [f"{2**64 - 100 + i},{i % 7 / 2},{i % 3}" for i in range(60)]
    (tmp_path / "a.csv").write_text("\n".join(["h,x,y", *lines]))
    assert read(tmp_path / "a.csv")["h"].dtype == pl.UInt64
    roles = {c.name: c.why for c in deepglass.inspect(read(tmp_path / "a.csv"), "y").columns}
    assert "counts up" in roles["h"]


@pytest.mark.parametrize("rows", [1, 40])
def test_texts_of_long_numbers_are_their_own_keys(rows: int) -> None:
    keys = as_keys(pl.Series(["9007199254740993", "+7", "007", "3.0", "-0"] * rows), "integer")
    assert keys.to_list() == ["9007199254740993", "7", "7", "3", "0"] * rows


@needs_cases
@pytest.mark.parametrize("name", ["sellers.csv", "sellers.json"])
def test_sellers(tmp_path: Path, name: str) -> None:
    run = deepglass.train(CASES / "01-big-ids" / name, "seller", out=tmp_path / "run", steps=200, baselines=False)
    values = [row["seller"]["value"] for row in run.predict(CASES / "01-big-ids" / "new.csv")]
    assert values == [9007199254740993, 9007199254740994, 9007199254740995]


@needs_cases
def test_json_beyond_64_bits() -> None:
    assert read(CASES / "37-siblings" / "u64.json")["h"][0] == 2**63
