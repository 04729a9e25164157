"""A commented spec for a source, with the inferred columns and the defaults."""

import os
from pathlib import Path
from typing import Any

import yaml

from deepglass.data.table import Table
from deepglass.prepare.columns import infer_columns
from deepglass.prepare.rows import choose_split
from deepglass.spec.spec import Spec


def commented_spec(table: Table, spec: Spec, folder: Path | None = None) -> str:
    """YAML text with a line for each column, its kind and the reason.

    Args:
        folder: of the spec's file; the source's path is relative to it.
    """
    columns, _, outputs = infer_columns(table, spec)
    entries = {c: f"{{name: {_flow(c.name)}, kind: {c.kind}}}" for c in columns}
    width = max(map(len, entries.values()), default=0)
    data = spec.to_dict()["data"]
    if folder is not None and isinstance(spec.data.source, str) and Path(spec.data.source).exists():
        data["source"] = os.path.relpath(spec.data.source, folder)
    by = choose_split(spec, table, outputs).by or "random"
    split = f"{{test: 0.1, valid: 0.1, by: {_flow(by)}, seed: 0}}"
    if given := data.pop("split", None):
        split = _flow(given)
    elif table.split is not None:
        split = "{by: predefined, seed: 0}   # of the source"
    lines = [
        "# A deepglass spec: run it with `deepglass train spec.yaml`. What is left out has its default.",
        "data:",
        *(f"  {key}: {_flow(value)}" for key, value in data.items()),
        f"  split: {split}",
    ]
    for role in ("inputs", "outputs"):
        chosen = [f"  - {entries[c]:<{width}}  # {_comment(c.why)}" for c in columns if c.role == role[:-1]]
        empty = f"{role}: []   # name the target column, or choose an objective without one"
        lines += [f"{role}:", *chosen] if chosen else [empty]
    lines += [f"# left out: {_comment(f'{c.name} ({c.why})')}" for c in columns if c.role == "ignored"]
    lines += [
        "# network: {trunk: mlp, depth: 3}     # `deepglass list trunks`; the default follows from the inputs",
        "objective: supervised                # `deepglass list objectives`",
        "training:",
        "  time: 60s                          # or epochs: 20, or steps: 1000",
        "  seed: 0",
    ]
    return "\n".join(lines) + "\n"


def _flow(value: Any) -> str:
    """A value as YAML on one line; characters that cannot be printed are escaped by YAML, which keeps the value."""
    for allow_unicode in (True, False):
        text = yaml.safe_dump(value, default_flow_style=True, allow_unicode=allow_unicode, width=2**30)
        text = text.removesuffix("\n").removesuffix("\n...")
        if text.isprintable():
            break
    return text


def _comment(text: str) -> str:
    """A text of one line without control characters: a line break of the data would end the comment."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
