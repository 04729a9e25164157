"""The command line: results on stdout, progress on stderr, JSON for machines, nothing overwritten."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from conftest import Command, made_up

import deepglass
from deepglass.errors import StorageError
from deepglass.run import fit


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table, a regression run with baselines and report, and two small classification runs."""
    path = tmp_path_factory.mktemp("cli")
    made_up().write_csv(path / "houses.csv")
    settings = {"network": {"depth": 1, "width": 16, "ensemble_size": 2}, "training": {"threads": 1}}
    deepglass.train(path / "houses.csv", "price", out=path / "price", steps=20, **settings)
    deepglass.train(path / "houses.csv", "sold", out=path / "sold", steps=3, baselines=False, **settings)
    deepglass.train(path / "houses.csv", "place", out=path / "place", steps=3, seed=4, baselines=False, **settings)
    return path


@pytest.fixture(autouse=True)
def _there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("COLUMNS", "80")


def fits(text: str, width: int = 80) -> bool:
    return all(len(line) <= width for line in text.splitlines())


def test_help_needs_no_heavy_imports() -> None:
    heavy = ["torch", "polars", "numpy", "sklearn", "pydantic", "rich.progress", "plotly"]
    code = f"import sys, deepglass.cli.main; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_report_needs_no_libraries_that_take_seconds_to_load(folder: Path) -> None:
    heavy = ["sklearn", "torch._dynamo", "captum", "matplotlib"]
    code = f"import sys, deepglass; deepglass.report('sold'); print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=folder)
    assert done.stdout.strip() == "[]"


def test_help_names_each_command(command: Command) -> None:
    said = command("--help")
    assert said.code == 0
    for name in ("inspect", "train", "resume", "evaluate", "predict", "compare", "report", "new", "list"):
        assert f"  {name}" in said.out
        assert command(name, "--help").code == 0


def test_version(command: Command) -> None:
    said = command("--version")
    assert said.code == 0
    assert said.out == f"deepglass {deepglass.__version__}\n"


# -- list ------------------------------------------------------------------------------------------------------------


def test_list_as_text_and_json(command: Command) -> None:
    said = command("list")
    assert said.code == 0
    assert fits(said.out)
    assert "supervised" in said.out
    found = json.loads(command("list", "--json").out)
    assert {"features", "trunks", "objectives", "data"} <= set(found)
    assert {"number", "category", "image"} <= set(found["features"])
    assert found["data"]["sklearn:digits"]
    assert all(not name.startswith("_") and about for name, about in found["features"].items())
    only = json.loads(command("list", "trunks", "--json").out)
    assert set(only) == {"trunks"}
    assert command("list", "trunk").code == 2


def test_list_prints_whole_sentences(command: Command) -> None:
    groups = json.loads(command("list", "--json").out)
    for name, about in ((n, about) for entries in groups.values() for n, about in entries.items()):
        assert not re.search(r"[.?!]\.$", about), f"{name}: {about}"


# -- inspect ---------------------------------------------------------------------------------------------------------


def test_inspect(command: Command) -> None:
    said = command("inspect", "houses.csv", "--target", "price")
    assert said.code == 0
    assert fits(said.out)
    for word in ("size", "number", "category", "output", "12"):
        assert word in said.out


def test_inspect_as_json(command: Command) -> None:
    rows = ["id,same,empty,kind,x"] + [f"{i},1,,{'rare' if i == 3 else 'common'},{i % 7}" for i in range(100)]
    Path("odd.csv").write_text("\n".join(rows) + "\n")
    found = json.loads(command("inspect", "odd.csv", "--target", "kind", "--json").out)
    columns = {c["name"]: c for c in found["columns"]}
    assert all({"name", "kind", "why", "missing"} <= set(c) for c in found["columns"])
    assert columns["empty"]["missing"] == 100
    assert columns["kind"]["role"] == "output"
    assert columns["x"]["kind"] in ("number", "category")
    findings = {f["kind"]: f for f in found["findings"]}
    assert len(findings) == len(found["findings"]), "one finding a kind"
    for finding in findings.values():
        assert set(finding) == {"kind", "rows", "columns", "confidence", "text", "fix"}
        assert 0 <= finding["confidence"] <= 1
    assert findings["constant"]["columns"] == ["same", "empty"]
    assert findings["id_column"]["columns"] == ["id"]
    assert findings["few_examples"]["rows"] == [3]
    assert findings["imbalance"]["columns"] == ["kind"]


# -- new -------------------------------------------------------------------------------------------------------------


