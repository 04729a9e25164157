"""The public surface of the package: exactly `__all__`, loaded lazily, documented, with typed parameters."""

from __future__ import annotations

import doctest
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import deepglass


def test_all_is_the_public_interface() -> None:
    names = {name for name in dir(deepglass) if not name.startswith("_")}
    modules = {name for name in names if inspect.ismodule(getattr(deepglass, name))}
    assert names - modules - {"Any", "ModuleType", "TYPE_CHECKING", "import_module"} == set(deepglass.__all__)
    assert set(deepglass._HOMES) == set(deepglass.__all__)
    assert deepglass.__all__ == sorted(deepglass.__all__)


def test_public_names_are_loaded_at_first_use() -> None:
    code = "import sys, deepglass; print([m for m in sys.modules if m.startswith('deepglass.')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", deepglass.__all__)
def test_public_names_are_documented_and_typed(name: str) -> None:
    value = getattr(deepglass, name)
    assert inspect.getdoc(value)
    if inspect.isfunction(value):
        parameters = inspect.signature(value).parameters.values()
        assert all(p.annotation is not p.empty for p in parameters)
        assert not [p for p in parameters if p.kind is p.VAR_KEYWORD], "settings are explicit"


def test_unknown_names_are_attribute_errors() -> None:
    with pytest.raises(AttributeError, match="no attribute 'trane'"):
        deepglass.trane  # noqa: B018


def test_examples_of_docstrings_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names = {"deepglass": deepglass, "DeepglassClassifier": deepglass.DeepglassClassifier}
    names["DeepglassRegressor"] = deepglass.DeepglassRegressor
    finder, runner = doctest.DocTestFinder(recurse=False), doctest.DocTestRunner(verbose=False)
    examples = ("train", "inspect", "evaluate", "predict", "explain", "report", "compare", "resume", "label", "embed")
    tests = [
        test
        for name in (*examples, "DeepglassClassifier", "DeepglassRegressor")
        for test in finder.find(getattr(deepglass, name), name, globs=dict(names))
    ]
    assert all(test.examples for test in tests)
    for test in tests:
        assert runner.run(test).failed == 0, test.name
