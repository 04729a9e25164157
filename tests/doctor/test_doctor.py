"""Data checks: findings, false positives, and their fixes in training."""

from __future__ import annotations

import json
import wave
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from conftest import Command, findings_by_kind
from PIL import Image as Pillow

import deepglass
from deepglass.errors import SpecError


def clean(rows: int = 400, seed: int = 0) -> pl.DataFrame:
    """A table without problems: `sold` depends on several columns, on none alone."""
    random = np.random.default_rng(seed)
    size, age = random.normal(100, 30, rows), random.normal(20, 5, rows)
    place = random.choice(["north", "south", "west"], rows)
    sold = np.where(size / 30 - age / 5 + random.normal(0, 0.5, rows) > -0.7, "yes", "no")
    return pl.DataFrame({"size": size, "age": age, "place": place, "sold": sold})


def test_a_clean_table_has_no_findings() -> None:
    assert findings_by_kind(clean(), "sold") == {}


def test_each_kind_of_finding_is_reported_once_with_all_fields(tmp_path: Path, command: Command) -> None:
    table = clean().with_columns(empty=pl.lit(1), also=pl.lit("x"), code=pl.Series([f"A-{i:04d}" for i in range(400)]))
    table.write_csv(tmp_path / "t.csv")
    said = json.loads(command("inspect", tmp_path / "t.csv", "--target", "sold", "--json").out)
    kinds = [f["kind"] for f in said["findings"]]
    assert sorted(kinds) == ["constant", "id_column"]
    for finding in said["findings"]:
        assert set(finding) == {"kind", "rows", "columns", "confidence", "text", "fix"}
        assert 0 <= finding["confidence"] <= 1
    assert said["findings"][kinds.index("constant")]["fix"] == ""  # they are left out already


# -- the same rows -----------------------------------------------------------------------------------------------


def test_equal_rows_are_found_by_index() -> None:
    table = pl.concat([clean(), clean()[[5, 17]]])
    assert findings_by_kind(table, "sold")["duplicate"].rows == (5, 17, 400, 401)


def test_rows_of_few_values_may_be_equal() -> None:
    random = np.random.default_rng(0)
    dice = pl.DataFrame({n: random.integers(1, 4, 300) for n in "abcd"}).with_columns(t=pl.col("a") > pl.col("b"))
    assert "duplicate" not in findings_by_kind(dice, "t", kinds=dict.fromkeys("abcd", "category"))


def test_an_id_column_does_not_hide_duplicates() -> None:
    table = pl.concat([clean(), clean()[[5, 17]]]).with_columns(code=pl.Series([f"A-{i:04d}" for i in range(402)]))
    assert findings_by_kind(table, "sold")["duplicate"].rows == (5, 17, 400, 401)


def test_duplicates_across_files_are_found(tmp_path: Path) -> None:
    clean().write_csv(tmp_path / "train.csv")
    pl.concat([clean(100, seed=1), clean()[[3, 9]]]).write_csv(tmp_path / "test.csv")
    twins = findings_by_kind(tmp_path / "train.csv", "sold", test=str(tmp_path / "test.csv"))["split_duplicate"]
    assert twins.rows == (3, 9, 500, 501)
    assert "test" in twins.text


def test_texts_with_one_changed_word_are_near_duplicates() -> None:
    random = np.random.default_rng(0)
    words = np.array([f"word{k}" for k in range(300)])
    texts = [" ".join(random.choice(words, 20)) for _ in range(200)]
    texts[150] = texts[20].upper().replace("WORD", "Word", 1) + "!"
    texts[160] = " ".join([*texts[30].split()[:-1], "other"])
    table = pl.DataFrame({"text": texts, "label": random.choice(["a", "b"], 200)})
    assert findings_by_kind(table, "label", kinds={"text": "text"})["duplicate"].rows == (20, 30, 150, 160)


