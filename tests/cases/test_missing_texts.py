"""Texts that look like a missing value are values where their column shows it."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from conftest import CASES, needs_cases

import deepglass
from deepglass.data.sources import SourceOptions, read
from deepglass.spec.spec import Spec


def column(tmp_path: Path, values: list[str], options: SourceOptions | None = None, number: str = "1.5") -> pl.Series:
    lines = [f'{i},"{value}",{i % 7 if i % 9 else number}' for i, value in enumerate(values)]
    (tmp_path / "a.csv").write_text("\n".join(["id,x,n", *lines]) + "\n")
    return read(tmp_path / "a.csv", options=options)["x"]


@needs_cases
def test_plus_and_minus_are_two_classes() -> None:
    values = read(CASES / "05-looks-missing" / "credit.csv")["cls"]
    assert dict(values.value_counts().iter_rows()) == {"+": 60, "-": 60}


@needs_cases
def test_namibia_is_a_country() -> None:
    values = read(CASES / "05-looks-missing" / "countries.csv")["country"]
    assert (values.n_unique(), values.null_count(), (values == "NA").sum()) == (5, 0, 30)


@needs_cases
def test_a_headerless_target_of_signs() -> None:
    table = read(CASES / "32-headerless" / "crx.data")
    assert (table["column_10"].null_count(), table["column_6"].null_count()) == (0, 12)


@pytest.mark.parametrize(
    ("values", "number", "missing"),
    [
        (["+", "-", "."], "1.5", 0),  # strands of a genome
        (["+", "++", "-"], "-", 0),
        (["-", "0", "+"], "1.5", 0),  # charges
        ([",", ".", "word"], "1.5", 0),
        (["AF", "NA", "SA", "EU"], "1.5", 0),  # continents
        (["EMEA", "NA", "APAC"], "1.5", 0),
        (["nil", "trace", "plenty"], "1.5", 0),
        (["null", "", "wild"], "1.5", 20),
        (["x", "-"], "1.5", 0),
        (["CA", "NY", "TX", "NA"], "1.5", 15),  # states
        (["DE", "FR", "IT", "NA"], "NA", 15),  # numbers of the file have it, too
        (["red", "blue", "N/A"], "1.5", 20),
        (["red", "blue", "-"], "1.5", 20),
        (["?", "yes"], "1.5", 30),
    ],
)
def test_evidence(tmp_path: Path, values: list[str], number: str, missing: int) -> None:
    series = column(tmp_path, (values * 60)[:60], number=number)
    assert series.null_count() == missing
    assert set(series.drop_nulls()) <= set(values)


def test_dots_and_dashes_alone_are_values(tmp_path: Path) -> None:
    assert column(tmp_path, [".", "-"] * 10).null_count() == 0
    assert column(tmp_path, ["-"] * 20).null_count() == 20


def test_the_user_decides(tmp_path: Path) -> None:
    values = ["CA", "NY", "NA", "-"] * 20
    assert column(tmp_path, values).null_count() == 40
    assert column(tmp_path, values, SourceOptions(missing=())).null_count() == 0
    assert column(tmp_path, values, SourceOptions(keep=("NA",))).null_count() == 20
    assert column(tmp_path, values, SourceOptions(keep={"x": ("NA", "-")})).null_count() == 0
    assert column(tmp_path, values, SourceOptions(keep={"y": ("NA",)})).null_count() == 40
    assert column(tmp_path, ["+", "-"] * 20, SourceOptions(missing=("-",))).null_count() == 20


@pytest.mark.parametrize("ending", ["parquet", "json", "frame"])
def test_typed_sources_keep_texts(tmp_path: Path, ending: str) -> None:
    frame = pl.DataFrame({"x": ["NA", "-", "nil", "null", None, "?"], "n": [1, 2, 3, 4, 5, 6]})
    path = tmp_path / f"a.{ending}"
    if ending == "parquet":
        frame.write_parquet(path)
    elif ending == "json":
        frame.write_json(path)
    table = read(frame if ending == "frame" else path)
    assert table["x"].to_list() == ["NA", "-", "nil", "null", None, None]


def test_settings_of_a_spec_are_texts() -> None:
    data = Spec.from_dict({"data": {"source": "a.csv", "missing": [-999, None], "keep": {"a": [None]}}}).data
    assert (data.missing, dict(data.keep)) == (("-999", "null"), {"a": ("null",)})
    assert Spec.from_dict({"data": {"source": "a.csv", "missing": []}}).data.missing == ()


@needs_cases
def test_new_rows_are_read_as_in_training(tmp_path: Path) -> None:
    """A file of two rows shows nothing about NA; the run knows that it is a country."""
    path = CASES / "05-looks-missing" / "countries.csv"
    run = deepglass.train(path, "country", out=tmp_path / "run", steps=20, baselines=False)
    assert len(run.predictor.outputs[0].class_names) == 5
    (tmp_path / "new.csv").write_text("pop,gdp,country\n0.2345,0.9,NA\n0.3456,0.8,NA\n")
    assert run.predictor.reader.read(tmp_path / "new.csv")["country"].to_list() == ["NA", "NA"]
    assert 0 <= run.evaluate(tmp_path / "new.csv")["country"]["accuracy"] <= 1


def test_texts_for_missing_values_far_below(tmp_path: Path) -> None:
    """Types are inferred from the first rows, and whatever stands far below them is read the same."""
    rows = [[str(i % 90), f"{i % 50}.25", "ab"[i % 2], str(i)] for i in range(60_000)]
    rows[5][0] = "?"
    for i in range(20_000, 60_000, 1_000):
        rows[i][:3] = ["-", "NA", ""]
    rows[59_000][3] = "12345678901234567890"
    (tmp_path / "a.csv").write_text("k,x,g,id\n" + "\n".join(map(",".join, rows)))
    table = read(tmp_path / "a.csv")
    assert [table[name].null_count() for name in table.names] == [41, 40, 40, 0]
    assert [str(table[name].dtype) for name in "kxg"] == ["Int64", "Float64", "String"]
    assert table["k"].sum() == sum(int(row[0]) for row in rows if row[0].isdigit())