def test_new_writes_a_spec_that_trains(command: Command, tmp_path: Path) -> None:
    said = command("new", "houses.csv", "--target", "price")
    assert said.code == 0
    assert said.out.startswith("# A deepglass spec")
    out = tmp_path / "far" / "spec.yaml"
    assert command("new", "houses.csv", "--target", "price", "--out", out).code == 0
    assert command("new", "houses.csv", "--target", "price", "--out", out).code == 2, "it is never overwritten"
    assert command("new", "houses.csv", "--target", "price", "--out", out, "--force").code == 0
    said = command("train", out, "--steps", "2", "--out", tmp_path / "run")
    assert said.code == 0, said.err


def test_new_prints_the_schema_of_specs(command: Command) -> None:
    schema = json.loads(command("new", "--schema").out)
    assert set(schema["properties"]) == {"data", "inputs", "outputs", "network", "objective", "training", "kinds"}
    assert command("new").code == 2, "a source or --schema"


# -- train and resume ------------------------------------------------------------------------------------------------


def test_train_prints_text_and_json(command: Command, tmp_path: Path) -> None:
    small = ["network.width=8", "network.ensemble_size=1"]
    said = command("train", "houses.csv", "--target", "price", "--steps", "2", "--out", tmp_path / "a", *small)
    assert said.code == 0
    assert fits(said.err)
    assert "houses.csv: 200 rows (160 train, 20 valid, 20 test)" in said.err
    assert "price, test" in said.out
    assert f"run: {tmp_path / 'a'}" in said.out
    words = ["--steps", "2", "--out", tmp_path / "b", "--json", "--seed", "3", *small]
    said = command("train", "houses.csv", "--target", "price", *words)
    found = json.loads(said.out)
    assert found["run"] == str(tmp_path / "b")
    assert found["seed"] == 3
    assert set(found["test"]) == {"price"}


def test_the_log_has_the_terminal_output(command: Command, tmp_path: Path) -> None:
    out = tmp_path / "logged"
    words = [
        "houses.csv",
        "--target",
        "price",
        "--steps",
        "4",
        "--out",
        out,
        "network.width=8",
        "network.ensemble_size=1",
    ]
    assert command("train", *words).code == 0
    log = (out / "log.txt").read_text()
    assert "houses.csv: 200 rows (160 train, 20 valid, 20 test)" in log
    assert re.search(r"input +number +size", log)
    assert ": 4 steps of" in log
    assert re.search(r"step 4, .*loss \d.*price", log)
    assert "training ended" in log
    assert f"run: {out}" in log


def test_the_log_has_the_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object) -> None:
        raise StorageError("disk-full", "no room is left")

    monkeypatch.setattr(fit, "train", full)
    with pytest.raises(StorageError):
        deepglass.train("houses.csv", "price", out=tmp_path / "failed", steps=1)
    log = (tmp_path / "failed" / "log.txt").read_text()
    assert "error: [disk-full] no room is left" in log


