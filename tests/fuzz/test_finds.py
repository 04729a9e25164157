"""What the fuzzer has found, kept small: each input is refused with a code and exit 2, and the place is named."""

import io
import json
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from deepglass.cli.main import main

CASES = Path(__file__).parents[3] / "shared" / "cases" / "40-damaged"
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


def _run(
    arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[int, str]:
    monkeypatch.setattr(sys, "argv", ["deepglass", *arguments])
    monkeypatch.setattr("gc.freeze", lambda: None)  # it is for the end of a process
    with pytest.raises(SystemExit) as end:
        main()
    return int(end.value.code or 0), capsys.readouterr().err
