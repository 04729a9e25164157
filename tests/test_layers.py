"""The layers of the package: allowed imports.

A module imports from lower layers and from its own folder; folders on one layer do not import each other; nothing is
imported in a cycle, nor inside a function, except torch in encoders and heads of features and optional packages.
"""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import deepglass

ROOT = Path(deepglass.__file__).parent

LAYERS = {
    name: layer
    for layer, names in enumerate(
        (
            (
                "errors",
                "limits",
                "own_modules",
                "files",
                "documents",
                "temporary",
                "failures",
                "registry",
                "config",
                "constraints",
                "device",
                "formatting",
                "hyperparameters",
                "parsing",
                "values",
                "web",
            ),
            ("nn", "metrics", "formulas", "dates", "date_texts", "mel"),
            ("features",),
            ("data", "networks"),
            ("objectives",),
            ("training",),
            ("spec",),
            ("prepare",),
            ("run",),
            ("doctor", "explain", "introspect", "projection", "baselines"),
            ("labelling", "export", "report"),
            ("serve",),
            ("studio",),
            (
                "catalogue",
                "comparison",
                "embedding",
                "inference",
                "inspection",
                "generation",
                "notebook",
                "styling",
                "word_vectors",
            ),
            ("together",),
            ("training_runs",),
            ("api",),
            ("sklearn",),
            ("",),  # deepglass/__init__.py: the public names, loaded lazily
            ("cli",),
            ("__main__",),
        )
    )
    for name in names
}
OPTIONAL = {
    "scipy",
    "onnx",
    "onnxruntime",
    "onnxscript",
    "fastexcel",
    "xlsxwriter",
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
    "IPython",
    "jinja2",  # not optional, but predictions need no page
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
        if path.name == "__init__.py" and isinstance(node, ast.Constant) and node.value in MODULES:
            yield Import(str(node.value), node.lineno, True)  # a lazy load of a table such as _HOMES
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


def where(path: Path, item: Import) -> str:
    return f"{path.relative_to(ROOT.parent)}:{item.line}"


def test_imports_go_down() -> None:
    wrong = []
    for name, path in MODULES.items():
        own = group_of(name)
        assert own in LAYERS, f"{own} has no layer: say in tests/test_layers.py where it stands"
        for item in imports(path):
            other = group_of(item.module)
            if not below(item.module, "deepglass") or other == own:
                continue
            sideways = LAYERS[other] == LAYERS[own] and (ROOT / own).is_dir() and (ROOT / other).is_dir()
            if LAYERS[other] > LAYERS[own] or sideways:
                wrong.append(f"{where(path, item)}: {own} imports {item.module}")
    assert not wrong


def test_imports_are_at_the_top() -> None:
    wrong = []
    for name, path in MODULES.items():
        if path.name == "__init__.py":
            continue
        for item in imports(path):
            if not item.hidden or item.module.split(".")[0] in OPTIONAL:
                continue
            if group_of(name) != "features" or not any(below(item.module, package) for package in FEATURE_ENDS):
                wrong.append(f"{where(path, item)}: {item.module} is imported inside a function")
    assert not wrong


def test_only_registries_and_lazy_folders_load_modules_by_name() -> None:
    users = {n for n, path in MODULES.items() if "import_module" in path.read_text() and path.name != "__init__.py"}
    assert users == {"deepglass.registry", "deepglass.own_modules"}


def test_features_encode_without_torch() -> None:
    for name, path in MODULES.items():
        if group_of(name) in ("features", "metrics", "parsing", "dates", "mel"):
            typing = for_types_only(path)
            for item in imports(path):
                heavy = any(below(item.module, package) for package in FEATURE_ENDS)
                assert not heavy or item.hidden or item.line in typing, f"{where(path, item)}: torch at the top"


def test_no_import_cycles() -> None:
    graph = {}
    for name, path in MODULES.items():
        wanted = {item.module for item in imports(path) if not item.hidden}
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


def test_modules_and_public_classes_have_docstrings() -> None:
    wrong = []
    for name, path in MODULES.items():
        tree = parsed(path)
        if tree.body and not ast.get_docstring(tree):
            wrong.append(name)
        classes = (n for n in tree.body if isinstance(n, ast.ClassDef) and not n.name.startswith("_"))
        wrong += [f"{name}.{c.name}" for c in classes if not ast.get_docstring(c)]
    assert not wrong
