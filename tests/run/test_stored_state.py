"""Stored files of other types than a run writes: damaged-run, also where the manifest agrees."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from conftest import Command, made_up
from safetensors.torch import save

import deepglass
from deepglass.errors import UserError
from deepglass.features.base import from_state
from deepglass.features.outputs.base import OUTPUTS, output_from_state
from deepglass.run.storage.manifest import MANIFEST, write_manifest
from deepglass.training.checkpoint import Checkpoints

ROW = {"size": 100.0, "place": "north", "sold": "no"}
Edit = Callable[[dict[str, Any]], None]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stored")
    made_up(200).write_csv(folder / "houses.csv")
    small = {"network.width": 8, "network.ensemble_size": 1, "training.threads": 1}
    deepglass.train(
        folder / "houses.csv", ["price", "place"], steps=5, out=folder / "run", baselines=False, settings=small
    )
    return folder / "run"


def _calibration(output: str, **values: Any) -> Edit:
    return lambda content: content["calibration"][output].update(values)


def _output(name: str, field: str, value: Any) -> Edit:
    def edit(content: dict[str, Any]) -> None:
        next(o for o in content["outputs"] if o["name"] == name)[field] = value

    return edit


EDITS: dict[str, Edit] = {
    "calibration of no output": lambda content: content["calibration"].update(other={}),
    "temperature nan": _calibration("place", temperature=math.nan),
    "temperature 0": _calibration("place", temperature=0.0),
    "temperature text": _calibration("place", temperature="1.0"),
    "temperature list": _calibration("place", temperature=[1.0]),
    "threshold above 1": _calibration("place", threshold=2.0),
    "unknown field": _calibration("place", temprature=1.0),
    "half_width infinite": _calibration("price", half_width=math.inf),
    "half_width text": _calibration("price", half_width="wide"),
    "half_width alone": lambda content: content["calibration"].update(price={"half_width": 1.0}),
    "mean nan": _output("price", "mean_", math.nan),
    "mean text": _output("price", "mean_", "1.0"),
    "std null": _output("price", "std_", None),
    "classes that are numbers": _output("place", "vocabulary_", [1, 2, 3]),
    "classes that are no list": _output("place", "vocabulary_", "north"),
    "classes of another type": _output("place", "type_", "integer"),
    "trunk": lambda content: content["experiment"].update(trunk=[1]),
    "a class less": lambda content: [
        o.update(vocabulary_=o["vocabulary_"][:-1]) for o in content["outputs"] if o["name"] == "place"
    ],
}


@pytest.mark.filterwarnings("ignore::deepglass.errors.UnfinishedRunWarning")
@pytest.mark.parametrize("manifest", ["agrees", "absent"])
@pytest.mark.parametrize("name", EDITS)
def test_stored_state_is_checked_without_the_manifest(name: str, manifest: str, trained: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    path = run / "features.json"
    content = json.loads(path.read_text())
    EDITS[name](content)
    path.write_text(json.dumps(content))
    if manifest == "agrees":
        write_manifest(run)
    else:
        (run / MANIFEST).unlink()
    with pytest.raises(UserError) as caught:
        deepglass.predict(run, [ROW])
    assert caught.value.code == "damaged-run"


CALIBRATIONS: dict[str, list[dict[str, Any]]] = {
    "category": [{"temperature": -1.0}],
    "binary": [{"threshold": "0.5"}],
    "tags": [{"temperature": math.nan}],
    "multilabel": [{"temperature": 1.0, "thresholds": [0.5]}, {"temperature": 1.0}, {"thresholds": 0.5}],
    "number": [{"half_width": -1.0, "confidence_level": 0.9}, {"half_width": 1.0}],
    "vector": [{"half_width": [1.0], "confidence_level": 0.9}],
    "sequence": [{"half_width": [1.0, 1.0, 1.0], "confidence_level": 0.9}],
    "mask": [{"accuracy": [0.5]}, {"accuracy": "x"}],
    "boxes": [{"slope": 1.0}, {"slope": math.nan, "shift": 0.0, "ece_before": 0, "ece_after": 0, "threshold": 0.1}],
    "identity": [{"threshold": 0.5}, {"threshold": 0.5, "slope": math.inf, "offset": 0.0}],
}
STATES: dict[str, dict[str, Any]] = {
    "category": {"vocabulary_": ["a", "b"]},
    "multilabel": {"vocabulary_": ["a", "b"]},
    "vector": {"mean_": [0.0, 1.0], "std_": [1.0, 1.0]},
    "sequence": {"mean_": [0.0], "std_": [1.0]},
}


@pytest.mark.parametrize("kind", [kind for kind, cls in OUTPUTS if cls.calibration_fields is not None])
def test_a_calibration_is_checked_against_the_fields_of_its_output(kind: str) -> None:
    output = output_from_state({"kind": kind, "name": "y", **STATES.get(kind, {})})
    for values in CALIBRATIONS[kind]:
        with pytest.raises(UserError, match=r"calibration\.y"):
            output.restore_calibration(values, "calibration.y")
    assert output.restore_calibration({}, "calibration.y") == {}


def test_a_text_with_a_tokenizer_but_without_its_content_is_damaged() -> None:
    state = {"kind": "text", "name": "review", "tokenizer": "tokenizer.json", "vocabulary_": [], "lists_": False}
    text = from_state({**state, "counts_": [], "rows_": 9, "subword_features_": ""}, "inputs[0]")
    with pytest.raises(UserError, match=r"inputs\[0\]\.content_"):
        text.check_learned("inputs[0]")


def edited_copy(trained: Path, copy: Path, name: str, edit: Edit) -> Path:
    """A copy of a run whose JSON file has another content, which its manifest lists."""
    shutil.copytree(trained, copy)
    content = json.loads((copy / name).read_text())
    edit(content)
    (copy / name).write_text(json.dumps(content))
    write_manifest(copy)
    return copy


def test_each_value_of_the_metrics_is_checked(trained: Path, tmp_path: Path) -> None:
    content = json.loads((trained / "metrics.json").read_text())
    for i, key in enumerate([*content, "stop_signal", "folds", "spread"]):
        for wrong in (None, [[1]], {"x": {"y": "z"}}, {"x": 1}):
            run = edited_copy(trained, tmp_path / f"{i} {wrong!r}", "metrics.json", lambda c: c.update({key: wrong}))  # noqa: B023
            with pytest.raises(UserError) as caught:
                deepglass.Run(run).metrics  # noqa: B018
            assert caught.value.code == "damaged-run"
            assert f"metrics.{key}" in str(caught.value)


def test_what_others_add_to_the_metrics_stays(trained: Path, tmp_path: Path) -> None:
    run = edited_copy(trained, tmp_path / "run", "metrics.json", lambda c: c.update(note=["mine"], test={"price": {}}))
    assert deepglass.Run(run).metrics["note"] == ["mine"]


COMMANDS = [("evaluate",), ("report",), ("compare", "{trained}"), ("resume",)]


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
@pytest.mark.parametrize("wrong", ["4.5", None, {"train": "long"}])
def test_commands_refuse_metrics_of_another_type(
    words: tuple[str, ...], wrong: object, trained: Path, tmp_path: Path, command: Command
) -> None:
    run = edited_copy(trained, tmp_path / "run", "metrics.json", lambda content: content.update(seconds=wrong))
    result = command(words[0], run, *(word.format(trained=trained) for word in words[1:]))
    assert result.code == 2
    assert "[damaged-run]" in result.err
    assert "metrics.seconds" in result.err


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("row", "x"),
        ("row", None),
        ("row", 1_000),
        ("split", [1]),
        ("hash", "x"),
    ],
)
def test_a_split_of_other_types_is_damaged(column: str, value: object, trained: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    pl.read_parquet(run / "split.parquet").with_columns(pl.lit(value).alias(column)).write_parquet(
        run / "split.parquet"
    )
    write_manifest(run)
    with pytest.raises(UserError) as caught:
        deepglass.report(run)
    assert caught.value.code == "damaged-run"


@pytest.mark.parametrize(
    ("key", "wrong"),
    [
        ("step", "2"),
        ("best_monitor", "low"),
        ("losses", {"sums": 1}),
        ("loader", {"position": "x"}),
        ("callbacks", {"HistoryFile": {"count": "x"}}),
        ("seconds", None),
    ],
)
def test_a_checkpoint_of_other_types_is_damaged(key: str, wrong: object, trained: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    (run / MANIFEST).unlink()
    checkpoints = Checkpoints(run / "checkpoint")
    state = checkpoints.load()
    assert state is not None
    for _ in range(2):  # both of them
        checkpoints.save(state)
    for path in (run / "checkpoint").glob("*.safetensors"):
        content = save(dict(state.tensors), {"values": json.dumps({**state.values, key: wrong})})
        path.write_bytes(content)
        path.with_suffix(".sha256").write_text(f"{hashlib.sha256(content).hexdigest()} 5\n")
    with pytest.raises(UserError) as caught:
        deepglass.resume(run)
    assert caught.value.code == "damaged-run"
