"""Quotes that nobody closes lose no row, and cells that hold several lines stay one cell."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import CASES, needs_cases

from deepglass.data.sources import read
from deepglass.data.table import Table


def quotes_note(table: Table) -> str:
    return next((note.value for note in table.notes if note.what == "quotes"), "")


def table_of(tmp_path: Path, name: str, lines: list[str]) -> Table:
    (tmp_path / name).write_text("\n".join(lines) + "\n")
    return read(tmp_path / name)


@needs_cases
def test_titles_keep_every_row() -> None:
    table = read(CASES / "30-quotes" / "titles.tsv")
    assert (len(table), quotes_note(table)) == (400, "4 cells")
    assert table["primaryTitle"].str.starts_with('"').sum() == 4


@needs_cases
def test_inch_marks_are_text() -> None:
    table = read(CASES / "30-quotes" / "inch.csv")
    assert (len(table), table["part"][0], quotes_note(table)) == (100, '1" pipe', "")


@pytest.mark.parametrize("name", ["sms.txt", "sms.tsv"])
@pytest.mark.parametrize("strays", [(0,), (40, 300, 450), (499,), tuple(range(100, 200))])
def test_messages_that_begin_with_a_quote(tmp_path: Path, name: str, strays: tuple[int, ...]) -> None:
    lines = [f"{'spam' if i % 7 == 0 else 'ham'}\t{chr(34) * (i in strays)}see you at {i}, ok" for i in range(500)]
    lines[77] = 'ham\t"Love" is all'
    table = table_of(tmp_path, name, lines)
    messages = table["column_2"].to_list()
    assert messages == [line.split("\t")[1] for line in lines]
    assert quotes_note(table) == ("2 cells" if len(strays) == 1 else f"{len(strays) + (77 not in strays)} cells")


def test_a_stray_quote_among_cells_that_need_their_quotes(tmp_path: Path) -> None:
    lines = [f'{i},"oops,{i % 3}' if i in (0, 50, 199) else f'{i},"x, y {i}",{i % 3}' for i in range(200)]
    table = table_of(tmp_path, "a.csv", ["id,note,n", *lines])
    assert table["id"].to_list() == list(range(200))
    assert table["note"].to_list() == ['"oops' if i in (0, 50, 199) else f"x, y {i}" for i in range(200)]


@pytest.mark.parametrize("text_first", [True, False])
def test_letters_of_several_lines_stay_cells(tmp_path: Path, text_first: bool) -> None:
    letters = [f'Dear "sir",\nthanks {i}, bye\n' if i % 3 else f"short {i}" for i in range(200)]
    quoted = ['"' + text.replace('"', '""') + '"' for text in letters]
    lines = [f"{text},{i % 2}" if text_first else f"{i % 2},{text}" for i, text in enumerate(quoted)]
    table = table_of(tmp_path, "a.csv", ["text,label" if text_first else "label,text", *lines])
    assert table["text"].to_list() == letters
    assert quotes_note(table) == ""


@pytest.mark.parametrize("first", ['"Start', '"Start" again', 'say "Start'])
def test_an_open_quote_in_the_first_row(tmp_path: Path, first: str) -> None:
    rows = [f"title {i}\t{i % 5}" for i in range(300)]
    rows[0] = f"{first}\t3"
    (tmp_path / "a.tsv").write_text("\n".join(["title\trating", *rows]))
    table = read(tmp_path / "a.tsv")
    assert table["title"].to_list() == [first, *(f"title {i}" for i in range(1, 300))]
    assert table["rating"].dtype.is_integer()


def test_cells_of_several_lines_with_commas_stay_cells(tmp_path: Path) -> None:
    rows = [f'{i},"a text\nof lines, {i}\nwith a comma each, yes",{i % 5}' for i in range(200)]
    (tmp_path / "a.csv").write_text("\n".join(["id,text,y", *rows]))
    assert len(read(tmp_path / "a.csv")) == 200
