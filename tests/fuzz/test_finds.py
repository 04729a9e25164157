"""What the fuzzer has found, kept small: each input is refused with a code and exit 2, and the place is named."""

import io
import json
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from conftest import CASES
from PIL import Image

from deepglass.cli.main import main

DAMAGED = CASES / "40-damaged"
TABLE = "a,b,c,d\n" + "".join(f"{i},{i % 3},{'xy'[i % 2]},\n" for i in range(24))
TRAIN = ("--steps", "2", "--no-baselines", "--out", "run")


class Find(NamedTuple):
    """Files, the arguments after the command's name, and what stderr must hold."""

    files: dict[str, str | bytes]
    arguments: tuple[str, ...]
    errors: tuple[str, ...]


def _npy(values: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, values)
    return file.getvalue()


def _png() -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(file, "PNG")
    return file.getvalue()


def _inspect(name: str, content: str | bytes, *errors: str) -> Find:
    return Find({name: content}, ("inspect", name), (name, *errors))


def _spec(change: dict[str, Any], *errors: str) -> Find:
    content = {"data": {"source": "rows.csv"}, "outputs": ["c"], **change}
    return Find({"rows.csv": TABLE, "spec.yaml": json.dumps(content)}, ("train", "spec.yaml", *TRAIN), errors)


FINDS = {
    "rows of unequal length": _inspect(
        "a.json", '{"columns": ["a", "b"], "data": [[1, 2], [3]]}', "[bad-value]", "data[1]", "2 values"
    ),
    "columns that are no list": _inspect("a.json", '{"columns": 3, "data": [[1]], "x": [1]}', "[bad-value]"),
    "deep": _inspect("a.json", "[" * 100_000, "[too-large]"),
    "digits": _inspect("a.json", f'[{{"a": {"1" * 5_000}}}]', "[unreadable-file]"),
    "half a character": _inspect("a.json", '[{"a": "\\ud800"}]', "[unreadable-file]"),
    "no values in its rows": Find({"a.npy": _npy(np.zeros((24, 0)))}, ("inspect", "a.npy"), ("[bad-value]", "(24, 0)")),
    "header that does not end": Find(
        {"a.npy": _npy(np.zeros(24)).replace(b"(24,)", b"(24, ")}, ("inspect", "a.npy"), ("[unreadable-file]", "a.npy")
    ),
    "header with a fraction": Find(
        {"a.npy": _npy(np.zeros(24)).replace(b"(24,), ", b"(1.5,),")}, ("inspect", "a.npy"), ("[unreadable-file]",)
    ),
    "section that is a number": Find(
        {"rows.csv": TABLE}, ("inspect", "rows.csv", "training=-0.5"), ("[bad-value]", "training: expected settings")
    ),
    "times without a unit": Find(
        {"a.npy": _npy(np.arange(24).astype("m8"))}, ("inspect", "a.npy"), ("[bad-value]", "timedelta64")
    ),
    "times beyond the unit": Find(
        {"a.npy": _npy(np.full(24, 2**62, "M8[h]"))}, ("inspect", "a.npy"), ("[bad-value]", "datetime64[h]")
    ),
    "seed of the split": _spec({"data": {"source": "rows.csv", "split": {"seed": -1}}}, "[bad-value]", "data.split"),
    "seed of training": _spec({"training": {"seed": -1}}, "[bad-value]", "training.seed"),
    "column without a value": _spec(
        {"inputs": ["b", {"name": "d", "kind": "category"}], "outputs": [], "objective": "autoencoder"},
        "[bad-value]",
        "inputs.d",
    ),
    "numbers as audio": Find(
        {"rows.csv": TABLE}, ("train", "rows.csv", "--kind", "b=audio", *TRAIN), ("[no-rows]", "readable audio")
    ),
    "numbers as masks": Find(
        {"rows.csv": TABLE}, ("train", "rows.csv", "--kind", "b=mask", *TRAIN), ("expected the path of an image, got",)
    ),
    "numbers as videos": Find(
        {"rows.csv": TABLE}, ("train", "rows.csv", "--kind", "b=video", *TRAIN), ("expected the path of a video, got",)
    ),
}


