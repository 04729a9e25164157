"""Texts on the consoles."""

import pytest

from deepglass.cli import console, show
from deepglass.cli.console import grid_of, print_columns
from deepglass.doctor.inspect import ColumnSummary


@pytest.mark.parametrize("name", ["out", "err"])
def test_names_that_look_like_markup_or_emoji_codes_are_printed_as_they_are(name: str) -> None:
    stream = getattr(console, name)
    text = "synthetic:ring: 5,000 rows of [b]x[/b] :smile:"
    grid = grid_of()
    grid.add_row(text)
    with stream.capture() as capture:
        stream.print(text)
        stream.print(grid)
    assert [line.strip() for line in capture.get().splitlines()] == [text, text]


@pytest.mark.parametrize("width", [30, 50, 80, 120])
def test_numbers_and_names_of_a_table_are_never_broken(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(console.out, "_width", width)
    rows = [["r2", "0.9683", "-1.602e-05", "0.9606"], ["mse", "907,177,227", "28,608,948,258", "1,125,987,288"]]
    rows.append(["coverage", "0.93", "", ""])
    print_columns(["price, test", "this run", "constant", "gradient boosting"], rows, bold=1)
    output = capsys.readouterr().out
    words = output.split()
    assert max(map(len, output.splitlines())) <= width
    assert {"28,608,948,258", "1,125,987,288", "gradient", "boosting", "constant"} <= set(words)
    tables = words.count("r2")  # each of the tables has the names of the rows
    assert tables == words.count("coverage") == {30: 3, 50: 2}.get(width, 1)


def test_a_cell_that_is_longer_than_the_terminal_is_folded(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(console.out, "_width", 40)
    print_columns(["", "runs/a", "runs/b"], [["data.source", "/long/" * 20, "b"]])
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 40
    assert "".join(lines).replace(" ", "").count("/long/") >= 15


@pytest.mark.parametrize("width", [40, 60, 100])
def test_columns_of_a_source_keep_their_names_in_narrow_terminals(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(console.out, "_width", width)
    name = "median_house_value"
    show._show_columns([ColumnSummary(name, "number", "numbers from 35 to 179.9", "input", 3, 9, "127.4")])
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith(name) for line in lines)
    assert "numbers from 35" in " ".join(lines)
