"""Predictions of rows that differ from the training rows: notes with counts, or an error that names the column."""

from __future__ import annotations

import datetime
import shutil
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from PIL import Image

import deepglass
from deepglass.errors import DataWarning, UserError
from deepglass.run.run import Run

ROWS = 120


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    random = np.random.default_rng(0)
    frame = pl.DataFrame(
        {
            "size": random.uniform(0, 100, ROWS),
            "place": random.choice(["north", "south"], ROWS).tolist(),
            "colour": random.choice(["red", "green", "blue"], ROWS).tolist(),
            "day": [datetime.date(2024, 1, 1) + datetime.timedelta(days=int(d)) for d in random.integers(0, 700, ROWS)],
            "shape": pl.Series(random.normal(size=(ROWS, 3)).tolist(), dtype=pl.List(pl.Float64)),
            "useless": [1] * ROWS,
            "worth": random.normal(size=ROWS),
        }
    )
    path = tmp_path_factory.mktemp("runs") / "table"
    small = {"depth": 1, "width": 8, "ensemble_size": 2}
    deepglass.train(frame, "worth", out=path, steps=2, baselines=False, network=small, training={"threads": 1})
    return path


@pytest.fixture
def run(trained: Path) -> Run:
    return deepglass.Run(trained)


GOOD: dict[str, Any] = {"size": 3.5, "place": "north", "colour": "red", "day": "2024-03-01", "shape": [1.0, 2.0, 3.0]}


def value(run: Run, row: dict[str, Any]) -> float:
    answer = run.predict(row)[0]["worth"]["value"]
    assert np.isfinite(answer)
    return float(answer)


def test_a_valid_row_has_no_notes(run: Run) -> None:
    value(run, GOOD)
    assert not run.predictor.reader.notes
    value(run, GOOD | {"useless": 1})
    assert not run.predictor.reader.notes, "a column that training left out is not worth a word"


@pytest.mark.parametrize(
    ("change", "note"),
    [
        ({"colour": "pink"}, "colour: unseen category"),
        ({"colour": 7}, "colour: unseen category"),
        ({"place": "mars"}, "place: unseen category"),
        ({"more": 1}, "column 'more' is not used"),
    ],
)
def test_unusual_values_are_counted(run: Run, change: dict[str, Any], note: str) -> None:
    value(run, GOOD | change)
    run.predict([GOOD | change, GOOD | change])
    assert run.predictor.reader.notes == {note: 3}


@pytest.mark.parametrize(
    ("change", "note"),
    [
        ({"size": "big"}, "size: not a number"),
        ({"size": 10**30}, "size: too large"),
        ({"day": "sometime"}, "day: not a date"),
    ],
)
def test_unreadable_values_are_counted_unless_they_are_most(run: Run, change: dict[str, Any], note: str) -> None:
    with pytest.warns(DataWarning, match=rf"{note} \(1\)"):
        value(run, GOOD | change)
    with pytest.warns(DataWarning, match=rf"{note} \(1\)"):
        run.predict([GOOD | change, GOOD])
    column = next(iter(change))
    text = rf"\[unreadable-column\].*column '{column}': [23] of 3 values.*--allow-missing {column}"
    for ask in (run.predict, run.evaluate, lambda rows: deepglass.embed(run, rows)):
        with pytest.raises(UserError, match=text):
            ask(pl.DataFrame([GOOD, GOOD | change, GOOD | change], strict=False).with_columns(worth=1.0))
    rows = [GOOD, GOOD | change, GOOD | change]
    with pytest.warns(DataWarning):
        assert len(run.predict(rows, allow_missing=[column])) == 3
    with pytest.raises(UserError, match="the run reads no column 'syze'"):
        run.predict(rows, allow_missing=["syze"])


def test_absent_columns_are_an_error_unless_they_are_allowed(run: Run) -> None:
    rows = pl.DataFrame([GOOD] * 4).drop("day", "place").with_columns(worth=1.0)
    for ask in (run.predict, run.evaluate, lambda rows: deepglass.embed(run, rows)):
        with pytest.raises(UserError, match=r"\[missing-column\].*lacks 2 of the columns.*place.*day"):
            ask(rows)
    with pytest.warns(DataWarning, match=r"column 'day' is missing \(4\)"):
        assert len(run.predict(rows, allow_missing=["day", "place"])) == 4


def test_empty_columns_are_an_error_where_training_had_values(run: Run) -> None:
    rows = pl.DataFrame([GOOD] * 12).with_columns(size=pl.lit(None, pl.Float64))
    with pytest.raises(UserError, match=r"column 'size': 12 of 12 values are missing; in training 0.0 % were missing"):
        run.predict(rows)
    assert len(run.predict(rows[:3])) == 3, "a few rows may be without"


