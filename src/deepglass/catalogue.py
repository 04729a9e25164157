"""What there is, by name, with the first sentence of its documentation."""

from __future__ import annotations

import ast
import os
from collections.abc import Callable
from pathlib import Path

from deepglass.features.base import FEATURES
from deepglass.networks.trunks.base import TRUNKS
from deepglass.nn.activations import ACTIVATIONS
from deepglass.objectives.base import OBJECTIVES
from deepglass.registry import Registry
from deepglass.training.optimizers import OPTIMIZERS
from deepglass.training.schedules import SCHEDULES


def listing(what: str | None = None) -> dict[str, dict[str, str]]:
    """Group -> name -> one sentence; all groups, or one."""
    groups: dict[str, Callable[[], dict[str, str]]] = {
        "features": lambda: _registry(FEATURES),
        "trunks": lambda: _registry(TRUNKS),
        "objectives": lambda: _registry(OBJECTIVES),
        "optimizers": lambda: dict.fromkeys(OPTIMIZERS, ""),
        "schedules": lambda: {n: _first_sentence(getattr(f, "__doc__", None)) for n, f in SCHEDULES.items()},
        "activations": lambda: dict.fromkeys(ACTIVATIONS, ""),
        "data": _data,
    }
    return {name: make() for name, make in groups.items() if what in (None, name)}


def _registry(registry: Registry) -> dict[str, str]:
    """Names and the first sentence of each file, read without importing any."""
    folder = Path(__file__).parent.joinpath(*registry.package.split(".")[1:])
    return {
        n: _first_sentence(ast.get_docstring(ast.parse((folder / f"{n}.py").read_text()))) for n in registry.names()
    }


def _first_sentence(text: str | None) -> str:
    return " ".join((text or "").split("\n\n")[0].split())


def _data() -> dict[str, str]:
    root = Path(os.environ.get("DEEPGLASS_DATA", ""))
    if not os.environ.get("DEEPGLASS_DATA") or not root.is_dir():
        return {"": "set DEEPGLASS_DATA to the folder that holds the sets"}
    return {f"data:{p.name}": "" for p in sorted(root.iterdir()) if p.is_dir()}
