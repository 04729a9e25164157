"""A commented spec for a source: what deepglass would do by itself, written out to be changed."""

from __future__ import annotations

from deepglass.data.table import Table
from deepglass.run.prepare import Taken, settle
from deepglass.run.spec import Spec


def commented_spec(table: Table, spec: Spec) -> str:
    """YAML text with a line a column and why it is taken for that kind."""
    taken, _ = settle(table, spec)
    width = max((len(_entry(t)) for t in taken), default=0)
    lines = [
        "# A deepglass spec: run it with `deepglass train spec.yaml`. What is left out has its default.",
        "data:",
        f"  source: {spec.data.source}",
        f"  split: {_split(table)}",
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


def _entry(taken: Taken) -> str:
    return f"{{name: {_quoted(taken.name)}, kind: {taken.kind}}}"


def _quoted(name: str) -> str:
    return name if name.replace("_", "").isalnum() and not name.isdigit() else '"' + name.replace('"', '\\"') + '"'


def _split(table: Table) -> str:
    return (
        "{by: given, seed: 0}   # the source brings its own"
        if table.split is not None
        else "{test: 0.1, valid: 0.1, by: random, seed: 0}"
    )