def test_runs_are_numbered(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        words = ["--target", "price", "--steps", "1", "network.width=8", "network.ensemble_size=1"]
        assert command("train", folder / "houses.csv", *words).code == 0
    assert sorted(p.name for p in Path("runs").iterdir()) == ["houses-1", "houses-2"]


def test_resume_of_a_finished_run_is_reported(command: Command) -> None:
    before = Path("price/metrics.json").read_text()
    said = command("resume", "price")
    assert said.code == 0
    assert "price is finished; --time, --epochs or --steps trains it further" in said.err
    assert Path("price/metrics.json").read_text() == before


# -- evaluate, compare, report ---------------------------------------------------------------------------------------


def test_evaluate(command: Command) -> None:
    said = command("evaluate", "price", "--json")
    assert json.loads(said.out) == deepglass.Run("price").metrics["test"]
    assert set(json.loads(command("evaluate", "price", "houses.csv", "--json").out)["price"]) >= {"rmse", "mae", "r2"}
    assert "rmse" in command("evaluate", "price").out
    said = command("evaluate", "prise")
    assert said.code == 2
    assert "did you mean 'price'?" in said.err


def test_compare(command: Command) -> None:
    said = command("compare", "price", "sold", "place")
    assert said.code == 0
    assert fits(said.out)
    assert "training.seed" in said.out
    found = json.loads(command("compare", "price", "sold", "--json").out)
    assert set(found) == {"price", "sold"}
    assert found["price"]["settings"]["training.steps"] == 20
    assert command("compare", "price").code == 2


def test_report_without_samples(command: Command) -> None:
    prices = [f"{v:,.0f}" for v in made_up()["price"]]
    said = command("report", "price")
    assert said.code == 0
    page = Path(said.out.strip()).read_text()
    assert any(p in page for p in prices), "the largest mistakes are shown with their values"
    assert command("report", "price", "--no-samples").code == 0
    page = Path("price/report.html").read_text()
    history = [json.loads(line) for line in Path("price/history.jsonl").read_text().splitlines()]
    curves = {f"{v:,.0f}" for record in history for v in record["valid"]["price"].values()}  # may equal one by chance
    alone = {p for p in prices if re.search(rf"(?<![\d,]){p}(?![\d,])", page)}  # not within a list of colours
    assert not alone - curves
    sizes = [f"{v:.4g}" for v in made_up()["size"].drop_nulls() if v > 100]
    assert not [s for s in (min(sizes), max(sizes)) if s in page]


# -- predict ---------------------------------------------------------------------------------------------------------


def test_predict_keeps_the_order_of_rows(command: Command, tmp_path: Path) -> None:
    frame = made_up(30, seed=3)
    frame.write_csv(tmp_path / "rows.csv")
    frame.write_parquet(tmp_path / "rows.parquet")
    (tmp_path / "rows.json").write_text(json.dumps(frame.to_dicts()))
    frame.write_ndjson(tmp_path / "rows.jsonl")
    expected = deepglass.predict("price", frame)["price"].to_list()
    for ending in ("csv", "parquet", "json", "jsonl"):
        said = command("predict", "price", tmp_path / f"rows.{ending}", "--json")
        assert said.code == 0, said.err
        answers = json.loads(said.out)
        assert [a["price"]["value"] for a in answers] == pytest.approx(expected, rel=1e-6)
        assert {"value", "low", "high"} <= set(answers[0]["price"])
    lines = command("predict", "price", tmp_path / "rows.csv").out.splitlines()
    assert len(lines) == 30
    assert lines[0].startswith("price: ")
    answers = json.loads(command("predict", "sold", tmp_path / "rows.csv", "--json").out)
    assert {"value", "confidence"} <= set(answers[0]["sold"])


def piped(text: str) -> io.TextIOWrapper:
    """Standard input with this content."""
    return io.TextIOWrapper(io.BytesIO(text.encode()))


def test_predict_reads_standard_input(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = made_up(5, seed=3).to_dicts()
    monkeypatch.setattr(sys, "stdin", piped("\n".join(map(json.dumps, rows)) + "\n\n"))
    answers = json.loads(command("predict", "price", "-", "--json").out)
    expected = [a["price"]["value"] for a in deepglass.predict("price", rows)]
    assert [a["price"]["value"] for a in answers] == pytest.approx(expected, rel=1e-6)
    monkeypatch.setattr(sys, "stdin", piped('{"size": 1}\n{"size": \n'))
    said = command("predict", "price", "-")
    assert said.code == 2
    assert "stdin, line 2" in said.err
    monkeypatch.setattr(sys, "stdin", piped("[1, 2]\n"))
    assert command("predict", "price", "-").code == 2
    monkeypatch.setattr(sys, "stdin", piped(""))
    assert command("predict", "price", "-").code == 2


@pytest.mark.parametrize("ending", ["csv", "tsv", "parquet", "json", "jsonl"])
def test_predict_writes_any_file(command: Command, tmp_path: Path, ending: str) -> None:
    out = tmp_path / "deep" / f"answers.{ending}"
    expected = [a["price"]["value"] for a in deepglass.predict("price", "houses.csv")]
    said = command("predict", "price", "houses.csv", "--out", out)
    assert said.code == 0, said.err
    assert f"200 predictions in {out}" in said.err
    assert said.out == ""
    if ending == "json":
        values = [a["price"]["value"] for a in json.loads(out.read_text())]
    elif ending == "jsonl":
        values = [json.loads(line)["price"]["value"] for line in out.read_text().splitlines()]
    elif ending == "parquet":
        values = pl.read_parquet(out)["price"].to_list()
    else:
        frame = pl.read_csv(out, separator="," if ending == "csv" else "\t")
        assert {"price", "price.low", "price.high"} <= set(frame.columns)
        values = frame["price"].to_list()
    assert values == pytest.approx(expected, rel=1e-6)
    out.write_text("mine")
    said = command("predict", "price", "houses.csv", "--out", out)
    assert said.code == 2
    assert "[already-exists]" in said.err
    assert out.read_text() == "mine"
    assert command("predict", "price", "houses.csv", "--out", out, "--force").code == 0


def test_predict_reports_unusual_values(command: Command, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("size,place,more\n" + "12,mars,1\n" * 3)
    said = command("predict", "price", tmp_path / "rows.csv")
    assert said.code == 2
    assert "[missing-column] rows.csv: lacks 1 of the columns that the run learned from: sold" in said.err
    said = command("predict", "price", tmp_path / "rows.csv", "--allow-missing", "sold")
    assert said.code == 0
    for note in ("place: unseen category (3)", "column 'sold' is missing (3)", "column 'more' is not used (3)"):
        assert f"note: {note}" in said.err
    said = command("predict", "price", "houses.csv", "--out", tmp_path / "answers.docx")
    assert said.code == 2
    assert ".docx" in said.err
