"""Completion of arguments in a shell, by typer; `deepglass --install-completion` sets it up.

What completes must be quick: it reads names of files and folders, and imports neither torch nor polars.
"""

import io
import os
import re
from collections.abc import Iterable
from contextlib import redirect_stdout
from pathlib import Path

import typer

from deepglass.registry import names_in
from deepglass.spec import recipes

VARIABLE = "_DEEPGLASS_COMPLETE"  # in which the shell asks for a completion
PREFIXES = ("data:", "recipe:", "sklearn:", "synthetic:", "gym:", "sqlite:")
MAX_RUNS = 200


def answer_shell(app: typer.Typer) -> None:
    """Print the completions that the shell asks for, and exit; return if it asks for none.

    Bash takes `data:mnist` for three words, and replaces only the last one.
    """
    if VARIABLE not in os.environ:
        return
    prefix = _join_words() if os.environ[VARIABLE] == "complete_bash" else ""
    lines = io.StringIO()
    try:
        with redirect_stdout(lines):
            app(prog_name="deepglass")
    finally:
        print("\n".join(line.removeprefix(prefix) for line in lines.getvalue().splitlines()))


def _join_words() -> str:
    """Join what bash has split at `:` and `=`, and return the start of the current word that bash leaves as it is."""
    index = int(os.environ["COMP_CWORD"])
    words = [*os.environ["COMP_WORDS"].split("\n"), ""]
    typed = "\n".join(words[: index + 1])
    joined = re.sub(r"\n?([:=])\n?", r"\1", typed)
    os.environ["COMP_WORDS"], os.environ["COMP_CWORD"] = joined, str(joined.count("\n"))
    current = "" if words[index] in (":", "=") else words[index]
    return joined.rpartition("\n")[2].removesuffix(current)


def sources(incomplete: str) -> list[str]:
    """Recipes, data sets below $DEEPGLASS_DATA and prefixes of other sources; the shell adds files where none fit."""
    if incomplete.startswith("recipe:"):
        return starting(incomplete, (f"recipe:{name}" for name in recipes.names()))
    if incomplete.startswith("data:"):
        return starting(incomplete, (f"data:{name}" for name in _folders(os.environ.get("DEEPGLASS_DATA") or "")))
    return starting(incomplete, PREFIXES) if incomplete else []


def runs(incomplete: str) -> list[str]:
    """Run folders in `runs`, newest first, and in the folder that is typed."""
    folder = os.path.dirname(incomplete) if "/" in incomplete else "runs"
    paths = [Path(folder) / name for name in _folders(folder)]
    run_folders = [path for path in paths if (path / "spec.yaml").is_file()]
    run_folders.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    return starting(incomplete, map(str, run_folders[:MAX_RUNS]))


def trunks(incomplete: str) -> list[str]:
    """Network architectures."""
    return starting(incomplete, names_in("deepglass.networks.trunks"))


def objectives(incomplete: str) -> list[str]:
    """Kinds of learning."""
    return starting(incomplete, names_in("deepglass.objectives"))


def column_kinds(incomplete: str) -> list[str]:
    """`COLUMN=KIND` once the column is typed."""
    column, equals, _ = incomplete.rpartition("=")
    kinds = dict.fromkeys([*names_in("deepglass.features"), *names_in("deepglass.features.outputs")])
    return starting(incomplete, (f"{column}={kind}" for kind in kinds)) if equals else []


def layouts(incomplete: str) -> list[str]:
    """Projections of the embedding map."""
    return starting(incomplete, ("pca", "tsne", "umap"))


def starting(incomplete: str, names: Iterable[str]) -> list[str]:
    """The names that begin with what is typed."""
    return [name for name in names if name.startswith(incomplete)]


def _folders(root: str | Path) -> list[str]:
    try:
        return sorted(entry.name for entry in os.scandir(root or "/nowhere") if entry.is_dir() and entry.name[0] != ".")
    except OSError:
        return []
