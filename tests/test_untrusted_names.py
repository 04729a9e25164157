"""Names in specs and run folders never run foreign code: each name field, in each command that reads it."""

from __future__ import annotations

import importlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

import deepglass
from deepglass import registry
from deepglass.cli.main import main
from deepglass.data.environments import make
from deepglass.errors import SpecError, UserError
from deepglass.features.base import FEATURES, Feature
from deepglass.networks.trunks.base import TRUNKS
from deepglass.run.storage.manifest import MANIFEST, write_manifest
from deepglass.spec.overrides import build_spec
from deepglass.spec.spec import Spec

MARKER = """
from pathlib import Path

Path(__file__).with_name("imported").touch()


class Marker:
    def __init__(self, *args, **settings):
        Path(__file__).with_name("called").touch()


class Fraction(Marker):
    pass
"""
KIND = """
from deepglass.features.number import Number


class Copy(Number):
    pass


class Plain:
    pass
"""
COUNTER = count()
NAMES = ("marker_module:Marker", "subprocess:Popen", "os:system", "ctypes:CDLL", "builtins:exec", ":", "a b:C", "x:")
COMMANDS: dict[str, tuple[str, ...]] = {
    "predict": ("predict", "RUN", "DATA"),
    "evaluate": ("evaluate", "RUN", "DATA"),
    "compare": ("compare", "RUN", "OTHER"),
    "check": ("check", "RUN"),
    "report": ("report", "RUN"),
    "embed": ("embed", "RUN", "--out", "OUT.parquet"),
    "label": ("label", "RUN", "--json", "--out", "OUT.csv"),
    "inspect": ("inspect", "DATA", "--run", "RUN"),
    "explain": ("explain", "RUN", "DATA"),
    "verify": ("verify", "RUN", "{}", "{}"),
    "generate": ("generate", "RUN"),
    "resume": ("resume", "RUN"),
    "train": ("train", "DATA", "--target", "y", "--init-from", "RUN", "--out", "OUT", "steps=2", "--no-baselines"),
}
Edit = Callable[[dict[str, Any], str], None]


def set_at(*path: str | int) -> Edit:
    """An edit that puts a name at a path of nested dicts and lists."""

    def edit(content: Any, name: str) -> None:
        for key in path[:-1]:
            content = content[key] if isinstance(content, list) else content.setdefault(key, {})
        content[path[-1]] = name

    return edit


def add_call(content: dict[str, Any], name: str) -> None:
    """An input that consists of nothing but the arguments of a call."""
    content["inputs"][0] = {"kind": name, "args": ["touch", "called"]}


def add_transform(content: dict[str, Any], name: str) -> None:
    content["experiment"]["transforms"] = [{"kind": name, "args": ["touch", "called"]}]