def test_resized_and_compressed_images_are_near_duplicates(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for label in ("cat", "dog"):
        (tmp_path / label).mkdir()
        for i in range(20):
            blocks = random.integers(0, 255, (6, 6, 3)).astype(np.uint8)
            Pillow.fromarray(blocks).resize((64, 64), Pillow.Resampling.BICUBIC).save(tmp_path / label / f"{i:02d}.png")
    Pillow.open(tmp_path / "cat" / "03.png").resize((48, 48)).save(tmp_path / "dog" / "30.jpg", quality=60)
    seen = findings_by_kind(tmp_path)
    assert seen["duplicate"].rows == (3, 40)
    assert "labels differ" in seen["duplicate"].text


def test_scaled_audio_is_a_near_duplicate(tmp_path: Path) -> None:
    random = np.random.default_rng(0)

    def write(path: Path, samples: np.ndarray) -> None:
        path.parent.mkdir(exist_ok=True)
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(8000)
            file.writeframes((samples * 20000).astype("<i2").tobytes())

    sounds = []
    for i in range(24):
        at = np.linspace(0, 0.5, 4000)
        tone = np.zeros(4000)
        for pitch, middle in random.random((5, 2)) * [2000, 0.5]:
            tone += np.sin(2 * np.pi * pitch * at) * np.exp(-((at - middle) ** 2) / 0.01)
        sounds.append(tone / np.abs(tone).max())
        write(tmp_path / "ab"[i % 2] / f"{i:02d}.wav", sounds[-1])
    write(tmp_path / "a" / "99.wav", 0.5 * sounds[4])
    assert findings_by_kind(tmp_path)["duplicate"].rows == (2, 12)  # a/04.wav and a/99.wav


# -- leaks -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["copy", "code", "noisy", "other name"])
def test_a_leak_of_a_class_is_found(how: str) -> None:
    table = clean()
    code = (table["sold"] == "yes").cast(pl.Float64).to_numpy()
    random = np.random.default_rng(0)
    leaks = {
        "copy": table["sold"],
        "code": code,
        "noisy": code * 7 + random.normal(0, 0.1, 400),
        "other name": np.where(code == 1, "paid", "open"),
    }
    leak = findings_by_kind(table.with_columns(late=pl.Series(leaks[how])), "sold")["leak"]
    assert leak.columns == ("late",)
    assert leak.fix == "data.ignore=[late]"


def test_a_leak_of_a_number_is_found() -> None:
    table = clean()
    price = table["size"] * 3 + table["age"] ** 2 + np.random.default_rng(0).normal(0, 20, 400)
    table = table.with_columns(price=price, cents=price * 100 + 5, cubed=price**3)
    assert set(findings_by_kind(table, "price")["leak"].columns) == {"cents", "cubed"}


def test_correlation_with_time_is_no_leak() -> None:
    day = pl.date_range(pl.date(2020, 1, 1), pl.date(2021, 6, 30), eager=True)
    wave_ = np.sin(np.arange(len(day)) / 30)
    table = pl.DataFrame({"day": day, "hour": np.arange(len(day)) * 24.5, "level": wave_})
    assert "leak" not in findings_by_kind(table, "level")


def test_a_strong_predictor_is_no_leak() -> None:
    for name in ("sklearn:iris", "sklearn:wine", "sklearn:breast_cancer"):
        assert "leak" not in findings_by_kind(name)


def test_a_mark_in_the_corner_of_images_is_a_leak() -> None:
    random = np.random.default_rng(0)
    pictures, label = random.integers(0, 255, (300, 16, 16)).astype(np.uint8), random.integers(0, 3, 300)
    assert "leak" not in findings_by_kind({"image": pictures, "label": label}, "label")
    pictures[:, 15, 0] = 100 * label
    assert findings_by_kind({"image": pictures, "label": label}, "label")["leak"].columns == ("image",)


def test_a_word_in_one_class_only_is_a_leak() -> None:
    random = np.random.default_rng(0)
    label = random.choice(["ham", "spam"], 300)
    texts = [" ".join(random.choice([f"w{k}" for k in range(50)], 9)) + f" sent-to-{k}" for k in label]
    leak = findings_by_kind(pl.DataFrame({"text": texts, "label": label}), "label", kinds={"text": "text"})["leak"]
    assert "sent-to-" in leak.text


# -- the rest ----------------------------------------------------------------------------------------------------


def test_id_columns_are_distinguished_from_informative_ones() -> None:
    random = np.random.default_rng(0)
    table = clean().with_columns(
        customer_id=pl.Series(random.permutation(10_000)[:400]),
        valid=pl.Series(random.permutation(10_000)[:400]),  # the name only ends in id
        number=pl.Series([f"K{i:06d}" for i in range(400)]),
    )
    assert set(findings_by_kind(table, "sold")["id_column"].columns) == {"customer_id", "number"}


def test_training_leaves_out_what_inspecting_calls_uninformative(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    table = clean().with_columns(
        customer_id=pl.Series(random.permutation(10_000)[:400]),
        code=pl.Series([f"A-{i:04d}" for i in range(400)]),
        row=pl.Series(range(400)),
        empty=pl.lit(1),
        ticket=pl.Series([f"{letter}{i:05d}" for letter, i in zip("ABCD" * 100, range(400), strict=True)]),
        zip=pl.Series([f"{i:05d}" for i in random.permutation(10_000)[:400]]),
    )
    inspected = deepglass.inspect(table, "sold")
    findings = {f.kind: f for f in inspected.findings}
    assert findings["id_column"].columns == ("customer_id", "code", "row")
    assert findings["proxy"].columns == ("zip",)
    assert findings["proxy"].fix == "data.ignore=[zip]"
    ignored = {c.name: c.why for c in inspected.columns if c.role == "ignored"}
    assert set(ignored) == {"customer_id", "code", "row", "empty"}
    assert all(f"{name}: {why}" in findings["id_column"].text for name, why in ignored.items() if name != "empty")
    run = deepglass.train(table, "sold", out=tmp_path / "run", baselines=False, steps=2, training={"threads": 1})
    assert [f.name for f in run.predictor.inputs] == ["size", "age", "place", "ticket", "zip"]
    written = json.loads((tmp_path / "run" / "findings.json").read_text())
    assert [f["text"] for f in written if f["kind"] == "id_column"] == [findings["id_column"].text]
    assert "customer_id" in findings_by_kind(table, "sold", kinds={"customer_id": "number"})["id_column"].text
    named = deepglass.inspect(table, "sold", kinds={"customer_id": "number"}).columns
    assert {c.name: c.role for c in named}["customer_id"] == "input"


def test_an_identifier_as_target_is_warned_of(tmp_path: Path) -> None:
    table = clean().with_columns(customer_id=pl.Series(np.random.default_rng(0).permutation(10_000)[:400]))
    warned = "customer_id, the target: its name is that of an identifier"
    assert warned in findings_by_kind(table, "customer_id")["id_column"].text
    run = deepglass.train(table, "customer_id", out=tmp_path, baselines=False, steps=2, training={"threads": 1})
    assert any(warned in note for note in run.metrics["notes"])


def test_drift_between_train_and_test_is_reported(tmp_path: Path) -> None:
    clean().write_csv(tmp_path / "train.csv")
    clean(seed=1).write_csv(tmp_path / "same.csv")
    clean(seed=1).with_columns(pl.col("size") * 1.5).write_csv(tmp_path / "larger.csv")
    assert "drift" not in findings_by_kind(tmp_path / "train.csv", "sold", test=str(tmp_path / "same.csv"))
    drift = findings_by_kind(tmp_path / "train.csv", "sold", test=str(tmp_path / "larger.csv"))["drift"]
    assert drift.columns[0] == "size"  # correlated columns come after it


def test_texts_of_another_language_or_encoding_are_named() -> None:
    english = [f"this is the house number {i} that was sold to the man from the town" for i in range(60)]
    french = "ce texte est dans une autre langue pour que les gens qui ne sont pas au courant"
    garbled = "the cafÃ© on the corner was sold to them by the owner of this house"
    table = pl.DataFrame({"text": [*english, french, garbled], "label": ["a", "b"] * 31})
    seen = findings_by_kind(table, "label", kinds={"text": "text"})
    assert seen["mixed_language"].rows == (60,)
    assert seen["mixed_encoding"].rows == (61,)


def test_images_of_an_outlying_size_are_named(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for label in ("cat", "dog"):
        (tmp_path / label).mkdir()
        for i in range(30):
            side = (8, 8) if (label, i) == ("dog", 4) else (64, 48)
            pixels = random.integers(0, 255, (*side, 3)).astype(np.uint8)
            Pillow.fromarray(pixels).save(tmp_path / label / f"{i:02d}.png")
    assert findings_by_kind(tmp_path)["odd_size"].rows == (34,)


# -- fixes -------------------------------------------------------------------------------------------------------


def test_requested_fixes_are_applied_and_reported(tmp_path: Path) -> None:
    table = pl.concat([clean(), clean()[[5, 17]]])
    table = table.with_columns(late=pl.col("sold"), code=pl.Series([f"A-{i:04d}" for i in range(402)]))
    table.write_csv(tmp_path / "t.csv")
    fix = ["duplicate", "leak"]
    settings = {"steps": 2, "training": {"threads": 1}}
    run = deepglass.train(tmp_path / "t.csv", "sold", out=tmp_path / "run", baselines=False, fix=fix, **settings)
    assert run.spec.data.drop == (400, 401)
    assert run.spec.data.ignore == ("late",)
    assert any("duplicate, leak" in note for note in run.metrics["notes"])
    kinds = {f["kind"] for f in json.loads((tmp_path / "run" / "findings.json").read_text())}
    assert kinds == {"id_column"}  # findings without a requested fix are still reported
    split = pl.read_parquet(tmp_path / "run" / "split.parquet")
    assert split.filter(pl.col("row") >= 400)["split"].to_list() == ["", ""]


def test_split_duplicates_are_dropped_from_train_and_kept_in_test(tmp_path: Path) -> None:
    clean().write_csv(tmp_path / "train.csv")
    pl.concat([clean(100, seed=1), clean()[[3, 9]]]).write_csv(tmp_path / "test.csv")
    run = deepglass.train(
        tmp_path / "train.csv",
        "sold",
        out=tmp_path / "run",
        test=str(tmp_path / "test.csv"),
        fix=["split_duplicate", "duplicate"],
        baselines=False,
        steps=2,
        training={"threads": 1},
    )
    assert run.spec.data.drop == (3, 9)


@pytest.mark.parametrize(("kind", "code", "words"), [
    ("duplicates", "unknown-name", "duplicate"),
    ("label_error", "bad-value", "data.label_corrections"),
    ("drift", "bad-value", "time:COLUMN"),
])  # fmt: skip
def test_findings_without_a_fix_are_rejected_with_advice(tmp_path: Path, kind: str, code: str, words: str) -> None:
    with pytest.raises(SpecError, match=words) as error:
        deepglass.train(clean(), "sold", out=tmp_path / "run", fix=[kind])
    assert error.value.code == code
    assert not (tmp_path / "run").exists()


def test_a_row_outside_the_table_cannot_be_dropped(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"data.drop: expected row indices from 0 to 399 .* got 400"):
        deepglass.train(clean(), "sold", out=tmp_path / "run", data={"drop": [400]})