@pytest.mark.parametrize("name", FINDS)
def test_finds_are_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    find = FINDS[name]
    for file, content in find.files.items():
        (tmp_path / file).write_bytes(content if isinstance(content, bytes) else content.encode())
    monkeypatch.chdir(tmp_path)
    code, errors = _run(find.arguments, monkeypatch, capsys)
    assert code == 2, errors
    assert all(text in errors for text in find.errors), errors


READ: dict[str, tuple[dict[str, str | bytes], tuple[str, ...]]] = {
    "infinite among whole numbers": (
        {"rows.csv": TABLE.replace("\n5,2,", "\n5,inf,")},
        ("train", "rows.csv", "--target", "c", "--kind", "b=category", *TRAIN),
    ),
    "no metric that can be computed": (
        {"rows.csv": TABLE},
        ("train", "rows.csv", "--target", "a", "--kind", "a=category", *TRAIN),
    ),
    "times in hours": ({"a.npy": _npy(np.arange(24).astype("M8[h]"))}, ("inspect", "a.npy")),
    "durations": ({"a.npy": _npy((np.arange(24) * 7 % 5).astype("m8[Y]"))}, ("inspect", "a.npy")),
    "boxes beyond all numbers": (
        {"a.json": json.dumps({"images": [{"id": 1, "file_name": "a.png"}], "annotations": [
            {"image_id": 1, "category_id": 1, "bbox": [10**400, 1, 1, 1]},
            {"image_id": 1, "category_id": 1, "bbox": [1e308, 1, 1e308, 1]},
        ], "categories": [{"id": 1, "name": "x"}]}), "a.png": _png()},
        ("inspect", "."),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", READ)
def test_finds_are_read(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    files, arguments = READ[name]
    for file, content in files.items():
        (tmp_path / file).write_bytes(content if isinstance(content, bytes) else content.encode())
    monkeypatch.chdir(tmp_path)
    code, errors = _run(arguments, monkeypatch, capsys)
    assert code == 0, errors


REFUSED = {
    "bad.json.gz": "unreadable-file",
    "cut.tar": "unreadable-file",
    "deep.json": "too-large",
    "deep.yaml": "too-large",
    "flipped.tar.gz": "unreadable-file",
    "huge_digits.json": "unreadable-file",
    "negative_seed.yaml": "bad-value",
    "split_uneven.json": "bad-value",
    "timedelta.npy": "empty-source",  # a constant
    "zero_width.npy": "bad-value",
}
GOOD = ("coco_big", "gif_forged_size", "huge_integers.csv")  # only a box or a file of them is left out


@pytest.mark.skipif(not DAMAGED.is_dir(), reason="the inputs lie beside the repository")
@pytest.mark.parametrize("name", [*REFUSED, *GOOD])
def test_damaged_inputs_are_refused_or_read(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    path = str(DAMAGED / name)
    code, errors = _run(("train", path, *TRAIN) if name.endswith("yaml") else ("inspect", path), monkeypatch, capsys)
    if name in GOOD:
        assert code == 0, errors
    else:
        assert (code, f"[{REFUSED[name]}]" in errors) == (2, True), errors
        assert Path(name).stem in errors or "data.split.seed" in errors


@pytest.mark.skipif(not DAMAGED.is_dir(), reason="the inputs lie beside the repository")
def test_integers_beyond_64_bits_are_learned_and_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = ("train", str(DAMAGED / "huge_integers.csv"), "--target", "y", "--steps", "2", "--out", "run")
    code, errors = _run(arguments, monkeypatch, capsys)
    assert code == 0, errors
    assert (tmp_path / "run" / "report.html").is_file()


def test_every_damaged_input_is_tested() -> None:
    if DAMAGED.is_dir():
        names = {path.name for path in DAMAGED.iterdir()} - {"t.csv"}  # the table of the specs
        assert names == {*REFUSED, *GOOD}


def _run(
    arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[int, str]:
    monkeypatch.setattr(sys, "argv", ["deepglass", *arguments])
    monkeypatch.setattr("gc.freeze", lambda: None)  # it is for the end of a process
    with pytest.raises(SystemExit) as end:
        main()
    return int(end.value.code or 0), capsys.readouterr().err
