"""Invalid arguments and data: error code, culprit, near miss, exit code 2, and no run folder."""

from __future__ import annotations

import errno
import gzip
import io
import json
import os
import struct
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from conftest import Command
from PIL import Image

import deepglass
from deepglass.errors import StorageError, UserError
from deepglass.training.callbacks import Callback

HOUSES = "size,place,price\n" + "".join(f"{i * 1.5 % 7},{'ab'[i % 2]},{i * 2.5 % 11}\n" for i in range(60))


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("ok.csv").write_text(HOUSES)


def lines(row: str, rows: int = 60) -> str:
    """Rows of a template; `{i}` counts and `{x}` is a number."""
    return "".join(row.format(i=i, x=i * 2.5 % 11) + "\n" for i in range(rows))


def refused(command: Command, *words: object, code: str, names: tuple[str, ...]) -> None:
    """The command fails with this code and text, and leaves no run."""
    said = command("train", *words, "--steps", "2")
    assert said.code == 2, said
    error = said.err.splitlines()[-1]
    assert error.startswith(f"error: [{code}]"), said.err
    assert all(name in error for name in names), error
    assert not Path("runs").exists(), "nothing was trained, so there is no run"


FILES = {
    "an empty file": ("empty.csv", "", "empty-source", ("empty.csv",)),
    "blank lines only": ("blank.csv", "\n\n", "empty-source", ("blank.csv",)),
    "a header only": ("head.csv", "size,place,price\n", "no-rows", ("head.csv", "size, place, price")),
    "one row": ("one.csv", "size,place,price\n1,a,3\n", "too-few-rows", ("one.csv", "1 row", "10")),
    "few rows": ("few.csv", "size,price\n" + lines("{i},{x}", 9), "too-few-rows", ("few.csv", "9 rows")),
    "a target of one value": ("const.csv", "size,price\n" + lines("{x},4.5"), "constant-target", ("price", "const")),
    "one class only": ("class.csv", "size,price\n" + lines("{x},yes"), "one-class", ("price", "class.csv")),
    "equal names": ("twice.csv", "size,size,price\n" + lines("{i},{x},{x}"), "duplicate-column", ("1 and 2", "'size'")),
    "a target of gaps": ("gaps.csv", "size,price\n" + lines("{x},"), "no-rows", ("gaps.csv", "'price'")),
    "columns of one value": ("same.csv", "size,price\n" + lines("3,{x}"), "empty-source", ("size: the same value",)),
    "uneven lines": ("o.csv", "a,price\n" + lines("1,2") + "1,2,3\n1\n1,2,3\n", "unreadable-file", ("o.csv", "line")),
}  # fmt: skip


@pytest.mark.parametrize("case", FILES)
def test_useless_files(command: Command, case: str) -> None:
    name, content, code, names = FILES[case]
    Path(name).write_text(content)
    refused(command, name, "--target", "price", code=code, names=names)


