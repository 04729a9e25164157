"""Text cells that begin like a formula: guarded on request when written, restored when read."""

import sys
from pathlib import Path

import polars as pl
import pytest

import deepglass
from deepglass.cli.main import main
from deepglass.data.sources import read
from deepglass.formulas import guarded, unguarded
from deepglass.run.write_predictions import write_predictions

FORMULAS = ["=1+1", "+a", "-b", "@c", "\td", "\re", "'=f", "''=g"]
TEXTS = [*FORMULAS, "'h", "i", "", "-5", "+1.5e3", "-.5", "=", None, "'-5", "a=b"]


def test_formulas_get_an_apostrophe_and_numbers_and_other_texts_stay():
    changed = dict(zip(TEXTS, guarded(pl.Series(TEXTS)).to_list(), strict=True))
    assert [changed[t] for t in FORMULAS] == [f"'{t}" for t in FORMULAS]
    assert all(changed[t] == t for t in ("'h", "i", "", "-5", "+1.5e3", "-.5", None, "a=b"))


def test_reading_restores_every_text():
    series = pl.Series("x", TEXTS)
    assert unguarded(guarded(series)).to_list() == TEXTS
    plain = pl.Series("x", ["'tis", "it's", "a", "'5", None])
    assert unguarded(plain).to_list() == plain.to_list()


def test_a_written_table_is_read_back(tmp_path: Path):
    rows = [{"=y": {"value": text, "confidence": -0.5}} for text in ("=1+1", "+a", "b", "@c")]
    write_predictions(tmp_path / "out.csv", rows, excel_safe=True)
    written = (tmp_path / "out.csv").read_text()
    assert written.startswith("'=y,'=y.confidence\n'=1+1,-0.5\n'+a,")
    table = read(tmp_path / "out.csv")
    assert table.columns["=y"].to_list() == ["=1+1", "+a", "b", "@c"]
    write_predictions(tmp_path / "plain.csv", rows)
    assert (tmp_path / "plain.csv").read_text().startswith("=y,=y.confidence\n=1+1,-0.5")


def test_excel_safe_needs_a_csv_file(tmp_path, monkeypatch, capsys):
    rows = [{"a": i * i % 17, "y": "=x" if i % 2 else "=z"} for i in range(40)]
    deepglass.train(rows, "y", steps=2, baselines=False, network={"trunk": "mlp", "width": 8}, out=tmp_path / "run")
    pl.DataFrame({"a": [1, 2]}).write_csv(tmp_path / "new.csv")
    for out, code in (("out.json", 2), ("out.csv", 0)):
        words = ["deepglass", "predict", "run", "new.csv", "--out", out, "--excel-safe"]
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", words)
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == code, capsys.readouterr().err
    assert "\n'=" in (tmp_path / "out.csv").read_text()
