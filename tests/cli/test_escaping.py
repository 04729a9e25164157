"""Control characters from data reach no terminal."""

import io
import json
import sys

import polars as pl
import pytest

from deepglass.cli.console import _ResultConsole, grid_of
from deepglass.cli.escaping import EscapingStream, escaped, escaped_json
from deepglass.cli.main import main
from deepglass.documents import parse_yaml

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


def test_a_spec_on_stdout_has_the_true_names_and_no_control_characters(tmp_path, monkeypatch, capsys):
    names = [
        EVIL[:-2],
        "line\nobjective: dqn",
        "a\u2028b",
        "a\x85b",
        "two  spaces " + "long " * 4000,
        "\U0001f468\u200d\U0001f469",
    ]
    constant = "x\nnetwork: {trunk: lstm}\u2028seed: 7"
    rows = {name.strip(): [i**2 % 7 / 3 + k for i in range(30)] for k, name in enumerate(names)}
    pl.DataFrame({**rows, constant: ["same"] * 30, "y": ["a", "b"] * 15}).write_json(tmp_path / "data.json")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["deepglass", "new", "data.json", "--target", "y"])
    with pytest.raises(SystemExit):
        main()
    written = capsys.readouterr().out
    assert not any(c in written for c in CONTROLS)
    spec = parse_yaml(written, "spec")
    assert [f["name"] for f in spec["inputs"]] == list(rows)
    assert set(spec) == {"data", "inputs", "outputs", "objective", "training"}
    assert spec["objective"] == "supervised"