RESOLVED: dict[tuple[str, str], Edit] = {  # every command that loads the run reads them
    ("features.json", "inputs.kind"): set_at("inputs", 0, "kind"),
    ("features.json", "inputs"): add_call,
    ("features.json", "outputs.kind"): set_at("outputs", 0, "kind"),
    ("features.json", "transforms"): add_transform,
}
OTHERS: dict[tuple[str, str], Edit] = {
    ("features.json", "trunk"): set_at("experiment", "trunk"),
    ("features.json", "columns.kind"): set_at("columns", 0, "kind"),
    ("features.json", "columns.role"): set_at("columns", 0, "role"),
    ("features.json", "inputs.name"): set_at("inputs", 0, "name"),
    ("features.json", "split.by"): set_at("experiment", "split", "by"),
    ("features.json", "calibration"): set_at("calibration", "y"),
    ("spec.yaml", "objective"): set_at("objective", "name"),
    ("spec.yaml", "trunk"): set_at("network", "trunk"),
    ("spec.yaml", "activation"): set_at("network", "activation"),
    ("spec.yaml", "pretrained"): set_at("network", "pretrained"),
    ("spec.yaml", "outputs"): set_at("outputs", 0),
    ("spec.yaml", "kinds"): set_at("kinds", "a"),
    ("spec.yaml", "transforms"): lambda content, name: content["data"].update(transforms=[{"kind": name}]),
    ("spec.yaml", "optimizer"): set_at("training", "optimizer"),
    ("spec.yaml", "schedule"): set_at("training", "schedule"),
    ("spec.yaml", "source"): lambda content, name: content["data"].update(source=f"gym:{name}-v0"),
    ("spec.yaml", "test"): lambda content, name: content["data"].update(test=f"gym:{name}-v0"),
    ("plan.json", "optimizer"): set_at("optimizer"),
    ("plan.json", "schedule"): set_at("schedule"),
    ("plan.json", "device"): set_at("device"),
    ("plan.json", "precision"): set_at("precision"),
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("names")
    rows = 60
    frame = pl.DataFrame({"a": range(rows), "b": [i % 7 / 2 for i in range(rows)], "y": [i % 2 for i in range(rows)]})
    frame.sample(fraction=1, shuffle=True, seed=0).write_csv(folder / "data.csv")
    network = {"trunk": "mlp", "width": 8, "depth": 1, "ensemble_size": 1}
    deepglass.train(
        folder / "data.csv", "y", kinds={"y": "category"}, steps=2, network=network, baselines=False, out=folder / "run"
    )
    return folder


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current folder, with modules that leave a mark when they are imported or called."""
    (tmp_path / "marker_module.py").write_text(MARKER)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(registry, "_allowed_modules", set())
    monkeypatch.setattr(registry, "_registered", {})
    yield tmp_path
    sys.modules.pop("marker_module", None)


@pytest.fixture
def module(folder: Path) -> str:
    """A module with a kind of data; a new one for each test, since its class stays in the process."""
    name = f"copied_kind_{next(COUNTER)}"
    (folder / f"{name}.py").write_text(KIND)
    return name


def command(monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    """The exit code of a command; any exception is a traceback and fails the test."""
    monkeypatch.setattr(sys, "argv", ["deepglass", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def ran(folder: Path) -> list[str]:
    return [name for name in ("imported", "called") if (folder / name).exists()]


def edit_file(path: Path, edit: Edit, name: str) -> None:
    reads_json = path.suffix == ".json"
    content = json.loads(path.read_text()) if reads_json else yaml.safe_load(path.read_text())
    edit(content, name)
    path.write_text(json.dumps(content) if reads_json else yaml.safe_dump(content))
    write_manifest(path.parent)  # as a stranger would


def words_for(name: str, trained: Path, run: Path) -> list[str]:
    places = {"RUN": str(run), "DATA": str(trained / "data.csv"), "OTHER": str(trained / "run")}
    return [places.get(word, word) for word in COMMANDS[name]]


@pytest.mark.parametrize("where", [*RESOLVED, *OTHERS], ids=":".join)
def test_a_name_in_a_run_folder_runs_nothing(where, trained, folder, monkeypatch, capsys):
    run = folder / "run"
    cases = [(action, NAMES[i % 4]) for i, action in enumerate(COMMANDS)] + [("predict", name) for name in NAMES]
    for action, name in cases:
        shutil.rmtree(run, ignore_errors=True)
        shutil.copytree(trained / "run", run)
        edit_file(run / where[0], {**RESOLVED, **OTHERS}[where], name)
        if action == "resume":
            for written_last in ("metrics.json", MANIFEST):
                (run / written_last).unlink()
        code = command(monkeypatch, *words_for(action, trained, run))
        error = capsys.readouterr().err
        assert ran(folder) == [], (action, name)
        is_resolved = where in RESOLVED and action not in ("compare", "check")  # which make no object of what it names
        assert code == 2 if is_resolved else code in (0, 2), (action, name, error)
        assert code == 0 or "error: [" in error, (action, name, error)
        shutil.rmtree(folder / "OUT", ignore_errors=True)
        for path in folder.glob("OUT.*"):
            path.unlink()


SPEC: dict[str, Any] = {"data": {"source": "data.csv"}, "outputs": ["y"], "training": {"steps": 2}}
SPEC_NAMES: dict[str, Edit] = {
    "objective": set_at("objective"),
    "objective.name": set_at("objective", "name"),
    "network": set_at("network"),
    "trunk": set_at("network", "trunk"),
    "inputs": lambda content, name: content.update(inputs=[{"name": "a", "kind": name, "args": ["touch", "called"]}]),
    "outputs": lambda content, name: content.update(outputs=[{"name": "y", "kind": name}]),
    "kinds": lambda content, name: content.update(kinds={"a": name}),
    "transforms": lambda content, name: content["data"].update(transforms=[{"kind": name, "args": ["true"]}]),
    "source": lambda content, name: content["data"].update(source=f"gym:{name}-v0"),
    "test": lambda content, name: content["data"].update(test=f"gym:{name}-v0"),
}


@pytest.mark.parametrize("where", SPEC_NAMES)
@pytest.mark.parametrize("action", ["inspect", "new", "train"])
def test_a_name_in_a_spec_file_runs_nothing(where, action, trained, folder, monkeypatch, capsys):
    shutil.copy(trained / "data.csv", folder)
    for name in NAMES:
        content = json.loads(json.dumps(SPEC))
        SPEC_NAMES[where](content, name)
        (folder / "spec.yaml").write_text(yaml.safe_dump(content))
        code = command(monkeypatch, action, "spec.yaml", *(["--out", "OUT"] if action == "train" else []))
        error = capsys.readouterr().err
        assert ran(folder) == [], name
        read = action == "train" or where not in ("objective", "objective.name", "network", "trunk", "transforms")
        assert code == 2 if read else code in (0, 2), (name, error)


def test_the_refusal_names_the_module_and_says_how_to_allow_it(trained, module, monkeypatch, capsys, folder):
    shutil.copytree(trained / "run", folder / "run")
    for i in range(2):
        edit_file(folder / "run/features.json", set_at("inputs", i, "kind"), f"{module}:Copy")
    assert command(monkeypatch, "predict", "run", trained / "data.csv") == 2
    error = capsys.readouterr().err
    assert all(word in error for word in ("[unknown-name]", "inputs[0].kind", f"--allow-code {module}"))
    assert command(monkeypatch, "predict", "run", trained / "data.csv", "--allow-code", module) == 0


def test_an_allowed_class_is_checked_before_it_is_called(trained, folder, monkeypatch, capsys):
    shutil.copytree(trained / "run", folder / "run")
    edit_file(folder / "run/features.json", add_call, "marker_module:Marker")
    assert command(monkeypatch, "predict", "run", trained / "data.csv", "--allow-code", "marker_module") == 2
    assert ran(folder) == ["imported"]
    assert "expected a subclass of Feature" in capsys.readouterr().err


def test_a_name_that_is_no_module_gets_no_advice(folder):
    with pytest.raises(SpecError, match="not the name of a Python module") as error:
        FEATURES.get("x; rm -rf y:C", where="inputs[0].kind")
    assert "--allow-code" not in str(error.value)


def test_the_command_line_names_a_module_itself(trained, module, monkeypatch, capsys):
    words = ("train", trained / "data.csv", "--target", "y", "--no-baselines", "steps=2")
    assert command(monkeypatch, *words, "--out", "one", "--kind", f"a={module}:Copy") == 0, capsys.readouterr().err
    registry._allowed_modules.clear()
    assert command(monkeypatch, *words, "--out", "two", "--kind", f"a={module}:Plain") == 2
    assert "expected a subclass of Feature" in capsys.readouterr().err


def test_a_dict_in_python_names_a_module_itself_and_a_spec_object_does_not(trained, module):
    spec = {**SPEC, "data": {"source": str(trained / "data.csv")}, "kinds": {"a": f"{module}:Copy"}}
    with pytest.raises(UserError, match=f"allow_code='{module}'"):
        deepglass.inspect(Spec.from_dict(spec))
    deepglass.inspect(Spec.from_dict(spec), allow_code=module)
    registry._allowed_modules.clear()
    sys.modules.pop(module)
    deepglass.inspect(spec)
    deepglass.inspect(trained / "data.csv", "y", kinds={"a": f"{module}:Copy"})


def test_rows_of_data_name_no_module(module, folder):
    rows = [{"a": f"{module}:Copy", "y": i} for i in range(20)]
    (folder / "spec.yaml").write_text(yaml.safe_dump({**SPEC, "kinds": {"a": f"{module}:Copy"}}))
    spec = Spec.read(folder / "spec.yaml")
    build_spec(rows, None, {}, spec)
    assert not registry._allowed_modules


def test_register_takes_classes_of_a_registry_only(folder):
    @dataclass(frozen=True, kw_only=True)
    class Other:
        pass

    with pytest.raises(SpecError, match="register: expected a subclass"):
        deepglass.register(Other)


def test_a_class_that_exists_in_the_process_needs_no_permission(module):
    Copy = importlib.import_module(module).Copy
    assert FEATURES.get(f"{module}:Copy") is Copy
    assert deepglass.register(Copy) is Copy
    assert FEATURES.name_of(Copy) == f"{module}:Copy"
    with pytest.raises(SpecError, match=module):
        TRUNKS.get(f"{module}:Copy")


def test_an_abstract_class_is_refused(folder):
    class Partial(Feature):
        pass

    with pytest.raises(SpecError, match="expected a subclass of Feature"):
        FEATURES.get(FEATURES.name_of(Partial))


def test_a_package_allows_its_submodules(folder):
    registry.allow_modules("copied")
    with pytest.raises(SpecError):
        registry.check_allowed("copied_kind", "here")
    registry.check_allowed("copied.kind", "here")


def test_a_game_of_another_module_is_refused_before_it_is_imported(folder):
    pytest.importorskip("gymnasium")
    with pytest.raises(SpecError, match="--allow-code marker_module"):
        make("marker_module:Marker-v0", {})
    assert ran(folder) == []


def test_the_command_line_names_a_game_itself(folder, monkeypatch, capsys):
    pytest.importorskip("gymnasium")
    assert command(monkeypatch, "inspect", "gym:marker_module:Marker-v0") == 2
    assert ran(folder) == ["imported"]


@pytest.mark.parametrize("name", ["random", "typing", "json", "yaml"])
def test_a_file_of_the_current_folder_replaces_no_module(folder, name):
    (folder / f"{name}.py").write_text(MARKER)
    ended = subprocess.run([sys.executable, "-m", "deepglass", "list", "trunks"], capture_output=True, cwd=folder)
    assert ended.returncode == 0
    assert ran(folder) == []
