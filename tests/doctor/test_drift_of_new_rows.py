"""`inspect new.csv --run RUN`: drift with evidence, unseen values, what predicting refuses, and the labels checked."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from conftest import Command

import deepglass
from deepglass.doctor.base import Finding
from deepglass.run.storage.manifest import write_manifest

QUICK = {"network": {"trunk": "mlp", "width": 16, "depth": 1, "ensemble_size": 1}, "steps": 20, "baselines": False}


def made(rows: int, seed: int, low: float = 20, places: str = "north south west") -> pl.DataFrame:
    random = np.random.default_rng(seed)
    size = random.uniform(low, low + 180, rows).round(3)
    place = random.choice(places.split(), rows)
    code = random.integers(0, 4, rows)
    return pl.DataFrame({"size": size, "place": place, "code": code, "sold": np.where(size > 110, "yes", "no")})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drift")
    made(400, 0).write_csv(folder / "houses.csv")
    kinds = {"code": "category"}
    deepglass.train(folder / "houses.csv", "sold", kinds=kinds, out=folder / "run", **QUICK).pack(folder / "run.zip")
    return folder


def findings(run: Path, frame: pl.DataFrame, path: Path) -> dict[str, Finding]:
    frame.write_csv(path)
    return {f.kind: f for f in deepglass.inspect(path, run=run).findings}


def test_rows_like_those_of_training_show_no_drift_and_every_input_its_evidence(folder: Path, tmp_path: Path) -> None:
    made(300, 1).write_csv(tmp_path / "new.csv")
    inspection = deepglass.inspect(tmp_path / "new.csv", run=folder / "run")
    assert not {f.kind for f in inspection.findings} & {"drift", "unseen", "missing_column", "unreadable_column"}
    assert {c.name: c.kind for c in inspection.columns} == {
        "size": "number", "place": "category", "code": "category", "sold": "binary"
    }  # fmt: skip
    assert all(c.why.startswith("no drift: distance 0.") for c in inspection.columns)
    notes = {n.what: n.value for n in inspection.notes}
    assert notes["compared with"].startswith("320 training rows of")
    assert notes["labels of sold"] == "all 300 checked"


def test_drift_of_numbers_and_classes_is_told_with_its_evidence(folder: Path, tmp_path: Path) -> None:
    found = findings(folder / "run", made(300, 1, low=120, places="north north north south east"), tmp_path / "new.csv")
    drift, unseen = found["drift"], found["unseen"]
    assert set(drift.columns) == {"size", "place", "sold"}
    assert "median 1" in drift.text
    assert "of 1, by chance up to 0." in drift.text
    assert "'north' is 3" in drift.text
    assert "'no' is 5" in drift.text or "'yes' is 4" in drift.text or "'yes' is 5" in drift.text
    assert "place: unseen category in " in unseen.text
    assert unseen.text.endswith("of 300 rows, such as 'east'")


def test_other_shares_of_missing_values_are_drift(folder: Path, tmp_path: Path) -> None:
    frame = made(300, 1).with_columns(size=pl.when(pl.int_range(300) % 3 == 0).then(None).otherwise("size"))
    assert findings(folder / "run", frame, tmp_path / "new.csv")["drift"].text == (
        "size: 0.0 % missing in training, 33.3 % here"
    )


def test_what_predicting_refuses_is_told_as_it_would(folder: Path, tmp_path: Path, command: Command) -> None:
    frame = made(300, 1)
    lacking = findings(folder / "run", frame.drop("size"), tmp_path / "lacking.csv")["missing_column"]
    assert lacking.columns == ("size",)
    assert "predicting refuses these rows, which lack size; --allow-missing" in lacking.text
    assert "[missing-column]" in command("predict", folder / "run", tmp_path / "lacking.csv").err
    words = frame.with_columns(size=pl.lit("large"))
    unreadable = findings(folder / "run", words, tmp_path / "words.csv")["unreadable_column"]
    refused = command("predict", folder / "run", tmp_path / "words.csv")
    assert refused.err.partition("] ")[2].strip() == unreadable.text.partition("these rows: ")[2]
    more = findings(folder / "run", frame.with_columns(other=1), tmp_path / "more.csv")["unused_column"]
    assert more.text == "column 'other' is not used"
    frame.select(a="size", b="place").write_csv(tmp_path / "others.csv")
    others = command("inspect", tmp_path / "others.csv", "--run", folder / "run")
    assert others.code == 2
    assert "[unknown-column]" in others.err


def test_few_rows_and_few_labels_are_said(folder: Path, tmp_path: Path) -> None:
    made(12, 1).write_csv(tmp_path / "new.csv")
    inspection = deepglass.inspect(tmp_path / "new.csv", run=folder / "run")
    assert {c.why for c in inspection.columns if c.role == "input"} == {"as in the run; not compared (12 values)"}
    assert next(n for n in inspection.notes if n.what == "labels of sold").value == "not checked"


def test_rows_of_training_are_counted(folder: Path, tmp_path: Path) -> None:
    pl.concat([made(400, 0)[:50], made(100, 1)]).write_csv(tmp_path / "new.csv")
    notes = {n.what: n.value for n in deepglass.inspect(tmp_path / "new.csv", run=folder / "run").notes}
    trained = int(notes["learned from"].split()[0])
    assert 35 <= trained <= 50
    assert notes["learned from"].endswith("of these 150 rows")


def test_a_packed_run_tells_the_same_without_its_data(folder: Path, tmp_path: Path, command: Command) -> None:
    shutil.copy(folder / "run.zip", tmp_path)
    made(300, 1, low=120).write_csv(tmp_path / "new.csv")
    by_folder, by_zip = (deepglass.inspect(tmp_path / "new.csv", run=r) for r in (folder / "run", tmp_path / "run.zip"))
    assert by_zip.findings == by_folder.findings
    assert by_zip.columns == by_folder.columns
    result = command("inspect", tmp_path / "new.csv", "--run", tmp_path / "run.zip", "--json")
    assert "drift" in {f["kind"] for f in json.loads(result.out)["findings"]}


def test_a_run_without_distributions_takes_its_data_or_says_what_is_missing(folder: Path, tmp_path: Path) -> None:
    run = shutil.copytree(folder / "run", tmp_path / "run")
    (run / "reference.json").unlink()
    write_manifest(run)
    assert "drift" in findings(run, made(300, 1, low=120), tmp_path / "new.csv")
    spec = (run / "spec.yaml").read_text()
    (run / "spec.yaml").write_text(spec.replace("houses.csv", "moved.csv"))
    write_manifest(run)
    note = next(n for n in deepglass.inspect(tmp_path / "new.csv", run=run).notes if n.what == "drift")
    assert note.value == "not tested"
    assert "has no reference.json, and its data cannot be read" in note.why
    (run / "reference.json").write_text('[{"column": 3}]')
    write_manifest(run)
    with pytest.raises(deepglass.UserError, match=r"unreadable-file.*reference\.json\[0\]"):
        deepglass.inspect(tmp_path / "new.csv", run=run)