WORDS = {
    "--target prise": ("unknown-column", ("--target", "'prise'", "ok.csv", "'price'")),
    "--target price,size": ("unknown-column", ("'price,size'", "each column by itself: 'price' and 'size'")),
    "--target price --target price": ("bad-value", ("--target", "'price'", "twice")),
    "--target price --ignore price": ("bad-value", ("--target", "'price'", "--ignore")),
    "--target price --ignore plase": ("unknown-column", ("data.ignore", "'plase'", "'place'")),
    "--target price --ignore size --ignore place": ("empty-source", ("ok.csv", "place: ignored in the spec")),
    "--target price --objective supervized": ("unknown-name", ("objective", "'supervized'", "'supervised'")),
    "--target price --network mpl": ("unknown-name", ("network.trunk", "'mpl'", "'mlp'")),
    "--target price --kind size=numbr": ("unknown-name", ("--kind size", "'numbr'", "'number'")),
    "--target price --kind sise=number": ("unknown-column", ("--kind", "'sise'", "'size'")),
    "--target price --kind place=number": ("bad-value", ("'place'", "numbers")),
    "--target price --kind place": ("bad-value", ("--kind", "COLUMN=KIND")),
    "--target price --columns a,b": ("bad-value", ("--columns", "expected 3 names", "got 2")),
    "--target price --time 0": ("bad-value", ("training.time", "above 0")),
    "--target price --time abc": ("bad-value", ("training.time", "'abc'", "60s")),
    "--target price --time 5s --epochs 3": ("bad-value", ("training", "time and epochs")),
    "--target price --steps 0": ("bad-value", ("steps", "above 0")),
    "--target price --epochs -1": ("bad-value", ("epochs", "-1")),
    "--target price training.optimizer=adamv": ("unknown-name", ("training.optimizer", "'adamv'", "'adam'")),
    "--target price training.schedule=cosin": ("unknown-name", ("training.schedule", "'cosin'", "'cosine'")),
    "--target price network.activation=rellu": ("unknown-name", ("network", "activation", "'rellu'", "'relu'")),
    "--target price network.dept=3": ("unknown-key", ("network", "'dept'", "'depth'")),
    "--target price network.width=-4": ("bad-value", ("network.width", "above 0", "-4")),
    "--target price network.ensemble_size=0": ("bad-value", ("network.ensemble_size", "above 0", "got 0")),
    "--target price training.learningrate=0.1": ("unknown-key", ("training", "'learningrate'", "'learning_rate'")),
    "--target price training.learning_rate=-1": ("bad-value", ("learning_rate", "above 0")),
    "--target price training.batch_size=-3": ("bad-value", ("batch_size", "-3")),
    "--target price training.batch_size=many": ("bad-value", ("training.batch_size", "'many'", "auto")),
    "--target price training.patience=-1": ("bad-value", ("patience", "at least 0")),
    "--target price training.seed=abc": ("bad-value", ("training.seed", "'abc'")),
    "--target price training.precision=float61": ("bad-value", ("training.precision", "'float61'", "float32")),
    "--target price training.device=cudda": ("unknown-name", ("device", "'cudda'", "'cuda'")),
    "--target price trainin.seed=1": ("unknown-key", ("'trainin.seed'", "'training.seed'")),
    "--target price data.splitt=3": ("unknown-key", ("data", "'splitt'", "'split'")),
    "--target price data.split=3": ("bad-value", ("data.split", "3")),
    "--target price data.split.tset=0.1": ("unknown-key", ("data.split", "'tset'", "'test'")),
    "--target price data.split.test=1.5": ("bad-value", ("data.split", "1.5")),
    "--target price data.split.by=group:plase": ("unknown-column", ("'plase'", "'place'")),
    "--target price data.split.by=sometimes": ("bad-value", ("data.split", "'sometimes'", "random")),
    "--target price data.split.folds=1": ("bad-value", ("data.split", "2 folds")),
    "--target price data.split.rows=[50,20,20]": ("too-few-rows", ("data.split.rows", "90 rows", "60")),
    "--target price objective.foo=1": ("unknown-key", ("objective", "'foo'")),
    "--target price inputs=[sise]": ("unknown-column", ("inputs[0]", "'sise'", "'size'")),
    "--target price inputs=[size,price]": ("bad-value", ("inputs[1]", "'price'", "leak")),
    '--target price network={"depth":1,"depth":2}': ("bad-value", ("network", "'depth'", "twice")),
    "--target price inputs=[size": ("bad-value", ("inputs", "'[size'")),
    "--target price nonsense": ("unknown-key", ("'nonsense'", "KEY=VALUE")),
    "--seed 1": ("bad-value", ("--target", "size, place, price")),
}  # fmt: skip


@pytest.mark.parametrize("words", WORDS)
def test_unknown_names_get_near_misses(command: Command, words: str) -> None:
    code, names = WORDS[words]
    said = command("train", "ok.csv", *words.split())
    assert said.code == 2, said
    error = said.err.splitlines()[-1]
    assert error.startswith(f"error: [{code}]"), said.err
    assert all(name in error for name in names), error
    assert not Path("runs").exists(), "nothing was trained, so there is no run"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["trian", "ok.csv"], "train"),
        (["train", "ok.csv", "--tarmget", "price"], "--target"),
        (["train", "ok.csv", "--epochs", "x"], "--epochs"),
        (["evaluate"], "RUN"),
    ],
)
def test_wrong_usage(command: Command, words: list[str], says: str) -> None:
    said = command(*words)
    assert said.code == 2
    assert says in said.err


