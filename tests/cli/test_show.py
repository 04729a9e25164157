"""What commands print in narrow terminals, and after a training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from conftest import Command

import deepglass
from deepglass.cli import console, show
from deepglass.cli.console import print_table
from deepglass.cli.progress import ProgressBar
from deepglass.doctor.base import Finding
from deepglass.report.data import ReportData
from deepglass.run.run import Run

NAMES = ["sepal length (cm)", "petal_width_in_centimetres", "target"]
BASELINES = ["constant", "linear", "gradient boosting"]


def narrow(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    for stream in (console.out, console.err):
        monkeypatch.setattr(stream, "_width", width)


@pytest.mark.parametrize("width", [120, 80, 60, 40])
def test_narrow_tables_of_texts_keep_names(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    narrow(monkeypatch, width)
    rows = [[name, "number", "input", "5.1", "numbers from 4.3 to 7.9, 35 different ones"] for name in NAMES]
    print_table(["column", "kind", "role", "example", "why"], rows, right=False)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= width
    text = "\n".join(lines)
    words = [
        "kind",
        "role",
        "example",
        "why",
        "number",
        "input",
        "5.1",
        "different",
        *(w for n in NAMES for w in n.split()),
    ]
    assert all(word in text for word in words)
    assert "…" not in text


@pytest.mark.parametrize("width", [120, 60, 40])
def test_narrow_tables_of_numbers_break_no_number(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    narrow(monkeypatch, width)
    values = ["0.9333", "9.934e-09", "1,234,567", "0.06637"]
    print_table(["target, test", "this run", *BASELINES], [["balanced_accuracy", *values], ["ece", *values]])
    printed = capsys.readouterr().out
    assert max(map(len, printed.splitlines())) <= width
    words = printed.split()
    assert all(words.count(value) == 2 for value in values)
    assert {"constant", "linear", "gradient", "boosting", "balanced_accuracy"} <= set(words)


def test_a_name_that_is_wider_than_the_terminal_is_whole(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    narrow(monkeypatch, 40)
    name, value = "n" * 90, "v" * 90
    for right in (True, False):
        print_table(["", "a", "b"], [[name, value, "1"]], right)
        printed = capsys.readouterr().out
        assert printed.count("n") in (90, 180)  # of numbers, in each of two tables
        assert printed.count("v") == 90


@pytest.fixture(scope="module")
def noisy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table with a wrong label in every twentieth row and a column that tells the answer."""
    random = np.random.default_rng(0)
    truth = np.arange(300) % 2 == 0
    x = random.normal(size=(300, 2)) + 5 * truth[:, None]
    flipped = truth ^ (np.arange(300) % 20 == 3)
    frame = pl.DataFrame(x, ["a", "b"]).with_columns(label=pl.Series(np.where(flipped, "yes", "no")))
    path = tmp_path_factory.mktemp("noisy") / "noisy.csv"
    frame.with_columns(late=pl.col("label") + "!").write_csv(path)
    return path


def test_a_training_ends_with_the_verdict_and_the_findings(
    noisy: Path, command: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = Finding("label_error", (3,), ("label",), 0.9, "label: 1 label looks wrong", "")
    monkeypatch.setattr("deepglass.doctor.findings._label_findings", lambda *_: [wrong])
    small: dict[str, Any] = {"network": {"width": 16, "ensemble_size": 1}, "training": {"threads": 1}, "steps": 60}
    run = deepglass.train(noisy, "label", ignore=["late"], out=tmp_path / "run", callbacks=[ProgressBar()], **small)
    show.show_run(run)
    said = capsys.readouterr()
    ending = [line.removesuffix(" ...") for line in said.err.splitlines() if line.endswith(" ...")]
    assert ending == ["reading", "checking", "calibrating", "testing", "baselines", "report"]
    printed = " ".join(said.out.split())
    assert "label: " in printed
    assert "Row by row, its lead over" in printed
    assert "interval" in printed
    findings = json.loads((run.path / "findings.json").read_text())
    assert "label_error" in {f["kind"] for f in findings}, "the findings of the predictions stand in the run's file too"
    assert f"{len(findings)} finding" in printed
    assert "label_error: label: " in printed
    assert "\x1b" not in said.out + said.err
    assert Run(run.path).folder.files.digests() is not None
    assert command("check", run.path).code == 0
    assert [f.kind for f in ReportData(Run(run.path).context).findings].count("label_error") == 1


def test_the_most_severe_findings_come_first_and_the_others_are_counted(
    noisy: Path, command: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = command("train", noisy, "--target", "label", "--steps", "2", "--no-baselines", "--out", tmp_path / "run")
    assert said.code == 0
    assert "leak: late" in said.out
    path = tmp_path / "run" / "findings.json"
    found = json.loads(path.read_text())
    leak = next(f for f in found if f["kind"] == "leak")
    path.write_text(json.dumps([*({**leak, "kind": "outlier", "confidence": 0.99},) * 4, leak]))
    (tmp_path / "run" / "manifest.json").unlink()
    show._show_findings(Run(tmp_path / "run"))
    lines = [line for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert lines[0].startswith("5 findings in the data, the most severe 3 (")
    assert [line.split(":")[0].strip() for line in lines if line[2:3] != " " and line.startswith("  ")] == [
        "leak", "outlier", "outlier",
    ]  # fmt: skip