def test_a_column_that_was_often_missing_in_training_may_be_missing(tmp_path: Path) -> None:
    rows = pl.DataFrame({"a": np.arange(60.0), "b": [None, 1.0, 2.0] * 20, "y": np.arange(60.0)})
    run = deepglass.train(rows, "y", out=tmp_path / "run", steps=2, baselines=False, training={"threads": 1})
    with pytest.warns(DataWarning, match=r"column 'b' is missing \(60\)"):
        run.predict(rows.drop("b"))


@pytest.mark.parametrize("name", ["size", "place", "colour", "day", "shape"])
def test_a_missing_column_is_a_missing_value(run: Run, name: str) -> None:
    without = {n: v for n, v in GOOD.items() if n != name}
    assert value(run, without) == value(run, GOOD | {name: None})
    assert run.predictor.reader.notes == {f"column {name!r} is missing": 1}


@pytest.mark.parametrize(
    "same",
    [
        {"size": 3.5},
        {"size": "3.5"},
        {"size": Decimal("3.5")},
        {"size": np.float32(3.5)},
        {"place": " north "},
        {"place": np.str_("north")},
        {"day": datetime.date(2024, 3, 1)},
        {"day": datetime.datetime(2024, 3, 1)},
        {"day": pd.Timestamp("2024-03-01")},
        {"shape": (1, 2, 3)},
        {"shape": np.array([1.0, 2.0, 3.0])},
    ],
)
def test_equal_values_of_another_type_are_equal(run: Run, same: dict[str, Any]) -> None:
    assert value(run, GOOD | same) == pytest.approx(value(run, GOOD), rel=1e-6)
    assert not run.predictor.reader.notes


@pytest.mark.parametrize("nothing", [None, float("nan"), float("inf"), "", "NA"])
def test_unseen_categories_are_counted(run: Run, nothing: Any) -> None:
    assert value(run, GOOD | {"size": nothing}) == value(run, GOOD | {"size": None})


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"size": [1.0, 2.0]}, ("'size'", "numbers")),
        ({"size": {"a": 1}}, ("'size'", "numbers")),
        ({"size": datetime.date(2024, 1, 1)}, ("'size'", "numbers", "Date")),
        ({"colour": ["red"]}, ("'colour'", "category")),
        ({"shape": [1.0, 2.0]}, ("'shape'", "3 numbers", "2")),
        ({"shape": 1.0}, ("'shape'", "lists of numbers")),
        ({"day": [1]}, ("'day'", "dates")),
    ],
)
def test_wrong_types_name_the_column(run: Run, change: dict[str, Any], names: tuple[str, ...]) -> None:
    with pytest.raises(UserError) as error:
        run.predict([GOOD | change])
    assert error.value.code == "bad-value"
    assert all(name in str(error.value) for name in names), str(error.value)


@pytest.mark.parametrize(
    ("rows", "code"),
    [
        ([], "empty-source"),
        ({}, "empty-source"),
        (3, "bad-value"),
        (None, "bad-value"),
        ([1, 2], "bad-value"),
        ("nowhere.csv", "not-found"),
        ({"other": 1}, "unknown-column"),
        (pl.DataFrame({"size": pl.Series([], dtype=pl.Float64)}), "no-rows"),
    ],
)
def test_invalid_rows_are_rejected(run: Run, rows: Any, code: str) -> None:
    with pytest.raises(UserError) as error:
        run.predict(rows)
    assert error.value.code == code, str(error.value)


def test_rows_columns_and_frames_are_the_same(run: Run) -> None:
    rows = [GOOD, GOOD | {"size": None}, GOOD | {"colour": "blue", "size": 50.0}]
    expected = [a["worth"]["value"] for a in run.predict(rows)]
    columns = {name: [row[name] for row in rows] for name in GOOD}
    assert [a["worth"]["value"] for a in run.predict(columns)] == pytest.approx(expected, rel=1e-6)
    for same in (pl.DataFrame(columns), pd.DataFrame(columns), pl.DataFrame(columns).lazy()):
        assert list(run.predict(same)["worth"]) == pytest.approx(expected, rel=1e-6)
    assert [value(run, row) for row in rows] == pytest.approx(expected, rel=1e-5), "one at a time as all together"


def test_interval_contains_the_value(run: Run) -> None:
    answer = run.predict(GOOD)[0]["worth"]
    assert answer["low"] <= answer["value"] <= answer["high"]


def test_evaluate_needs_the_targets(run: Run) -> None:
    with pytest.raises(UserError, match=r"\[unknown-column\].*'worth'.*did you mean 'worht'"):
        run.evaluate({"size": [1.0, 2.0], "worht": [1.0, 2.0]})