def test_missing_sources(command: Command) -> None:
    refused(command, "okk.csv", "--target", "price", code="not-found", names=("okk.csv", "'ok.csv'"))
    refused(command, "no/ok.csv", "--target", "price", code="not-found", names=("no/ok.csv", "'no'"))
    refused(command, "sklearn:digit", code="unknown-name", names=("sklearn:digit", "'digits'"))
    refused(command, "data:mnits", code="not-found", names=("data:mnits", "'mnist'"))
    refused(command, "spec.yaml", code="not-found", names=("spec.yaml",))
    said = command("predict", "ran", "ok.csv")
    assert said.code == 2
    assert "[not-found] RUN: ran" in said.err


@pytest.mark.parametrize(
    ("content", "code", "names"),
    [
        ("data: [ok.csv\n", "unreadable-file", ("spec.yaml", "line")),
        ("- a\n- b\n", "bad-value", ("spec.yaml", "list")),
        (
            "data: {source: ok.csv}\noutputs: [price]\ntraining:\n  steps: 2\n  seed: 1\n  steps: 3\n",
            "bad-value",
            ("spec.yaml", "'steps'", "line 4", "line 6"),
        ),
        ("data: {source: ok.csv}\noutputs: [price]\ndata: {source: ok.csv}\n", "bad-value", ("'data'", "line 3")),
        ("data: {source: ok.csv}\noutputs: [{kind: number}]\n", "bad-value", ("outputs[0]", "name")),
        ("data: {source: ok.csv}\noutputs: [price]\ninput: [size]\n", "unknown-key", ("'input'", "'inputs'")),
        (
            "data: {source: ok.csv}\noutputs: [price]\ninputs: [{name: size, kindd: number}]\n",
            "unknown-key",
            ("inputs.size", "'kindd'", "'kind'"),
        ),
        (
            "data: {source: ok.csv}\noutputs: [price]\ninputs: [{name: size, kind: numbr}]\n",
            "unknown-name",
            ("inputs[0]", "'numbr'", "'number'"),
        ),
    ],
)
def test_wrong_specs(command: Command, content: str, code: str, names: tuple[str, ...]) -> None:
    Path("spec.yaml").write_text(content)
    refused(command, "spec.yaml", code=code, names=names)


# -- columns that are odd but usable ---------------------------------------------------------------------------------


def test_empty_columns_are_left_out_with_the_reason(command: Command) -> None:
    Path("table.csv").write_text("size,nothing,price\n" + lines("{x},,{i}"))
    said = command("train", "table.csv", "--target", "price", "--steps", "2")
    assert said.code == 0, said.err
    assert "nothing (no value in any row)" in said.err


def test_mixed_types_in_a_column_are_reported(command: Command) -> None:
    rows = "".join(f"{i},{'x' if i % 5 == 0 else i},{i * 2.5 % 11}\n" for i in range(1, 61))
    Path("table.csv").write_text("size,odd,price\n" + rows)
    said = command("train", "table.csv", "--target", "price", "--steps", "2", "--out", "run")
    assert said.code == 0, said.err
    assert "mixed: odd (mostly numbers, but 12 values are not, such as 'x')" in said.err
    words = ["--target", "price", "--steps", "2", "--kind", "odd=number", "--out", "as-number"]
    said = command("train", "table.csv", *words)
    assert said.code == 0, said.err


def test_infinity_and_nan_are_missing_values(command: Command) -> None:
    big = ["inf" if i == 3 else "nan" if i == 4 else "-inf" if i == 9 else str(i) for i in range(60)]
    price = ["inf" if i in (13, 18) else "nan" if i == 14 else str(i * 2.5 % 11) for i in range(60)]
    Path("table.csv").write_text("big,price\n" + "".join(f"{b},{p}\n" for b, p in zip(big, price, strict=True)))
    said = command("train", "table.csv", "--target", "price", "--steps", "3", "--out", "run")
    assert said.code == 0, said.err
    assert "left out: 3 rows (no value for price)" in said.err
    run = deepglass.Run("run")
    assert all(np.isfinite(v) for v in run.metrics["test"]["price"].values())
    answers = run.predict([{"big": float("inf")}, {"big": float("nan")}, {"big": None}, {"big": 1e300}])
    assert all(np.isfinite(a["price"]["value"]) for a in answers)
    assert answers[0] == answers[1] == answers[2]


