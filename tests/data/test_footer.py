"""Rows below a table: remarks, empty rows and totals are left out and said; rows that only look like them stay."""

from pathlib import Path

import polars as pl
import pytest

import deepglass
from deepglass.doctor.inspect import Inspection

ROWS = [f"{town};{i};{i * 1.5:.2f}".replace(".", ",") for i, town in enumerate(["Bonn", "Ulm", "Hof", "Wien"] * 6, 1)]
HEADER = "town;pieces;revenue"
BELOW = {
    "a total": ["Total;300;450,00"],
    "a total in German": ["Summe:;300;450,00"],
    "a total without a word": [";300;450,00"],
    "a total of one column": ["Grand total;300;"],
    "a source": ["Source: the accounts department;;"],
    "a total and remarks": ["Gesamt;300;450,00", ";;", "Stand: 3. Mai;;", "* without returns;;"],
}
NO_FOOTER = {
    "a town that is called Total": ["Total;7;3,00"],
    "a row with empty cells": ["Bonn;;"],
    "a row without a town": [";7;10,50"],
    "a row with the largest values": ["Bonn;300;450,00"],
}


def read(folder: Path, below: list[str]) -> Inspection:
    path = folder / "towns.csv"
    path.write_text("\n".join([HEADER, *ROWS, *below]) + "\n")
    return deepglass.inspect(path, target="revenue")


@pytest.mark.parametrize("below", BELOW.values(), ids=BELOW)
def test_rows_below_a_table_are_left_out_and_said(tmp_path: Path, below: list[str]) -> None:
    inspection = read(tmp_path, below)
    assert inspection.rows == len(ROWS)
    notes = {note.what for note in inspection.notes}
    assert notes & {"totals", "footer"}
    assert not [f for f in inspection.findings if f.kind == "leak"]


@pytest.mark.parametrize("below", NO_FOOTER.values(), ids=NO_FOOTER)
def test_rows_of_the_table_stay(tmp_path: Path, below: list[str]) -> None:
    assert read(tmp_path, below).rows == len(ROWS) + 1


def test_a_row_of_totals_below_an_excel_sheet(tmp_path: Path) -> None:
    pytest.importorskip("xlsxwriter")
    body = pl.DataFrame({"town": ["Bonn", "Ulm"] * 10, "pieces": range(1, 21), "revenue": [i * 1.5 for i in range(20)]})
    total = pl.DataFrame({"town": ["Summe"], "pieces": [210], "revenue": [285.0]})
    pl.concat([body, total], how="vertical_relaxed").write_excel(tmp_path / "towns.xlsx")
    inspection = deepglass.inspect(tmp_path / "towns.xlsx", target="revenue")
    assert inspection.rows == 20
    assert any(note.what == "totals" and "pieces, revenue" in note.why for note in inspection.notes)