def test_weights_that_do_not_fit_the_spec_are_an_error(trained: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(trained, broken)
    (broken / "manifest.json").unlink()  # as in a run that trains
    spec = (broken / "spec.yaml").read_text()
    (broken / "spec.yaml").write_text(spec.replace("width: 8", "width: 9"))
    with pytest.raises(UserError, match=r"\[mismatched-files\].*model.safetensors"):
        deepglass.Run(broken).predict(GOOD)
    (broken / "spec.yaml").write_text(spec)
    (broken / "features.json").write_text("{")
    with pytest.raises(UserError, match=r"\[damaged-run\].*features.json"):
        deepglass.Run(broken).predict(GOOD)


# -- images ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on tiny images in the folder `photos`."""
    random = np.random.default_rng(0)
    folder = tmp_path_factory.mktemp("pictures")
    for label, level in (("dark", 60), ("bright", 200)):
        (folder / "photos" / label).mkdir(parents=True)
        for i in range(12):
            pixels = (level + random.integers(-30, 30, (8, 8))).astype(np.uint8)
            Image.fromarray(pixels).save(folder / "photos" / label / f"{i}.png")
    out = folder / "run"
    deepglass.train(folder / "photos", out=out, steps=12, baselines=False, training={"threads": 1})
    return folder


def test_images_as_paths_arrays_and_files(seen: Path) -> None:
    run = deepglass.Run(seen / "run")
    path = seen / "photos" / "bright" / "3.png"
    pixels = np.asarray(Image.open(path))
    expected = run.predict(str(path))[0]["label"]
    assert expected["value"] == "bright"
    forms: list[Any] = [
        path,
        [path],
        {"image": str(path)},
        {"image": path.read_bytes()},
        {"image": Image.open(path)},
        {"image": Image.open(path).convert("RGB")},
        {"image": pixels},
        {"image": pixels[None]},
        {"image": np.repeat(pixels[None, :, :, None], 3, 3)},
    ]
    for form in forms:
        assert run.predict(form)[0]["label"]["confidence"] == pytest.approx(expected["confidence"], rel=1e-5)
    assert len(run.predict(np.stack([pixels] * 3))) == 3
    assert run.predict({"image": np.full((30, 50, 3), 220, np.uint8)[None]})[0]["label"]["value"] == "bright"


def test_a_folder_is_predicted_in_natural_order(seen: Path) -> None:
    run = deepglass.Run(seen / "run")
    answers = run.predict(seen / "photos")
    one_by_one = [
        run.predict(seen / "photos" / label / f"{i}.png")[0] for label in ("bright", "dark") for i in range(12)
    ]
    values = [[a["label"]["confidence"] for a in found] for found in (answers, one_by_one)]
    assert values[0] == pytest.approx(values[1], rel=1e-5)


def test_a_missing_image_file_is_named(seen: Path) -> None:
    run = deepglass.Run(seen / "run")
    with pytest.raises(UserError, match=r"\[not-found\].*absent.png"):
        run.predict({"image": "absent.png"})
    assert run.predict([{"image": None}, {"image": seen / "photos/dark/1.png"}])[1]["label"]["value"] == "dark"


def test_an_image_needs_no_table_where_the_run_has_one_image_input(seen: Path) -> None:
    files = [f"photos/{label}/{i}.png,{label},{i}" for label in ("dark", "bright") for i in range(12)]
    (seen / "list.csv").write_text("\n".join(["photo,label,weight", *files]))
    run = deepglass.train(
        seen / "list.csv", "label", out=seen / "listed", steps=12, baselines=False, training={"threads": 1}
    )
    with pytest.raises(UserError, match=r"\[missing-column\] photos: lacks 1 of .*: weight"):
        run.predict(seen / "photos")
    assert run.predict(seen / "photos/dark/1.png", allow_missing=["weight"])[0]["label"]["value"] == "dark"
    assert len(run.predict(seen / "photos", allow_missing=["weight"])) == 24
    assert run.predictor.reader.notes["column 'weight' is missing"] == 25


def test_an_unreadable_row_has_no_embedding(seen: Path, tmp_path: Path) -> None:
    (tmp_path / "0.png").write_bytes(b"no picture")
    for i in (1, 2):
        (tmp_path / f"{i}.png").write_bytes((seen / f"photos/dark/{i}.png").read_bytes())
    run = deepglass.Run(seen / "run")
    vectors, about = deepglass.embed(run, tmp_path)
    assert (len(vectors), about["row"].to_list(), about["image"].to_list()) == (2, [1, 2], ["1.png", "2.png"])
    assert run.predictor.reader.notes["row left out, as it cannot be read"] == 1
    with pytest.raises(UserError, match=r"\[unreadable-image\] 0.png"):
        deepglass.embed(run, tmp_path / "0.png")
