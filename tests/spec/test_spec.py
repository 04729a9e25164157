"""Specs: round trips, overrides, short forms, and errors with their path."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

import deepglass
from deepglass.errors import SourceError, SpecError
from deepglass.spec.overrides import build_spec
from deepglass.spec.spec import FeatureSpec, NetworkSpec, Spec
from deepglass.values import parse_seconds, parse_value, set_path

FULL: dict[str, Any] = {
    "data": {
        "source": "/data/houses.csv",
        "ignore": ["id"],
        "columns": ["a", "b"],
        "split": {"test": 0.2, "by": "group:street", "seed": 3},
    },
    "inputs": ["size", {"name": "place", "kind": "category"}],
    "outputs": ["price"],
    "network": {"trunk": "mlp", "depth": 2},
    "objective": {"name": "supervised"},
    "kinds": {"size": "number"},
    "training": {"steps": 7, "optimizer": "adamw", "batch_size": 32, "seed": 1},
}


def test_a_spec_round_trips_through_yaml(tmp_path: Path) -> None:
    spec = Spec.from_dict(FULL)
    assert spec.to_dict() == FULL
    path = tmp_path / "spec.yaml"
    path.write_text(yaml.safe_dump(spec.to_dict()))
    assert Spec.read(path) == spec


def test_short_forms_equal_long_forms() -> None:
    short = Spec.from_dict({"data": "a.csv", "outputs": "price", "network": "mlp", "objective": "supervised"})
    long = {"data": {"source": "a.csv"}, "outputs": [{"name": "price"}], "network": {"trunk": "mlp"}}
    assert short == Spec.from_dict(long)


def test_paths_are_relative_to_the_spec(tmp_path: Path) -> None:
    (tmp_path / "spec.yaml").write_text("data: {source: houses.csv, test: ../new.csv}\noutputs: [price]\n")
    spec = Spec.read(tmp_path / "spec.yaml")
    assert spec.data.source == str(tmp_path / "houses.csv")
    assert Path(spec.data.test).resolve() == tmp_path.parent / "new.csv"
    for named in ("sklearn:iris", "data:mnist"):
        assert Spec.from_dict({"data": named}, tmp_path).data.source == named


def test_objects_are_stored_by_their_type() -> None:
    frame = pl.DataFrame({"a": [1.0]})
    for source in (frame, {"a": [1.0]}, [{"a": 1.0}], ([[1.0]], [1.0])):
        spec = build_spec(source, "a", {})
        assert spec.data.source is source
        assert spec.to_dict()["data"] == {"source": f"<{type(source).__name__}>"}
        assert yaml.safe_load(yaml.safe_dump(spec.anchored().to_dict()))["data"] == spec.to_dict()["data"]


def test_settings_override_a_spec() -> None:
    spec = build_spec(FULL, None, {"steps": 9, "network.depth": 4, "training.clip": 1.0, "kinds": {"place": "text"}})
    assert spec.training.steps == 9
    assert spec.training.optimizer == "adamw"
    assert spec.network == NetworkSpec("mlp", settings={"depth": 4})
    assert spec.training.clip == 1.0
    assert spec.kinds == {"size": "number", "place": "text"}
    assert build_spec(FULL, None, {"epochs": 2}).training.steps is None, "another length takes the place of the spec's"
    assert build_spec(FULL, "other", {}).outputs == (FeatureSpec("other"),)
    assert build_spec("a.csv", ["x", "y"], {"training": {"seed": 3}, "seed": 4}).training.seed == 4


@pytest.mark.parametrize(
    ("change", "code", "says"),
    [
        ({"trainin": {}}, "unknown-key", ["'trainin'", "'training'"]),
        ({"training": {"learningrate": 1}}, "unknown-key", ["training:", "'learningrate'", "'learning_rate'"]),
        ({"training": {"optimizer": 3}}, "bad-value", ["training.optimizer", "a text", "3"]),
        ({"training": {"steps": 1.5}}, "bad-value", ["training.steps", "whole number", "1.5"]),
        ({"training": {"steps": True}}, "bad-value", ["training.steps", "True"]),
        ({"training": {"steps": 3, "epochs": 2}}, "bad-value", ["epochs and steps"]),
        ({"training": {"time": "soon"}}, "bad-value", ["training.time", "'soon'", "60s"]),
        ({"training": {"precision": "float16"}}, "bad-value", ["training.precision", "bfloat16"]),
        ({"data": {"sauce": "a"}}, "unknown-key", ["data:", "'sauce'", "'source'"]),
        ({"data": {"source": "a", "split": {"tset": 1}}}, "unknown-key", ["data.split", "'tset'", "'test'"]),
        ({"data": {"source": "a", "split": [1]}}, "bad-value", ["data.split"]),
        ({"data": {"source": "a", "ignore": "x"}}, "bad-value", ["data.ignore", "'x'"]),
        ({"inputs": 3}, "bad-value", ["inputs", "3"]),
        ({"inputs": [{"kind": "number"}]}, "bad-value", ["inputs[0]", "name"]),
        ({"network": 3}, "bad-value", ["network", "trunk"]),
        ({"kinds": ["a"]}, "bad-value", ["kinds"]),
    ],
)
def test_errors_name_the_path_of_the_setting(change: dict[str, Any], code: str, says: list[str]) -> None:
    with pytest.raises(SpecError) as error:
        Spec.from_dict({**FULL, **change})
    assert error.value.code == code
    assert all(word in str(error.value) for word in says), str(error.value)


def test_unreadable_specs(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"\[not-found\].*spec.yaml"):
        Spec.read(tmp_path / "spec.yaml")
    (tmp_path / "spec.yaml").write_text("data: [a\n")
    with pytest.raises(SourceError, match=r"\[unreadable-file\].*spec.yaml.*line"):
        Spec.read(tmp_path / "spec.yaml")
    (tmp_path / "spec.yaml").write_text("- a\n")
    with pytest.raises(SpecError, match=r"\[bad-value\].*spec.yaml.*list"):
        Spec.read(tmp_path / "spec.yaml")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("1e-3", 0.001),
        ("true", True),
        ("[1, 2]", [1, 2]),
        ("adamw", "adamw"),
        ("{a: 1}", {"a": 1}),
        ("", None),
    ],
)
def test_values_from_the_command_line(text: str, value: Any) -> None:
    assert parse_value(text) == value


def test_paths_of_settings() -> None:
    settings = {"network": "mlp", "training": {"seed": 1}}
    assert set_path(settings, "network.depth", 3)["network"] == {"trunk": "mlp", "depth": 3}
    assert set_path(settings, "training.steps", 5)["training"] == {"seed": 1, "steps": 5}
    assert set_path({}, "a.b.c", 1) == {"a": {"b": {"c": 1}}}
    assert settings == {"network": "mlp", "training": {"seed": 1}}, "nothing changes a spec"


@pytest.mark.parametrize(
    ("text", "seconds"), [("60s", 60), ("2m", 120), ("1.5h", 5400), ("30", 30), (5, 5), (0.5, 0.5)]
)
def test_durations(text: str | float, seconds: float) -> None:
    assert parse_seconds(text, "here") == seconds


@pytest.mark.parametrize("text", ["", "s", "0", "-1s", "abc", "1d", "nan", "inf", 0, -3])
def test_invalid_durations(text: str | float) -> None:
    with pytest.raises(SpecError, match=r"\[bad-value\] here"):
        parse_seconds(text, "here")


def test_a_commented_spec_trains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    frame = pl.DataFrame({"a: b": [float(i % 7) for i in range(40)], "yes": ["x", "y"] * 20, "null": range(0, 80, 2)})
    frame = frame.with_columns(pl.Series('say "hi"', [float(i % 5) for i in range(40)]), pl.lit(1).alias("same"))
    frame.write_csv("data.csv")
    text = deepglass.new("data.csv", "null", folder="specs")
    assert "# left out: same (the same value in every row)" in text
    Path("specs").mkdir()
    Path("specs/spec.yaml").write_text(text)
    spec = Spec.read(Path("specs/spec.yaml"))
    assert [f.name for f in spec.inputs] == ["a: b", "yes", 'say "hi"']
    assert spec.outputs == (FeatureSpec("null", "number"),)
    assert spec.training.time == "60s"
    run = deepglass.train("specs/spec.yaml", out="run", baselines=False, training={"steps": 2, "threads": 1})
    assert run.metrics["step"] == 2


def test_nothing_in_a_spec_can_change() -> None:
    content = {
        "data": {"source": "a.csv", "num_labels": {"per_class": 3}},
        "inputs": [{"name": "a", "kind": "category", "names": ["x", "y"]}],
        "network": {"trunk": "mlp", "widths": [1, 2]},
        "objective": {"name": "gan", "betas": {"first": 0.5}},
        "kinds": {"b": "text"},
    }
    spec = Spec.from_dict(content)
    for values in (spec.kinds, spec.data.num_labels, spec.network.settings, spec.objective.settings["betas"]):
        with pytest.raises(TypeError):
            values["new"] = 1  # type: ignore[index]
    assert spec.inputs[0].settings["names"] == ("x", "y")
    assert Spec.from_dict(spec.to_dict()) == spec
    assert content["network"] == {"trunk": "mlp", "widths": [1, 2]}


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ({"training": 5}, r"training: expected settings such as {time: 60s}, got 5"),
        ({"inputs": [3]}, r"inputs\[0\]: expected a name or {name: \.\.\.}, got 3"),
        ({"inputs": [{"name": "a", "kind": 3}]}, r"inputs\[0\]\.kind: expected a text, got 3"),
        ({"network": {"trunk": 3}}, r"network\.trunk: expected a text, got 3"),
        ({"data": {"source": "x", "transforms": [{"a": 1}]}}, r"data\.transforms\[0\]: expected a name or {kind: "),
        ({"nework": "mlp"}, r"no setting 'nework'; did you mean 'network'"),
    ],
)
def test_a_section_of_another_type_is_refused(content: dict[str, object], text: str) -> None:
    with pytest.raises(SpecError, match=text):
        Spec.from_dict({"data": "x.csv", **content})


def test_settings_of_columns_by_name() -> None:
    by_name = Spec.from_dict({"data": "a.csv", "inputs": {"a": None, "b": "text"}, "outputs": {"y": {"positive": "p"}}})
    assert by_name.inputs == (FeatureSpec("a"), FeatureSpec("b", "text"))
    assert by_name.outputs == (FeatureSpec("y", settings={"positive": "p"}),)
    assert Spec.from_dict(by_name.to_dict()) == by_name
    listed = {"data": "a.csv", "outputs": ["x", {"name": "y", "kind": "binary"}]}
    merged = build_spec(listed, None, {"outputs.y.positive": "p"})
    assert merged.outputs == (FeatureSpec("x"), FeatureSpec("y", "binary", settings={"positive": "p"}))
    assert build_spec(listed, "y", {}).outputs == (FeatureSpec("y", "binary"),), "a target keeps its settings"
    assert build_spec("a.csv", "a.b", {"outputs.a.b.positive": "p"}).outputs[0].name == "a.b"
    assert build_spec("a.csv", None, {"outputs.y.positive": "p"}).outputs[0].name == "y"
    kinds = build_spec("a.csv", "y", {"kinds.x.bins": 3, "kinds": {"x": "number"}, "inputs.z.bins": 4}).kinds
    assert kinds == {"x": {"kind": "number", "bins": 3}, "z": {"bins": 4}}, "and every column stays an input"


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"outputs.y.posittive": "p"}, ["unknown-key", "outputs.y", "'posittive'", "'positive'"]),
        ({"outputs": {"y": {"posittive": "p"}}}, ["unknown-key", "outputs.y", "'positive'"]),
        ({"outputs": [{"name": "y", "posittive": "p"}]}, ["unknown-key", "outputs.y", "'positive'"]),
        ({"outputs": {"y": 3}}, ["bad-value", "outputs.y", "3"]),
        ({"outputs": {"x": None}}, ["bad-value", "'x'", "targets y"]),
        ({"outputs.x.positive": "p"}, ["unknown-name", "outputs.x.positive", "'x'", "y"]),
        ({"outputs": [{"kind": "binary"}]}, ["bad-value", "outputs[0]", "name"]),
        ({"inputs.x.binz": 3}, ["unknown-key", "x", "'binz'", "'bins'"]),
        ({"inputs": {"x": {"binz": 3}}}, ["unknown-key", "inputs.x", "'bins'"]),
        ({"inputs": ["x"], "inputs.z.bins": 3}, ["unknown-name", "inputs.z.bins", "x"]),
        ({"kinds": {"x": {"kind": "number", "binz": 3}}}, ["unknown-key", "kinds.x", "'binz'", "'bins'"]),
        ({"kinds": {"x": {"kind": "numbr"}}}, ["unknown-name", "x", "'numbr'", "'number'"]),
        ({"kinds": {"xx": {"bins": 3}}}, ["unknown-column", "'xx'", "'x'"]),
        ({"kinds": {"x": {"column": "z"}}}, ["unknown-key", "kinds.x", "'column'"]),
        ({"kinds": {"x": 3}}, ["bad-value", "kinds.x", "3"]),
    ],
)
def test_unknown_settings_of_columns_are_errors(settings: dict[str, Any], says: list[str]) -> None:
    frame = pl.DataFrame({"x": [i * 0.7 for i in range(40)], "z": [i * 0.3 for i in range(40)], "y": ["p", "q"] * 20})
    with pytest.raises((SpecError, SourceError)) as error:
        deepglass.inspect(frame, "y", settings=settings)
    assert all(word in str(error.value) for word in says), str(error.value)
