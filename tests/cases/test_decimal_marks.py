"""The decimal mark is that of the file, and new files are read by their own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import CASES, Command, needs_cases

import deepglass
from deepglass.data.sources import read
from deepglass.data.sources.base import SourceOptions
from deepglass.parsing import parse_numbers, to_numbers


def table_of(tmp_path: Path, text: str, name: str = "a.csv") -> dict[str, list[object]]:
    (tmp_path / name).write_text(text)
    table = read(tmp_path / name)
    return {column: table[column].to_list() for column in table.names}


@needs_cases
def test_a_comma_that_another_column_proves() -> None:
    table = read(CASES / "02-decimal-comma" / "vibration.csv")
    assert table["diesel"][:3].to_list() == [1.759, 1.76, 1.761]
    assert table["e10"][:2].to_list() == [1.6, 1.602]
    assert "as in the whole file" in next(n.why for n in table.notes if n.value == "diesel")


@needs_cases
@pytest.mark.parametrize("name", ["fuel.csv", "fuel2.csv"])
def test_fuel(name: str) -> None:
    assert read(CASES / "02-decimal-comma" / name)["diesel"][:2].to_list() == [1.5, 1.51]


@needs_cases
def test_german_thousands() -> None:
    table = read(CASES / "33-german-thousands" / "orte.csv")
    assert table["Einwohner"][:4].to_list() == [34481, 857, 355, 33318]
    assert table["Dichte"][0] == 238.6


def test_thousands_beside_points(tmp_path: Path) -> None:
    columns = table_of(tmp_path, 'price,count\n1.5,"1,234"\n2.25,857\n3.125,"12,001"\n')
    assert columns == {"price": [1.5, 2.25, 3.125], "count": [1234, 857, 12001]}


@pytest.mark.parametrize("separator", [";", "\t", ","])
def test_points_that_separate_thousands_by_themselves(tmp_path: Path, separator: str) -> None:
    numbers = [857, 34480, 12355, 7, 1100, 2137, 98000, 640]
    lines = [separator.join(["x", f"{n:,}".replace(",", ".")]) for n in numbers * 3]
    columns = table_of(tmp_path, "\n".join([separator.join(["name", "people"]), *lines]) + "\n")
    assert columns["people"] == numbers * 3


@pytest.mark.parametrize("values", [["0.857", "3.480", "12"], ["1.5", "3.480", "12"], ["1.125", "3.487", "12"]])
def test_points_before_three_digits_of_decimals(tmp_path: Path, values: list[str]) -> None:
    columns = table_of(tmp_path, "a;b\n" + "".join(f"x;{v}\n" for v in values * 5))
    assert columns["b"] == [float(v) for v in values * 5]


def test_quoted_commas_in_a_comma_file(tmp_path: Path) -> None:
    columns = table_of(tmp_path, 'a,b\n"1,5","1,759"\n"2,25","2,003"\n"3,0","0,125"\n')
    assert columns == {"a": [1.5, 2.25, 3.0], "b": [1.759, 2.003, 0.125]}


def test_units_in_the_format_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a;b\n0,00025;1,759 €\n0,00026;2,001 €\n0,1;1,5 €\n")
    (tmp_path / "b.csv").write_text("a;b\n0,00025;1,759 €\n0,00026;2,001 €\n0,1;1,500 €\n")
    from deepglass.features.number import Number

    for name in ("a.csv", "b.csv"):
        raw = read(tmp_path / name)["b"]
        assert np.allclose(Number(name="b").fit([raw]).encode(raw).values, [1.759, 2.001, 1.5])


@pytest.mark.parametrize("unit", ["l/100km", "kg", "m3", "R$", "zł"])
def test_a_comma_with_a_unit_proves_the_mark_of_another_column(tmp_path: Path, unit: str) -> None:
    rows = "".join(f"{i},{i % 9 + 1} {unit};{i + 10}.{100 + i} km\n" for i in range(30))
    (tmp_path / "a.csv").write_text(f"a;b\n{rows}")
    raw = read(tmp_path / "a.csv")["b"]
    assert to_numbers(raw, parse_numbers(raw))[0].to_list() == [(i + 10) * 1000 + 100 + i for i in range(30)]


def test_points_in_one_column_and_commas_in_another(tmp_path: Path) -> None:
    columns = table_of(tmp_path, "a;b\n1.5;1,5\n2.25;2,75\n0.125;3,0\n")
    assert columns == {"a": [1.5, 2.25, 0.125], "b": [1.5, 2.75, 3.0]}


@needs_cases
def test_new_rows_in_another_writing(tmp_path: Path) -> None:
    path = CASES / "02-decimal-comma" / "fuel.csv"
    run = deepglass.train(path, "diesel", out=tmp_path / "run", steps=20, baselines=False)
    new = [run.predict(CASES / "02-decimal-comma" / name) for name in ("new.csv", "new2.csv")]
    assert [row["diesel"]["value"] for row in new[0]] == [row["diesel"]["value"] for row in new[1]]
    assert run.predict({"station": "S1", "volume": "21,5"})[0]["diesel"]["value"] == new[0][0]["diesel"]["value"]
    metrics = run.evaluate(CASES / "02-decimal-comma" / "new2.csv")["diesel"]
    assert 0 < metrics["mae"] < 1


AMBIGUOUS = ["1.759", "12.480", "3.125", "2.500"]  # 1.759 or 1759: only the user knows


@pytest.mark.parametrize(("decimal", "factor"), [(".", 1), ("point", 1), (",", 1000), ("comma", 1000), (None, 1)])
@pytest.mark.parametrize("separator", [",", ";"])
def test_the_user_states_the_decimal_mark(tmp_path: Path, decimal: str | None, factor: int, separator: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text("\n".join([f"a{separator}b", *(f"{v}{separator}x{i}" for i, v in enumerate(AMBIGUOUS * 10))]))
    table = read(path, options=SourceOptions(decimal=decimal))
    assert table["a"].to_list() == pytest.approx([float(v) * factor for v in AMBIGUOUS * 10])


def test_commas_of_a_stated_point_separate_thousands(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("\n".join(["a;b", *(f"{v};{i}" for i, v in enumerate(["1,759", "12,480"] * 20))]))
    by_mark = {mark: read(tmp_path / "a.csv", options=SourceOptions(decimal=mark))["a"][0] for mark in (".", ",", None)}
    assert by_mark == {".": 1759, ",": 1.759, None: 1.759}  # semicolons are what a program writes beside commas
    (tmp_path / "b.csv").write_text("\n".join(["a;b", *(f"{v};{i}" for i, v in enumerate(["0,5", "12,25"] * 20))]))
    assert read(tmp_path / "b.csv", options=SourceOptions(decimal="."))["a"][0] == 0.5  # it cannot be read otherwise


def test_new_rows_have_the_stated_mark(tmp_path: Path, command: Command) -> None:
    rows = [f"{v};{i % 7}" for i, v in enumerate(AMBIGUOUS * 10)]
    (tmp_path / "a.csv").write_text("\n".join(["a;b", *rows]))
    (tmp_path / "new.csv").write_text("a;b\n1.500;2\n")
    run = deepglass.train(tmp_path / "a.csv", "b", data={"decimal": ","}, out=tmp_path / "r", steps=3, baselines=False)
    assert run.predictor.reader.read(tmp_path / "new.csv")["a"].to_list() == [1500]
    assert deepglass.Run(run.path).predictor.reader.data.decimal == ","
    done = command("inspect", tmp_path / "a.csv", "data.decimal=;")
    assert done.code == 2
    assert "data.decimal: expected , or ." in done.err
