"""Own kinds, outputs, networks, losses and callbacks: from files in the current folder, by the command line."""

from __future__ import annotations

import importlib
import json
import os
import py_compile
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
import pytest
from safetensors.numpy import load_file

import deepglass
from deepglass import own_modules, registry
from deepglass.errors import CodeWarning, SpecError
from deepglass.failures import deepglass_error
from deepglass.files import file_sha256
from deepglass.run.storage.manifest import read_manifest

PAGE = (Path(__file__).parent.parent / "docs" / "own_parts.md").read_text()
FILES = {name: code for code, name in re.findall(r"^```python\n(# (\w+\.py)\n.*?)^```", PAGE, re.MULTILINE | re.DOTALL)}
COMMANDS = re.findall(r"^deepglass .*", PAGE, re.MULTILINE)
DRIVER = """
import json, os, shlex, sys, torch
import deepglass.api, deepglass.inference
from deepglass.cli.main import main
codes = []
for command in json.loads(sys.argv[1]):
    if (child := os.fork()) == 0:
        sys.argv = shlex.split(command)
        print(">", command, flush=True)
        print(">", command, file=sys.stderr, flush=True)
        main()
    codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
print(json.dumps(codes))
"""  # each command in a process of its own, without the seconds in which torch is loaded
MARK = "import pathlib\npathlib.Path('imported').touch()\n"


class Ended(NamedTuple):
    """Exit codes of commands, and all that they printed."""

    codes: list[int]
    out: str
    err: str


def commands(folder: Path, *lines: str) -> Ended:
    """Run commands in a folder, each in a process of its own."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(deepglass.__file__).parent.parent)}
    words = [sys.executable, "-P", "-c", DRIVER, json.dumps(lines)]
    ended = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    return Ended(json.loads(ended.stdout.splitlines()[-1]), ended.stdout, ended.stderr)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current folder, with the files of the page and its table."""
    for name, code in FILES.items():
        (tmp_path / name).write_text(code)
    random = np.random.default_rng(0)
    atoms, hours = random.integers(1, 20, (200, 3)), random.integers(1, 9, 200)
    mass = atoms @ np.array([12.0, 1.0, 16.0])
    pl.DataFrame({
        "formula": [f"C{c}H{h}O{o}" for c, h, o in atoms],
        "hours": hours,
        "mass": mass,
        "heavy": mass > 290,
        "calls": random.poisson(3 * hours),
    }).write_csv(tmp_path / "molecules.csv")  # fmt: skip
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(registry, "_allowed_modules", set())
    monkeypatch.setattr(registry, "_registered", {})
    for name in ("_files", "_copies"):
        monkeypatch.setattr(own_modules, name, {})
    before = {*sys.modules}
    yield tmp_path
    for name in {*sys.modules} - before:
        if own_modules.is_own(name):
            del sys.modules[name]


@pytest.mark.slow
def test_the_commands_of_the_page(folder: Path) -> None:
    assert len(COMMANDS) == 10
    ended = commands(folder, *COMMANDS)
    assert ended.codes == [0] * len(COMMANDS), ended.err
    assert len(pl.read_csv(folder / "masses.csv")) == 200
    assert (folder / "loss" / "report.html").exists()
    assert len((folder / "lines.txt").read_text().splitlines()) > 1


TRAIN = (
    "deepglass train molecules.csv --target calls --kind calls=poisson:Poisson --kind formula=molecules:Molecule "
    "--ignore mass --ignore heavy --network mean_trunk:MeanTrunk --objective smoothed:Smoothed --steps 40 "
    "--callback lines:Lines --no-baselines"
)
PARTS = ("poisson", "molecules", "mean_trunk", "smoothed")
ALLOW = " ".join(f"--allow-code {module}" for module in PARTS)
USES = (
    "deepglass predict run molecules.csv --out predictions.csv",
    "deepglass evaluate run",
    "deepglass evaluate run molecules.csv --include-trained",
    "deepglass report run",
    "deepglass explain run molecules.csv --rows 0",
    "deepglass embed run --out vectors.parquet",
    "deepglass inspect molecules.csv --run run",
    "deepglass resume run --steps 10",
)
OTHER_USES = (
    "deepglass check run",
    "deepglass compare run run",
    "deepglass label run --no-open",
    "deepglass generate run",
)


