"""Training on tables: sources, splits, baselines, folds, and the contents of the run folder."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from conftest import Command
from PIL import Image

import deepglass
from deepglass.run.run import Run

ROWS = 160
QUICK: dict[str, Any] = {"baselines": False, "network": {"depth": 1, "width": 16, "ensemble_size": 2}}


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def train(source: Any, target: Any = None, out: str = "run", **settings: Any) -> Run:
    return deepglass.train(source, target, out=out, **{"steps": 6, **QUICK, **settings}, training={"threads": 1})


def everything(rows: int = ROWS, seed: int = 0) -> pl.DataFrame:
    """A column of each tabular kind with missing values, and two targets."""
    random = np.random.default_rng(seed)
    size, place = random.uniform(0, 100, rows), random.choice(["north", "south", "west"], rows)
    fresh = random.random(rows) < 0.5
    worth = size * np.where(place == "north", 2, 1) + 30 * fresh + random.normal(0, 5, rows)
    frame = pl.DataFrame(
        {
            "size": size,
            "place": place,
            "fresh": pl.Series(fresh),
            "day": [date(2024, 1, 1) + timedelta(days=int(d)) for d in random.integers(0, 700, rows)],
            "shape": pl.Series(random.normal(size=(rows, 3)).tolist(), dtype=pl.List(pl.Float64)),
            "words": [" ".join(random.choice(["big", "old", "new", "red", "sea"], 6)) + f" {i}" for i in range(rows)],
            "worth": worth,
            "class": np.where(worth > np.median(worth), "dear", "cheap"),
        }
    )
    gaps = {n: random.random(rows) < 0.1 for n in ("size", "place", "fresh", "day", "shape", "words")}
    blank = (pl.when(pl.Series(gap)).then(None).otherwise(pl.col(n)).alias(n) for n, gap in gaps.items())
    return frame.with_columns(*blank)


def test_all_kinds_of_columns_with_missing_values() -> None:
    frame = everything()
    run = train(frame, "worth", ignore=["class"], steps=60, network={"depth": 2, "width": 64})
    kinds = {f.name: f.kind for f in run.state.experiment.inputs}
    expected = {
        "size": "number",
        "place": "category",
        "fresh": "binary",
        "day": "date",
        "shape": "vector",
        "words": "text",
    }
    assert kinds == expected
    assert run.metrics["test"]["worth"]["r2"] > 0.5
    empty = run.predict(dict.fromkeys(kinds))
    assert np.isfinite(empty[0]["worth"]["value"]), "a row without any value has an answer as well"


def test_two_outputs_with_missing_labels_in_one() -> None:
    unknown = pl.int_range(ROWS) % 4 == 0
    frame = everything().with_columns(pl.when(unknown).then(None).otherwise(pl.col("class")).alias("class"))
    run = train(frame, ["worth", "class"])
    assert set(run.metrics["test"]) == {"worth", "class"}
    split = run.folder.split()
    missing = sum(frame["class"][int(r)] is None for r in split.filter(split="train")["row"])
    assert f"class: {missing} training rows have no label and are skipped" in run.metrics["notes"]
    assert len(split) == ROWS, "a row with one answer is used"
    answer = run.predict(frame[:1].to_dicts())[0]
    assert set(answer) == {"worth", "class"}
    assert answer["class"]["value"] in ("dear", "cheap")
    assert 0 <= answer["class"]["confidence"] <= 1


# -- how rows are divided --------------------------------------------------------------------------------------------


def parts(run: Run) -> dict[str, list[int]]:
    split = run.folder.split()
    return {p: sorted(split.filter(split=p)["row"].to_list()) for p in ("train", "valid", "test")}


def test_split_by_time_group_and_rows() -> None:
    frame = everything().with_columns(day=pl.col("day").fill_null(date(2024, 1, 1)), group=pl.int_range(ROWS) // 10)
    by_time = parts(train(frame, "worth", "time", split={"by": "time:day"}))
    assert min(frame["day"][by_time["test"]]) >= max(frame["day"][by_time["valid"]])
    assert min(frame["day"][by_time["valid"]]) >= max(frame["day"][by_time["train"]])
    by_group = parts(train(frame, "worth", "group", split={"by": "group:group"}))
    groups = [set(frame["group"][rows]) for rows in by_group.values()]
    assert not groups[0] & groups[1]
    assert not groups[1] & groups[2]
    assert not groups[0] & groups[2]
    by_rows = parts(train(frame, "worth", "rows", split={"rows": [100, 20, 30]}))
    assert by_rows == {"train": [*range(100)], "valid": [*range(100, 120)], "test": [*range(120, 150)]}


def test_a_split_column_defines_the_split() -> None:
    words = ["train"] * 100 + ["valid"] * 20 + ["test"] * 40
    frame = everything().with_columns(split=pl.Series(words))
    frame.drop("shape").write_csv("data.csv")
    run = train("data.csv", "worth")
    assert parts(run) == {"train": [*range(100)], "valid": [*range(100, 120)], "test": [*range(120, 160)]}
    assert run.evaluate() == run.metrics["test"]


def test_test_source_gives_the_test_rows() -> None:
    everything().drop("shape").write_csv("train.csv")
    everything(40, seed=1).drop("shape").write_csv("test.csv")
    run = train("train.csv", "worth", test="test.csv")
    assert parts(run)["test"] == [*range(ROWS, ROWS + 40)]
    figures = run.evaluate("test.csv")
    assert figures["worth"] == pytest.approx(run.metrics["test"]["worth"], rel=1e-5)
    everything(40).drop("shape", "place").write_csv("other.csv")
    with pytest.raises(deepglass.UserError, match=r"\[mismatched-files\].*other.csv.*place"):
        train("train.csv", "worth", "bad", test="other.csv")
    assert not Path("bad").exists()


def pictures(folder: str, levels: dict[str, int], each: int, parts: tuple[str, ...] = ("",)) -> None:
    random = np.random.default_rng(0)
    for part in parts:
        for label, level in levels.items():
            place = Path(folder, part, label)
            place.mkdir(parents=True)
            for i in range(each):
                pixels = (level + random.integers(-30, 30, (8, 8))).astype(np.uint8)
                Image.fromarray(pixels).save(place / f"{i}.png")


def test_a_folder_of_class_folders() -> None:
    pictures("photos", {"dark": 60, "bright": 200}, 20)
    run = deepglass.train("photos", out="run", steps=20, baselines=False, training={"threads": 1})
    assert run.metrics["test"]["label"]["accuracy"] == 1.0
    assert run.predict("photos/dark/3.png")[0]["label"]["value"] == "dark"
    assert run.predict([{"image": Image.open("photos/bright/3.png")}])[0]["label"]["value"] == "bright"


def test_split_folders_define_the_split() -> None:
    pictures("photos", {"dark": 60, "bright": 200}, 12, ("train", "test"))
    run = deepglass.train("photos", out="run", steps=4, baselines=False, training={"threads": 1})
    counts = {part: len(rows) for part, rows in parts(run).items()}
    assert counts == {"train": 22, "valid": 2, "test": 24}


# -- the folder tells the truth --------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["worth", "class"])
def test_stored_predictions_equal_those_of_the_run(target: str) -> None:
    frame = everything()
    run = train(frame, target)
    stored = pl.read_parquet(run.path / "predictions.parquet")
    rows = run.folder.split().filter(split="test")["row"]
    assert stored["row"].to_list() == rows.to_list()
    assert stored[f"{target}.true"].to_list() == frame[target][rows].to_list()
    again = deepglass.Run(run.path)  # loaded from the disk
    answers = [a[target] for a in again.predict(frame[rows].to_dicts())]
    for key in {"value", "confidence", "low", "high"} & set(answers[0]):
        given = [a[key] for a in answers]
        expected = stored[f"{target}.{key}"].to_list()
        assert given == expected if isinstance(given[0], str) else given == pytest.approx(expected, rel=1e-5)
    one_by_one = [again.predict(row)[0][target] for row in frame[rows].to_dicts()]
    for one, batch in zip(one_by_one, answers, strict=True):
        assert one["value"] == (batch["value"] if target == "class" else pytest.approx(batch["value"], rel=1e-4))
    figures = again.evaluate(frame[rows])
    assert figures[target] == pytest.approx(run.metrics["test"][target], rel=1e-5)
    assert again.evaluate() == run.metrics["test"]


def test_the_run_folder_is_complete_and_reproducible() -> None:
    everything().drop("shape").write_csv("data.csv")
    run = train("data.csv", "worth")
    names = {p.name for p in run.path.iterdir()}
    wanted = {"spec.yaml", "plan.json", "features.json", "model.safetensors", "checkpoint", "history.jsonl"}
    assert wanted | {"metrics.json", "split.parquet", "predictions.parquet", "log.txt"} <= names
    metrics = json.loads((run.path / "metrics.json").read_text())
    keys = {
        "train",
        "valid",
        "test",
        "baselines",
        "seconds",
        "examples_per_second",
        "parameters",
        "device",
        "precision",
    }
    assert keys | {"seed", "weights_sha256", "versions"} <= set(metrics)
    assert set(metrics["seconds"]) == {"train", "total"}
    assert [json.loads(line)["step"] for line in (run.path / "history.jsonl").read_text().splitlines()][-1] == 6
    again = deepglass.train(run.path / "spec.yaml", out="again", baselines=False)
    assert again.metrics["weights_sha256"] == metrics["weights_sha256"], "a run's own spec gives the same run"
    other = train("data.csv", "worth", "other", seed=1)
    assert other.metrics["weights_sha256"] != metrics["weights_sha256"]
    assert parts(other) == parts(run), "the seed of the training leaves the split as it is"


def test_baselines_and_report() -> None:
    run = train(everything(), "worth", baselines=True)
    assert {"constant", "linear"} <= set(run.metrics["baselines"]["worth"])
    assert (run.path / "report.html").stat().st_size > 10_000


def test_no_file_is_a_pickle() -> None:
    source = Path(deepglass.__file__).parent
    for path in source.rglob("*.py"):
        words = path.read_text()
        for forbidden in ("import pickle", "torch.load", "torch.save", "joblib", "allow_pickle=True", "eval("):
            assert forbidden not in words.replace(".eval(", "").replace("literal_eval(", ""), f"{forbidden} in {path}"


# -- rare classes ----------------------------------------------------------------------------------------------------


def test_a_rare_class_moves_the_threshold_and_both_metrics_are_reported() -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=1200)
    rare = x + random.normal(0, 0.6, 1200) > 2.0
    assert 0.02 < rare.mean() < 0.08
    run = train({"x": x, "z": random.normal(size=1200), "rare": rare}, "rare", steps=60)
    assert any("rare" in note for note in run.metrics["notes"])
    threshold = run.state.calibration["rare"]["threshold"]
    assert threshold < 0.5
    figures = run.metrics["test"]["rare"]
    assert {"accuracy", "accuracy_at_half", "balanced_accuracy", "roc_auc", "log_loss"} <= set(figures)
    assert figures["balanced_accuracy"] > figures["balanced_accuracy_at_half"]


# -- Python objects --------------------------------------------------------------------------------------------------


def test_python_objects_with_equal_data_give_equal_runs() -> None:
    frame = everything().select("size", "place", "worth").with_columns(size=pl.col("size").fill_null(5.0))
    sources = {
        "polars": frame,
        "lazy": frame.lazy(),
        "pandas": pd.DataFrame(frame.to_dict(as_series=False)),
        "dict": {
            "size": frame["size"].to_numpy(),
            "place": frame["place"].to_list(),
            "worth": frame["worth"].to_numpy(),
        },
        "records": frame.to_dicts(),
    }
    shas = {name: train(source, "worth", name).metrics["weights_sha256"] for name, source in sources.items()}
    assert len(set(shas.values())) == 1, shas


def test_a_pair_of_arrays() -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(ROWS, 4))
    run = train((x, x @ [1.0, 2.0, 0.0, -1.0]), steps=60, out="number")
    assert run.metrics["test"]["target"]["r2"] > 0.5
    assert len(run.predict(x[:5])) == 5
    classes = train((x, np.where(x[:, 0] > 0, "up", "down")), out="class")
    assert classes.predict(x[:3])[0]["target"]["value"] in ("up", "down")
    pixels = random.integers(0, 255, (ROWS, 8, 8)).astype(np.uint8)
    images = deepglass.train((pixels, random.integers(0, 2, ROWS)), out="images", steps=2, baselines=False)
    assert [f.kind for f in images.state.experiment.inputs] == ["image"]


def test_resume_and_report_of_a_run_on_an_object_need_its_source() -> None:
    frame = everything().select("size", "worth")
    run = train(frame, "worth")
    assert deepglass.report(run).exists(), "in the process that trained it"
    with pytest.raises(deepglass.UserError, match="source="):
        deepglass.report(run.path)
    assert deepglass.report(run, source=frame).exists()
    (run.path / "manifest.json").unlink()
    with pytest.raises(deepglass.UserError, match="source="):
        deepglass.resume(run.path)
    before = run.folder.weights()
    again = deepglass.resume(run.path, source=frame)
    assert all((before[n] == t).all() for n, t in again.folder.weights().items())


# -- folds -----------------------------------------------------------------------------------------------------------


def test_all_folds_are_trained_and_averaged(command: Command) -> None:
    everything().drop("shape").write_csv("data.csv")
    words = ["--target", "class", "--steps", "3", "network.width=16", "network.ensemble_size=1", "data.split.folds=3"]
    said = command("train", "data.csv", *words, "--out", "run")
    assert said.code == 0, said.err
    assert "class, 3 folds" in said.out
    assert "± sd" in said.out
    run = deepglass.Run("run")
    folds = [deepglass.Run(f"run/fold-{i}") for i in range(3)]
    accuracies = [f.metrics["test"]["class"]["accuracy"] for f in folds]
    assert run.metrics["test"]["class"]["accuracy"] == pytest.approx(np.mean(accuracies))
    assert run.metrics["spread"]["class"]["accuracy"] == pytest.approx(np.std(accuracies, ddof=1))
    assert [f["run"] for f in run.metrics["folds"]] == ["fold-0", "fold-1", "fold-2"]
    rows = pl.read_parquet("run/predictions.parquet")["row"].to_list()
    assert rows == [*range(ROWS)], "each row is tested once"
    with pytest.raises(deepglass.UserError, match="fold-0"):
        run.predict({"size": 3.0})
    assert command("compare", "run", "run/fold-0").code == 0
    one = command("train", "data.csv", *words, "data.split.fold=1", "--out", "one")
    assert one.code == 0
    assert deepglass.Run("one").metrics["weights_sha256"] == folds[1].metrics["weights_sha256"]


def test_stopped_cross_validation_resumes() -> None:
    everything().drop("shape").write_csv("data.csv")
    run = train("data.csv", "worth", split={"folds": 3})
    sha = run.metrics["weights_sha256"]
    for lost in (run.path / "metrics.json", run.path / "fold-1" / "metrics.json"):
        lost.unlink()
    for path in sorted((run.path / "fold-2").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    assert deepglass.resume("run").metrics["weights_sha256"] == sha
