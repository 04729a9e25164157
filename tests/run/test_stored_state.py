"""Learned state in features.json that is not what a run stores: damaged-run, also where the manifest agrees."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import made_up

import deepglass
from deepglass.errors import UserError
from deepglass.features.base import from_state
from deepglass.features.outputs.base import OUTPUTS, output_from_state
from deepglass.run.storage.manifest import MANIFEST, write_manifest

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
