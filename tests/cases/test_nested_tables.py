"""Sheets, JSON by row, and sentences with one word per line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import openpyxl
import polars as pl
import pytest
from conftest import CASES, needs_cases

import deepglass
from deepglass.data.sources import SourceOptions, read
from deepglass.errors import SourceError


@needs_cases
def test_the_sheet_with_the_table_and_merged_cells() -> None:
    path = CASES / "24-excel" / "report.xlsx"
    table = read(path)
    assert next(note.value for note in table.notes if note.what == "sheet") == "Data 2024"
    assert table.names[:3] == ["Shop name", "Amounts net", "Amounts tax"]
    assert table["Shop name"][:5].to_list() == ["Shop 0"] * 4 + ["Shop 1"]
    assert table["Amounts tax"][1] == 1.9
    with pytest.raises(SourceError, match="it has Notes, Data 2024"):
        read(path, options=SourceOptions(sheet="Data"))


def test_sheets_by_name_and_number(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    book.active.title = "About"
    for line in (["key", "value"], ["author", "me"], ["date", "today"]):
        book.active.append(line)
    for name in ("01", "2023"):
        sheet = book.create_sheet(name)
        sheet.append(["t", "v", "w"])
        sheet.append(["s", "m/s", "kg"])
        for i in range(20):
            sheet.append([i, i / 2, i * (name == "01")])
    book.save(tmp_path / "a.xlsx")
    assert read(tmp_path / "a.xlsx")["w"].to_list() == list(range(20))
    assert read(tmp_path / "a.xlsx", options=SourceOptions(sheet="2023"))["w"].to_list() == [0] * 20
    assert read(tmp_path / "a.xlsx", options=SourceOptions(sheet="1")).names == ["key", "value"]


def test_merged_cells_beside_an_empty_margin(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    sheet = book.active
    for i, line in enumerate([["A title"], ["city", "n"], ["Rome", 1], [None, 2], ["Oslo", 3], [None, 4], [None, 5]]):
        for j, value in enumerate(line):
            sheet.cell(3 + i, 2 + j, value)
    for block in ("B3:C3", "B5:B6", "B7:B9"):
        sheet.merge_cells(block)
    book.save(tmp_path / "a.xlsx")
    table = read(tmp_path / "a.xlsx")
    assert table["city"].to_list() == ["Rome", "Rome", "Oslo", "Oslo", "Oslo"]
    assert table["n"].to_list() == [1, 2, 3, 4, 5]


FRAME = {"a": list(range(30)), "b": [i % 3 for i in range(30)], "name": [f"n{i}" for i in range(30)]}


@needs_cases
def test_json_by_row() -> None:
    table = read(CASES / "23-json" / "index.json")
    assert {name: table[name].to_list() for name in table.names} == FRAME


@pytest.mark.parametrize("keys", [[str(i) for i in range(30)], [f"r{i}" for i in range(30)]])
@pytest.mark.parametrize("names", [["a", "b", "name"], ["a", "b"]])
def test_json_as_pandas_writes_it(tmp_path: Path, keys: list[str], names: list[str]) -> None:
    rows = {key: {name: FRAME[name][i] for name in names} for i, key in enumerate(keys)}
    columns = {name: dict(zip(keys, FRAME[name], strict=True)) for name in names}
    for content in (rows, columns):
        (tmp_path / "a.json").write_text(json.dumps(content))
        table = read(tmp_path / "a.json")
        assert {name: table[name].to_list() for name in table.names} == {name: FRAME[name] for name in names}


@needs_cases
def test_conll_2003() -> None:
    table = read(CASES / "25-conllu" / "conll2003.txt")
    assert (len(table), table.target, table.kinds["tags"]) == (30, "tags", "tags")
    assert table["words"][0].to_list() == ["EU", "rejects", "German", "call", "."]
    assert table["tags"][0].to_list() == ["B-ORG", "O", "B-MISC", "O", "O"]


@needs_cases
def test_a_row_for_each_word(tmp_path: Path) -> None:
    table = read(CASES / "25-conllu" / "ner.csv")
    assert (len(table), table.target) == (30, "Tag")
    assert table["Word"][0].to_list() == ["Peter", "lives", "in", "Bonn"]
    run = deepglass.train(CASES / "25-conllu" / "ner.csv", out=tmp_path / "run", steps=3, baselines=False)
    assert [f.kind for f in (*run.predictor.inputs, *run.predictor.outputs)] == ["text", "tags"]


@pytest.mark.parametrize("text", ["word,tag\n{0},B-PER\n.,O\n\n", "{0}\tB-PER\n.\tO\n\n", "{0} X B-PER\n. X O\n\n"])
def test_further_word_rows(tmp_path: Path, text: str) -> None:
    first, *rest = [text.format(f"Ann{i}") for i in range(40)]
    rest = [block.removeprefix("word,tag\n") for block in rest]
    (tmp_path / "a.txt").write_text("".join([first, *rest]))
    table = read(tmp_path / "a.txt")
    assert table["words"].to_list() == [[f"Ann{i}", "."] for i in range(40)]
    assert set(table["tags"].explode()) == {"B-PER", "O"}


def test_numbered_sentences(tmp_path: Path) -> None:
    rows = [(i, word, tag) for i in range(20) for word, tag in (("NA", "B-ORG"), ("-", "O"), ("null", "O"))]
    pl.DataFrame(rows, schema=["sentence_id", "token", "label"], orient="row").write_csv(tmp_path / "a.csv")
    table = read(tmp_path / "a.csv")
    assert table["token"].to_list() == [["NA", "-", "null"]] * 20


def test_the_option_sheet(command: Any, tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.title = "2022"
    for name in ("2022", "2023"):
        sheet = book[name] if name in book.sheetnames else book.create_sheet(name)
        for row in [["day", f"sales_{name}"], *([i, i * 2] for i in range(12))]:
            sheet.append(row)
    book.save(tmp_path / "book.xlsx")
    done = command("inspect", tmp_path / "book.xlsx", "--sheet", "2023")
    assert done.code == 0, done.err
    assert "sales_2023" in done.out
    done = command("inspect", tmp_path / "book.xlsx", "--sheet", "2024")
    assert done.code == 2
    assert "2022" in done.err
    assert "2023" in done.err