@pytest.mark.parametrize(
    "uses", [USES[:1], pytest.param(USES + OTHER_USES, marks=pytest.mark.slow)], ids=["predict", "all"]
)
def test_all_parts_at_once_and_a_run_from_elsewhere_executes_nothing(folder: Path, uses: tuple[str, ...]) -> None:
    """Trained in one folder, used in another: nothing of it is imported until its modules are allowed."""
    assert commands(folder, f"{TRAIN} --out run").codes == [0]
    assert (folder / "lines.txt").exists()
    assert sorted(p.name for p in (folder / "run/code").iterdir()) == sorted(FILES)
    manifest = read_manifest(folder / "run")
    assert manifest is not None
    assert manifest["code/molecules.py"] == file_sha256(folder / "molecules.py")
    assert (folder / "run/code/molecules.py").read_text() == FILES["molecules.py"]
    other = folder / "other"
    other.mkdir()
    shutil.copytree(folder / "run", other / "run")
    shutil.copy(folder / "molecules.csv", other)
    for copy in (other / "run/code").iterdir():
        copy.write_text(MARK + copy.read_text())
    (other / "molecules.py").write_text(MARK)
    (other / "run" / "manifest.json").unlink()
    refused = commands(
        other, *USES, "deepglass check run", "deepglass compare run run", "deepglass label run --no-open"
    )
    assert not (other / "imported").exists()
    assert refused.codes[0] == 2
    assert "--allow-code" in refused.err
    assert "code/poisson.py" in refused.err or "code/molecules.py" in refused.err


@pytest.mark.slow
def test_all_uses_of_a_run_with_own_parts(folder: Path) -> None:
    other = folder / "other"
    other.mkdir()
    assert commands(folder, f"{TRAIN} --out run").codes == [0]
    shutil.copytree(folder / "run", other / "run")
    shutil.copy(folder / "molecules.csv", other)
    ended = commands(other, *(f"{use} {ALLOW}" for use in USES if "evaluate run m" not in use))
    assert ended.codes == [0] * (len(USES) - 1), ended.err  # by the copies, as the files are not there
    assert "differs" not in ended.err
    assert not (other / "run" / "code" / "__pycache__").exists()


@pytest.mark.slow
def test_a_killed_training_with_own_parts_goes_on_to_the_same_bits(folder: Path) -> None:
    killer = """import os, signal
from deepglass.training.callbacks import Callback

class Killer(Callback):
    def on_evaluation_end(self, record):
        if record.step > 20:
            os.kill(os.getpid(), signal.SIGKILL)
"""
    (folder / "killer.py").write_text(killer)
    ended = commands(
        folder,
        f"{TRAIN} --out whole",
        f"{TRAIN} --out killed --callback killer:Killer",
        "deepglass resume killed",
        f"deepglass resume killed {ALLOW}",
    )
    assert ended.codes == [0, -9, 2, 0], ended.err
    whole, killed = (load_file(folder / name / "model.safetensors") for name in ("whole", "killed"))
    assert whole.keys() == killed.keys()
    assert all(np.array_equal(whole[name], killed[name]) for name in whole)


# -- in one process ----------------------------------------------------------------------------------------------

QUICK = {"network": {"trunk": "mlp", "width": 8, "depth": 1, "ensemble_size": 1}, "baselines": False, "steps": 2}


def small_run(folder: Path, module: str) -> Path:
    deepglass.train("molecules.csv", "mass", kinds={"formula": f"{module}:Molecule"}, out="run", **QUICK)
    return folder / "run"


def forget(*modules: str) -> None:
    """What a new process has: no class of these modules, and none allowed."""
    for module in modules:
        del sys.modules[module]
    registry._allowed_modules.clear()
    own_modules._files.clear()
    own_modules._copies.clear()


def written(folder: Path, name: str) -> Path:
    """The module of molecules under another name: a class stays in the process once it is imported."""
    path = folder / f"{name}.py"
    path.write_text(FILES["molecules.py"])
    return path


def test_helpers_beside_a_module_come_with_it_and_nothing_else_does(folder: Path) -> None:
    (folder / "atom_table.py").write_text("NAMES = 'CHO'\n")
    (folder / "bystander.py").write_text(MARK)
    path = written(folder, "with_helper")
    path.write_text("from atom_table import NAMES\n" + path.read_text())
    small_run(folder, "with_helper")
    assert {p.name for p in (folder / "run/code").iterdir()} == {"with_helper.py", "atom_table.py"}
    with pytest.raises(ImportError):
        importlib.import_module("bystander")
    assert not (folder / "__pycache__").exists()


def test_a_package_of_the_user_is_copied_and_used_from_its_copy(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "chemistry").mkdir()
    (folder / "chemistry" / "__init__.py").write_text("")
    (folder / "chemistry" / "table.py").write_text("NAMES = 'CHO'\n")
    code = FILES["molecules.py"].replace("class Molecule", "class Packed")
    (folder / "chemistry" / "kinds.py").write_text("from .table import NAMES\n" + code)
    deepglass.train("molecules.csv", "mass", kinds={"formula": "chemistry.kinds:Packed"}, out="run", **QUICK)
    names = {p.name for p in (folder / "run/code").iterdir()}
    assert names == {"chemistry.__init__.py", "chemistry.kinds.py", "chemistry.table.py"}
    forget("chemistry", "chemistry.kinds", "chemistry.table")
    (other := folder / "other").mkdir()
    monkeypatch.chdir(other)
    deepglass.Run(folder / "run")
    kinds = own_modules.import_own("chemistry.kinds")
    assert kinds.__file__ == str(folder / "run/code/chemistry.kinds.py")
    assert kinds.NAMES == "CHO"


