"""The floors of the library: who may import whom, and where.

A module imports from lower floors and from its own folder; folders on one floor do not know each other; nothing is
imported in a circle, nor inside a function but for torch at a feature's ends and for optional packages.
"""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

import deepglass

ROOT = Path(deepglass.__file__).parent

FLOORS = {
    "errors": 0,
    "registry": 0,
    "config": 0,
    "device": 0,
    "page": 0,
    "nn": 1,
    "metrics": 1,
    "parsing": 1,
    "spectra": 1,
    "calibration": 1,
    "detection": 1,
    "features": 2,
    "data": 3,
    "networks": 3,
    "objectives": 4,
    "training": 5,
    "run": 6,
    "understand": 7,
    "serve": 7,
    "export": 7,
    "api": 8,
    "catalogue": 8,
    "sklearn": 9,  # an estimator around the api
    "": 10,  # deepglass/__init__.py: the public names, loaded lazily
    "cli": 11,  # the command line speaks to the public names
    "__main__": 12,
}
OPTIONAL = {
    "scipy",
    "onnx",
    "onnxruntime",
    "onnxscript",
    "fastexcel",
    "pandas",
    "pyarrow",
    "huggingface_hub",
    "tokenizers",
    "sacrebleu",
    "av",
    "gymnasium",
    "pygame",
    "pyspiel",
    "transformers",
    "ray",
    "optuna",
    "umap",
    "sklearn",  # not optional, but it takes as long to load as torch, and few commands need it
}
FEATURE_ENDS = {"torch", "deepglass.nn"}  # so that fitting and encoding need no torch


class Import(NamedTuple):
    """One import: of which module, on which line, whether inside a function."""

    module: str
    line: int
    hidden: bool


def sources() -> list[Path]:
    return sorted(ROOT.rglob("*.py"))


def name_of(path: Path) -> str:
    parts = ("deepglass", *path.relative_to(ROOT).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def group_of(module: str) -> str:
    """The folder or file right below the package: "nn" for deepglass.nn.tokens."""
    return module.split(".")[1] if "." in module else ""


def below(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")


MODULES = {name_of(path): path for path in sources()}


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def imports(path: Path) -> Iterator[Import]:
    """All imports of a file, under `if TYPE_CHECKING` too; `from deepglass.nn import conv` counts as of conv."""
    tree = parsed(path)
    hidden = {
        id(inner)
        for outer in ast.walk(tree)
        if isinstance(outer, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for inner in ast.walk(outer)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, node.lineno, id(node) in hidden)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: write the module's whole name"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield Import(inner if inner in MODULES else node.module, node.lineno, id(node) in hidden)


def for_types_only(path: Path) -> set[int]:
    """The lines below `if TYPE_CHECKING`."""
    tree = parsed(path)
    blocks = [n for n in ast.walk(tree) if isinstance(n, ast.If) and ast.unparse(n.test).endswith("TYPE_CHECKING")]
    return {
        n.lineno for block in blocks for statement in block.body for n in ast.walk(statement) if hasattr(n, "lineno")
    }


def where(path: Path, found: Import) -> str:
    return f"{path.relative_to(ROOT.parent)}:{found.line}"


@pytest.mark.parametrize("path", sources(), ids=name_of)
def test_imports_go_down(path: Path) -> None:
    own = group_of(name_of(path))
    assert own in FLOORS, f"{own} has no floor: say in tests/test_floors.py where it stands"
    for found in imports(path):
        if not below(found.module, "deepglass"):
            continue
        other = group_of(found.module)
        assert other in FLOORS, f"{where(path, found)}: {found.module} has no floor"
        if other == own:
            continue
        assert FLOORS[other] <= FLOORS[own], f"{where(path, found)}: {found.module} is a floor above {own}"
        sideways = FLOORS[other] == FLOORS[own] and (ROOT / own).is_dir() and (ROOT / other).is_dir()
        assert not sideways, f"{where(path, found)}: {own} and {other} are on one floor"


@pytest.mark.parametrize("path", sources(), ids=name_of)
def test_imports_stand_at_the_top(path: Path) -> None:
    if path.name == "__init__.py":
        return
    own = group_of(name_of(path))
    for found in imports(path):
        if not found.hidden or found.module.split(".")[0] in OPTIONAL:
            continue
        end = own == "features" and any(below(found.module, package) for package in FEATURE_ENDS)
        assert end, f"{where(path, found)}: {found.module} is imported inside a function"


def test_only_registries_and_lazy_folders_load_modules_by_name() -> None:
    users = {n for n, path in MODULES.items() if "import_module" in path.read_text() and path.name != "__init__.py"}
    assert users == {"deepglass.registry"}


def test_features_encode_without_torch() -> None:
    for name, path in MODULES.items():
        if group_of(name) in ("features", "metrics", "parsing", "spectra", "calibration", "detection"):
            typing = for_types_only(path)
            for found in imports(path):
                heavy = any(below(found.module, package) for package in FEATURE_ENDS)
                assert not heavy or found.hidden or found.line in typing, f"{where(path, found)}: torch at the top"


def test_no_circles() -> None:
    graph = {}
    for name, path in MODULES.items():
        typing = for_types_only(path)
        wanted = {f.module for f in imports(path) if not f.hidden and f.line not in typing}
        graph[name] = sorted(m for m in wanted if m in MODULES and m != name)
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, "a circle: " + " -> ".join((*trail[trail.index(name) :], name))
        if name not in done:
            for other in graph[name]:
                visit(other, (*trail, name))
            done.add(name)

    for name in graph:
        visit(name, ())


@pytest.mark.parametrize("path", sources(), ids=name_of)
def test_files_say_what_they_are(path: Path) -> None:
    tree = parsed(path)
    assert not tree.body or ast.get_docstring(tree), f"{name_of(path)} has no docstring"


@pytest.mark.parametrize("path", sources(), ids=name_of)
def test_public_classes_say_what_they_are(path: Path) -> None:
    for node in parsed(path).body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            assert ast.get_docstring(node), f"{name_of(path)}.{node.name} has no docstring"
