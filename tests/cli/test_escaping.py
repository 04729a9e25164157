"""Control characters from data reach no terminal."""

import io
import json
import sys

import polars as pl
import pytest

from deepglass.cli.console import _ResultConsole, grid_of
from deepglass.cli.escaping import EscapingStream, escaped, escaped_json
from deepglass.cli.main import main

EVIL = "a\x1b]0;title\x07b\x7f\x9b31m\u202ec\u200b\ufeff\U000e0041\r\x00"
CONTROLS = [c for c in EVIL if c not in "a]0;titleb31mc"]


def test_control_characters_are_escaped_and_others_stay():
    assert not any(c in escaped(EVIL) for c in CONTROLS)
    assert escaped(EVIL).startswith(r"a\x1b]0;title\x07b\x7f\x9b31m\u202ec\u200b\ufeff")
    assert escaped("é\tü\n中 \u200d 🙂") == "é\tü\n中 \u200d 🙂"


def test_json_keeps_the_value():
    text = escaped_json(json.dumps([EVIL, "\ud800"], ensure_ascii=False))
    assert not any(c in text for c in CONTROLS)
    assert json.loads(text) == [EVIL, "\ud800"]


@pytest.mark.parametrize("terminal", [False, True])
def test_the_console_escapes_what_it_is_given(terminal):
    file = io.StringIO()
    console = _ResultConsole(file=EscapingStream(file), force_terminal=terminal, markup=False, width=200)
    grid = grid_of(EVIL)
    grid.add_row(EVIL)
    console.print(EVIL, style="bold")
    console.print(grid)
    written = file.getvalue()
    assert "\x1b]" not in written
    assert not any(c in written for c in CONTROLS if c != "\x1b")
    assert ("\x1b[1m" in written) == terminal


@pytest.mark.parametrize(
    "words", [("inspect", "data.csv"), ("inspect", EVIL), ("inspect", "data.csv", "--json"), (EVIL,)]
)
def test_no_command_writes_control_characters(words, tmp_path, monkeypatch, capsys):
    rows = {
        "name": [f"{EVIL[:-1]} {i}" for i in range(30)],
        EVIL[:-2]: list(range(30)),
        "y": [i % 3 for i in range(30)],
    }
    pl.DataFrame(rows).write_csv(tmp_path / "data.csv")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["deepglass", *(w.replace("\x00", "") for w in words)])
    with pytest.raises(SystemExit):
        main()
    written = "".join(capsys.readouterr())
    assert written
    assert not any(c in written for c in CONTROLS)