def test_names_in_any_script(command: Command) -> None:
    Path("häuser.csv").write_text(HOUSES.replace("size,place,price", "größe [m²],место,価格"))
    said = command("train", "häuser.csv", "--target", "価格", "--steps", "2", "--out", "läufe/一")
    assert said.code == 0, said.err
    assert "größe [m²]" in said.err
    assert "価格, test" in said.out
    assert "価格" in deepglass.Run("läufe/一").predict("häuser.csv")[0]
    refused(command, "häuser.csv", "--target", "価格 ", code="unknown-column", names=("'価格'",))


# -- packed files ------------------------------------------------------------------------------------------------


def test_truncated_gzip(command: Command) -> None:
    packed = gzip.compress((HOUSES * 20).encode())
    Path("cut.csv.gz").write_bytes(packed[: len(packed) // 2])
    refused(command, "cut.csv.gz", "--target", "price", code="unreadable-file", names=("cut.csv.gz", "cut off"))


def test_zip_with_path_traversal(command: Command) -> None:
    with zipfile.ZipFile("bad.zip", "w") as archive:
        archive.writestr("../evil.csv", HOUSES)
    refused(command, "bad.zip", "--target", "price", code="unsafe-archive", names=("bad.zip", "../evil.csv"))
    assert not Path("../evil.csv").exists()


def test_zip_bomb(command: Command) -> None:
    with zipfile.ZipFile("bomb.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.writestr("a.csv", b"0" * 40_000_000)
        archive.writestr("b.csv", b"0" * 40_000_000)
    assert Path("bomb.zip").stat().st_size < 80_000
    refused(command, "bomb.zip", "--target", "price", code="too-large", names=("bomb.zip", "unpack"))


# -- images ------------------------------------------------------------------------------------------------------


def pictures(folder: Path, each: int = 8) -> None:
    """Two classes of tiny images, one bright and one dark."""
    random = np.random.default_rng(0)
    for label, level in (("dark", 60), ("bright", 200)):
        (folder / label).mkdir(parents=True)
        for i in range(each):
            pixels = (level + random.integers(-30, 30, (8, 8))).astype(np.uint8)
            Image.fromarray(pixels).save(folder / label / f"{i}.png")


def test_an_unreadable_image_is_left_out_and_named(command: Command) -> None:
    pictures(Path("photos"))
    Path("photos/dark/broken.png").write_bytes(b"this is no picture")
    said = command("train", "photos", "--steps", "2", "--out", "run")
    assert said.code == 0, said.err
    assert "dark/broken.png" in said.err
    assert "16 rows" in said.err
    said = command("inspect", "photos", "--json")
    assert "dark/broken.png" in said.out, "the doctor names it as well"


def test_if_no_image_is_readable_an_example_is_named(command: Command) -> None:
    pictures(Path("photos"))
    for path in Path("photos").rglob("*.png"):
        path.write_bytes(b"this is no picture")
    said = command("train", "photos", "--steps", "2", "--out", "run")
    assert said.code == 2
    assert "[unreadable-file] photos, column 'image': no row has only files that can be read; the first of" in said.err
    assert "bright/0.png" in said.err


@pytest.mark.parametrize("kind", ["text", "audio", "number"])
def test_image_files_reject_unsuitable_kinds(command: Command, kind: str) -> None:
    pictures(Path("photos"))
    said = command("train", "photos", "--kind", f"image={kind}", "--steps", "2", "--out", "run")
    assert said.code == 2
    assert f"[bad-value] image: expected the kind image or mask or video for its image files, got '{kind}'" in said.err


def test_an_image_whose_header_states_a_huge_size_is_left_out(command: Command) -> None:
    pictures(Path("photos"))
    content = io.BytesIO()
    Image.new("L", (1, 1)).save(content, "png")
    header = b"IHDR" + struct.pack(">II", 20_000, 20_000) + content.getvalue()[24:29]
    data = content.getvalue()
    bomb = data[:12] + header + struct.pack(">I", zlib.crc32(header)) + data[33:]
    Path("photos/dark/huge.png").write_bytes(bomb)
    said = command("train", "photos", "--steps", "2", "--out", "run")
    assert said.code == 0, said.err
    assert "dark/huge.png" in said.err
    assert "pixels" in said.err


def test_predicting_an_unreadable_image_names_it(command: Command) -> None:
    pictures(Path("photos"))
    assert command("train", "photos", "--steps", "2", "--out", "run").code == 0
    Path("new.png").write_bytes(b"this is no picture")
    said = command("predict", "run", "new.png")
    assert said.code == 2
    assert "[unreadable-image]" in said.err
    assert "new.png" in said.err


# -- where results go ------------------------------------------------------------------------------------------------


def test_existing_output_is_not_overwritten(command: Command) -> None:
    Path("mine").mkdir()
    Path("mine/letter.txt").write_text("dear")
    for force in ([], ["--force"]):
        refused(command, "ok.csv", "--target", "price", "--out", "mine", *force, code="already-exists", names=("mine",))
    assert Path("mine/letter.txt").read_text() == "dear"
    assert command("train", "ok.csv", "--target", "price", "--steps", "2", "--out", "run").code == 0
    before = Path("run/metrics.json").read_text()
    refused(command, "ok.csv", "--target", "price", "--out", "run", code="already-exists", names=("run", "--force"))
    assert Path("run/metrics.json").read_text() == before
    assert command("train", "ok.csv", "--target", "price", "--steps", "3", "--out", "run", "--force").code == 0
    assert deepglass.Run("run").metrics["step"] == 3


def test_unwritable_output(command: Command) -> None:
    said = command("train", "ok.csv", "--target", "price", "--steps", "2", "--out", "ok.csv/run")
    assert said.code == 2
    assert "[bad-value] ok.csv/run" in said.err


def test_full_disk_before_and_during_a_run(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "replace", full)
    said = command("train", "ok.csv", "--target", "price", "--steps", "2", "--out", "run")
    assert said.code == 1
    assert "[disk-full] run" in said.err
    assert not list(Path("run").rglob("*.partial-*"))


def test_full_disk_while_history_is_written(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write

    def full(descriptor: int, content: bytes) -> int:
        if b"learning_rate" in content:  # a line of history.jsonl
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(descriptor, content)

    monkeypatch.setattr(os, "write", full)
    said = command("train", "ok.csv", "--target", "price", "--steps", "2", "--out", "run")
    assert said.code == 1
    assert "[disk-full]" in said.err
    assert Path("run/history.jsonl").read_text() == ""


# -- Python objects --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ([], "empty-source"),
        ({}, "empty-source"),
        ({"a": [1, 2], "price": [1]}, "mismatched-files"),
        ((np.zeros((30, 2)), np.zeros(29)), "mismatched-files"),
        (np.zeros((0, 3)), "no-rows"),
        (3, "bad-value"),
        ([1, 2, 3], "bad-value"),
    ],
)
def test_unsupported_python_objects(source: object, code: str) -> None:
    with pytest.raises(UserError) as error:
        deepglass.train(source, "price", steps=2)
    assert error.value.code == code, str(error.value)


def test_all_errors_are_user_errors() -> None:
    assert issubclass(UserError, deepglass.DeepglassError)
    assert issubclass(StorageError, deepglass.DeepglassError)
    assert (UserError.exit_code, StorageError.exit_code) == (2, 1)


# -- values and files that cannot be used ------------------------------------------------------------------------------

LARGE = {
    "numbers": ("number", lambda i: (1.5 + i % 7) * 1e305),
    "integers": ("number", lambda i: (1 + i % 7) * 10**300),
    "vectors": ("vector", lambda i: [(-1) ** i * 1e308, 1e39 + i]),
    "sequences": ("sequence", lambda i: [1e308] * (1 + i % 3)),
    "sequences of vectors": ("sequence", lambda i: [[1e300, -1e308]] * (1 + i % 3)),
}


@pytest.mark.parametrize("case", LARGE)
def test_targets_that_are_too_large_are_named(command: Command, case: str) -> None:
    kind, value = LARGE[case]
    write_rows({"x": i**2 % 11 / 3, "t": value(i)} for i in range(60))
    refused(command, "rows.jsonl", "--target", "t", "--kind", f"t={kind}",
            code="bad-value", names=("'t'", "too large", "8.5e+37", "logarithm"))  # fmt: skip


@pytest.mark.parametrize("case", LARGE)
def test_inputs_that_are_too_large_are_missing_and_named(command: Command, case: str) -> None:
    kind, value = LARGE[case]
    write_rows({"x": value(i), "z": i**2 % 11 / 3,
                "y": "ab"[i % 2]} for i in range(60))  # fmt: skip
    said = command("train", "rows.jsonl", "--target", "y", "--kind", f"x={kind}", "--steps", "2", "--out", "run")
    assert said.code == 0, said.err
    assert "x: too large" in said.err
    said = command("predict", "run", "rows.jsonl", "--json")
    assert said.code == 0, said.err
    assert "NaN" not in said.out


def test_an_infinite_value_in_a_sequence_is_missing_and_named(command: Command) -> None:
    write_rows({"s": [1.0] * (2 + i % 3) + [1e308] * (i % 7 == 0), "y": "ab"[i % 2]} for i in range(60))
    said = command("train", "rows.jsonl", "--target", "y", "--steps", "2", "--out", "run")
    assert said.code == 0, said.err
    assert "s: too large: 9" in said.err


def write_rows(rows: Iterable[dict[str, Any]]) -> None:
    Path("rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


DAMAGED = {"wav": b"RIFF\0\0\0\0WAVEfmt ", "png": b"\x89PNG\r\n\x1a\n", "gif": b"GIF89a", "jpg": b"\xff\xd8\xff\xe0"}


@pytest.mark.parametrize("ending", DAMAGED)
def test_damaged_files_are_not_blamed_on_the_label(command: Command, ending: str) -> None:
    for i in range(24):
        path = Path("media") / "ab"[i % 2] / f"{i}.{ending}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(DAMAGED[ending] + bytes([i]) * 40)
    column = "'audio'" if ending == "wav" else "'image'"
    refused(command, "media", code="unreadable-file", names=(column, f"a/0.{ending}", "cannot be read", "24"))


def test_too_few_rows_name_the_files_that_were_left_out(command: Command) -> None:
    for i in range(24):
        path = Path("media") / "ab"[i % 2] / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"\x89PNG\r\n\x1a\n")
        if i < 4:
            Image.new("L", (4, 4), 40 * i).save(path)
    refused(command, "media", code="too-few-rows", names=("'label'", "4 rows", "left out", "cannot be read", "19 more"))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda f: deepglass.train(f, f["sold"]), r"target: expected the name of a column.*got a Series.*\(X, y\)"),
        (lambda f: deepglass.train(f, f["sold"].to_numpy()), "target: expected the name of a column.*got a ndarray"),
        (lambda f: deepglass.train(f, ["sold", None]), "target: expected the name of a column.*got a list"),
        (lambda f: deepglass.train(f, "sold", callbacks=[print]), r"callbacks: .*module:Class, got <built-in"),
        (lambda f: deepglass.train(f, "sold", callbacks=[Callback]), r"callbacks: .*call the class"),
        (lambda f: deepglass.train(f, "sold", callbacks=Callback()), r"callbacks: expected a list"),
        (lambda f: deepglass.train(f, "sold", out=3), "out: expected the path of a folder, got 3"),
        (lambda f: deepglass.evaluate(None), "RUN: expected the path of a run, or a Run, got NoneType"),
        (lambda f: deepglass.report(3), "RUN: expected the path of a run, or a Run, got int"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_a_wrong_argument_from_python_names_what_is_expected(library: str, wrong: Any, message: str) -> None:
    frame = pl.DataFrame({"size": range(60), "sold": [0, 1] * 30})
    with pytest.raises(deepglass.UserError, match=message) as raised:
        wrong(frame if library == "polars" else frame.to_pandas())
    assert raised.value.code == "bad-value"


def test_a_frame_may_have_whole_numbers_as_names(tmp_path: Path) -> None:
    frame = pd.DataFrame({0: np.random.default_rng(0).normal(size=60), 1: [0, 1] * 30})
    run = deepglass.train(frame, 1, out=tmp_path / "run", steps=1, baselines=False)
    assert [output.name for output in run.predictor.outputs] == ["1"]
