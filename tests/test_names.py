"""Names and sizes in the source: distinct class names, few vague names, few comparisons of kinds, short files."""

import ast
import io
import tokenize
from collections import Counter, defaultdict
from pathlib import Path

import deepglass

ROOT = Path(deepglass.__file__).parent
TEXTS = {path.relative_to(ROOT): path.read_text() for path in sorted(ROOT.rglob("*.py"))}
TREES = {path: ast.parse(text) for path, text in TEXTS.items()}
SHARED_CLASS_NAMES: set[str] = set()
VAGUE = {"found", "known", "seen", "said", "told", "asked", "kept"}  # participles that do not say what a value is
MAX_VAGUE = 50
MAX_KIND_COMPARISONS = 20
MAX_FOLDER_SHARE = 0.15
MAX_LINES, MAX_LONG_FILES = 300, 8
MAX_RUN_FILES = 12  # without __init__.py
NO_CODE = {
    tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER,
}  # fmt: skip


def test_class_names_are_unique() -> None:
    modules = defaultdict(list)
    for path, tree in TREES.items():
        for node in tree.body:
            if isinstance(node, ast.ClassDef):
                modules[node.name].append(str(path))
    assert {name: paths for name, paths in modules.items() if len(paths) > 1}.keys() == SHARED_CLASS_NAMES


def test_vague_names_are_few() -> None:
    uses: Counter[str] = Counter()
    for path, tree in TREES.items():
        for node in ast.walk(tree):
            name = next((getattr(node, a) for a in ("id", "attr", "arg", "name") if hasattr(node, a)), None)
            if name in VAGUE:
                uses[str(path)] += 1
    assert uses.total() < MAX_VAGUE, uses


def test_kinds_are_rarely_compared_by_name() -> None:
    """`feature.kind == "image"` outside features/ excludes kinds that are added later."""
    comparisons = []
    for path, tree in TREES.items():
        if path.parts[0] == "features":
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Compare):
                sides = [node.left, *node.comparators]
                if any(_is_kind(side) for side in sides) and any(_is_text(side) for side in sides):
                    comparisons.append(f"{path}:{node.lineno}: {ast.unparse(node)}")
    assert len(comparisons) <= MAX_KIND_COMPARISONS, comparisons


def test_no_folder_holds_most_of_the_code() -> None:
    lines: Counter[str] = Counter()
    for path, text in TEXTS.items():
        folder = "data/sources" if path.is_relative_to("data/sources") else path.parts[0]
        lines[folder] += len(_code_lines(text, TREES[path]))
    limit = MAX_FOLDER_SHARE * lines.total()
    assert not {folder: n for folder, n in lines.items() if n > limit and folder != "data/sources"}


def test_files_are_short() -> None:
    files = [p for p in ROOT.rglob("*") if p.suffix in (".py", ".js", ".css", ".html")]
    long = {str(p.relative_to(ROOT)): n for p in files if (n := len(p.read_text().splitlines())) > MAX_LINES}
    assert len(long) <= MAX_LONG_FILES, long
    assert len([p for p in (ROOT / "run").glob("*.py") if p.name != "__init__.py"]) <= MAX_RUN_FILES


def _is_kind(node: ast.expr) -> bool:
    """Whether an expression ends in `.kind`, but for the `dtype.kind` of an array."""
    if not isinstance(node, ast.Attribute) or node.attr != "kind":
        return False
    return not (isinstance(node.value, ast.Attribute) and node.value.attr == "dtype")


def _is_text(node: ast.expr) -> bool:
    if isinstance(node, ast.Tuple | ast.List | ast.Set):
        return any(_is_text(element) for element in node.elts)
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _code_lines(text: str, tree: ast.Module) -> set[int]:
    """Numbers of the lines that are neither blank, nor comments, nor docstrings."""
    scopes = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docstrings = {
        node.body[0].lineno
        for node in ast.walk(tree)
        if isinstance(node, scopes) and ast.get_docstring(node) is not None
    }
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        docstring = token.type == tokenize.STRING and token.start[0] in docstrings
        if token.type not in NO_CODE and not docstring:
            lines.update(range(token.start[0], token.end[0] + 1))
    return lines