def test_a_changed_file_is_a_warning_and_a_changed_copy_an_error(folder: Path) -> None:
    path = written(folder, "changed_kind")
    run = small_run(folder, "changed_kind")
    path.write_text(path.read_text() + "\n# another version\n")
    forget("changed_kind")
    deepglass.Run(run)  # names no module, so nothing is compared
    with pytest.warns(CodeWarning, match=r"changed_kind\.py differs from code/changed_kind\.py of .*run, with which"):
        deepglass.Run(run, allow_code="changed_kind")
    (run / "code/changed_kind.py").write_text("raise SystemExit\n")
    with pytest.warns(CodeWarning, match=r"run: code/changed_kind\.py is damaged or replaced .* and not used"):
        deepglass.Run(run, allow_code="changed_kind")
    registry._allowed_modules.clear()
    assert [p.file for p in deepglass.check(run)] == ["code/changed_kind.py"]


def test_a_cache_beside_a_copy_is_not_executed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(folder, "cached_kind")
    run = small_run(folder, "cached_kind")
    cache = run / "code" / "__pycache__"
    cache.mkdir()
    mark = folder / "mark.py"
    mark.write_text(MARK)
    py_compile.compile(str(mark), str(cache / f"cached_kind.{sys.implementation.cache_tag}.pyc"))
    (other := folder / "other").mkdir()
    monkeypatch.chdir(other)
    forget("cached_kind")
    deepglass.Run(run)
    assert own_modules.import_own("cached_kind").__file__ == str(run / "code/cached_kind.py")
    assert not (other / "imported").exists()


@pytest.mark.parametrize(
    ("code", "name", "text"),
    [
        ("x = 1", "absent_module:Molecule", "no module 'absent_module' is installed or in the current folder"),
        ("class Molecules:\n    pass", "own_part:Molecule", "has no 'Molecule'; did you mean 'Molecules'"),
        ("class Molecule:\n    pass", "own_part:Molecule", "expected a subclass of Feature"),
        ("def f(:", "own_part:Molecule", "SyntaxError: invalid syntax (own_part.py, line 1)"),
        (
            "x = 1\ny = undefined",
            "own_part:Molecule",
            "NameError: name 'undefined' is not defined, own_part.py, line 2",
        ),
        ("x = 1", "own_part", "a class in own_part.py is named own_part:CLASS"),
        ("import absent_helper", "own_part:Molecule", "No module named 'absent_helper'"),
    ],
)
def test_what_cannot_be_imported_is_an_error_that_says_why(folder: Path, code: str, name: str, text: str) -> None:
    (folder / "own_part.py").write_text(code)
    with pytest.raises(SpecError) as error:
        deepglass.train("molecules.csv", "mass", kinds={"formula": name}, out="run", **QUICK)
    assert text in str(error.value)
    assert not (folder / "run").exists()


def test_an_exception_of_an_own_part_names_its_line(folder: Path) -> None:
    path = written(folder, "failing_kind")
    path.write_text(path.read_text().replace("counts = [count(v)", "counts = [undefined(v)"))
    with pytest.raises(NameError) as error:
        small_run(folder, "failing_kind")
    failure = deepglass_error(error.value)
    assert failure.exit_code == 2
    assert re.search(r"\[bad-value\] failing_kind\.py, line \d+, in .*NameError.*the traceback is in", str(failure))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("lines", "expected MODULE:CLASS"),
        ("lines:Line", "did you mean 'Lines'"),
        ("molecules:Molecule", "expected a subclass of Callback"),
        ("needy:Needy", "cannot be constructed without arguments"),
    ],
)
def test_callbacks_that_cannot_be_used(folder: Path, name: str, text: str) -> None:
    needy = (
        "from deepglass.training.callbacks import Callback\n\n\nclass Needy(Callback):\n    def __init__(self, x): ..."
    )
    (folder / "needy.py").write_text(needy)
    with pytest.raises(SpecError, match=text):
        deepglass.train("molecules.csv", "mass", callbacks=[name], out="run", **QUICK)
    assert not (folder / "run").exists()


def test_a_class_of_a_script_is_no_module_to_allow(folder: Path) -> None:
    with pytest.raises(SpecError, match="exists only there") as error:
        registry.check_allowed("__main__", "inputs[0].kind")
    assert "--allow-code" not in str(error.value)
