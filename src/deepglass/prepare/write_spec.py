"""A commented spec for a source: what deepglass would do by itself, written out to be changed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import yaml

from deepglass.data.table import Table
from deepglass.prepare.columns import ColumnRole, infer_columns
from deepglass.prepare.rows import choose_split
from deepglass.spec.spec import Spec


def commented_spec(table: Table, spec: Spec, folder: Path | None = None) -> str:
    """YAML text with a line a column and why it is taken for that kind.

    Args:
        folder: where the spec will lie, from which it names its source.
    """
    taken, _, outputs = infer_columns(table, spec)
    width = max((len(_entry(t)) for t in taken), default=0)
    data = {**spec.to_dict()["data"], "source": _from(spec.data.source, folder)}
    lines = [
        "# A deepglass spec: run it with `deepglass train spec.yaml`. What is left out has its default.",
        "data:",
        *(f"  {key}: {_flow(value)}" for key, value in data.items() if key != "split"),
        f"  split: {_split(table, data.get('split'), choose_split(spec, table, outputs).by)}",
    ]
    for role in ("inputs", "outputs"):
        chosen = [t for t in taken if t.role == role[:-1]]
        lines += [
            f"{role}:" if chosen else f"{role}: []   # name the column to answer, or give an objective without one"
        ]
        lines += [f"  - {_entry(t):<{width}}  # {t.why}" for t in chosen]
    ignored = [t for t in taken if t.role == "ignored"]
    lines += [f"# left out: {t.name} ({t.why})" for t in ignored]
    lines += [
        "# network: {trunk: mlp, depth: 3}     # `deepglass list trunks`; the default follows from the inputs",
        "objective: supervised                # `deepglass list objectives`",
        "training:",
        "  time: 60s                          # or epochs: 20, or steps: 1000",
        "  seed: 0",
    ]
    return "\n".join(lines) + "\n"


def _entry(taken: ColumnRole) -> str:
    return f"{{name: {_flow(taken.name)}, kind: {taken.kind}}}"


def _from(source: Any, folder: Path | None) -> str:
    if not isinstance(source, str):
        return f"<{type(source).__name__}>"
    return os.path.relpath(source, folder) if folder is not None and Path(source).exists() else source


def _flow(value: Any) -> str:
    """A value as YAML on one line."""
    text = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=10_000)
    return text.removesuffix("\n").removesuffix("\n...")


def _split(table: Table, given: Any, by: str | None) -> str:
    if given:
        return _flow(given)
    return (
        "{by: predefined, seed: 0}   # the source brings its own"
        if table.split is not None
        else f"{{test: 0.1, valid: 0.1, by: {_flow(by or 'random')}, seed: 0}}"
    )
