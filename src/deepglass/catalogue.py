"""The names that `deepglass list` shows, each with the first sentence of its documentation."""

import ast
import os
import re
from collections.abc import Callable
from pathlib import Path

from deepglass.data.sources import bundled, named, synthetic
from deepglass.errors import SpecError, near_miss
from deepglass.features.base import FEATURES
from deepglass.features.outputs.base import OUTPUTS
from deepglass.limits import LIMITS
from deepglass.networks.trunks.base import TRUNKS
from deepglass.nn.activations import ACTIVATIONS
from deepglass.objectives.base import OBJECTIVES
from deepglass.registry import Registry
from deepglass.spec import recipes
from deepglass.training.optimizers import OPTIMIZERS
from deepglass.training.schedules import SCHEDULES


def listing(what: str | None = None, prefix: str = "") -> dict[str, dict[str, str]]:
    """Group -> name -> one sentence.

    Args:
        what: the only group; None for all. `spec.describe_settings` describes settings.
        prefix: start of the names.

    Raises:
        SpecError: `unknown-name` with the near misses, where no name begins so.
    """
    groups: dict[str, Callable[[], dict[str, str]]] = {
        "features": lambda: _registry(FEATURES),
        "outputs": lambda: _registry(OUTPUTS),
        "trunks": lambda: _registry(TRUNKS),
        "objectives": lambda: _registry(OBJECTIVES),
        "optimizers": lambda: dict.fromkeys(OPTIMIZERS, ""),
        "schedules": lambda: {n: _first_sentence(getattr(f, "__doc__", None)) for n, f in SCHEDULES.items()},
        "activations": lambda: dict.fromkeys(ACTIVATIONS, ""),
        "recipes": lambda: {name: recipes.about(name) for name in recipes.names()},
        "data": _data,
        "limits": _limits,
    }
    listed = {name: make() for name, make in groups.items() if what in (None, name)}
    selected = {g: {n: about for n, about in names.items() if n.startswith(prefix)} for g, names in listed.items()}
    if not any(selected.values()):
        names = [name for group in listed.values() for name in group]
        raise SpecError("unknown-name", f"list {what}: no name {prefix!r}{near_miss(prefix, names)}")
    return selected


def _registry(registry: Registry) -> dict[str, str]:
    """Name -> first sentence of the file's docstring; the files are parsed, not imported, to be fast."""
    folder = Path(__file__).parent.joinpath(*registry.package.split(".")[1:])
    return {
        n: _first_sentence(ast.get_docstring(ast.parse((folder / f"{n}.py").read_text()))) for n in registry.names()
    }


def _first_sentence(text: str | None) -> str:
    paragraph = " ".join((text or "").split("\n\n")[0].split())
    sentence = re.split(r"(?<=[.?!]) ", paragraph)[0]
    return sentence if not sentence or sentence[-1] in ".?!" else f"{sentence}."


def _limits() -> dict[str, str]:
    """The limits on files; `data.limits: {NAME: VALUE}` changes one."""
    return {name: f"{limit.default:,} {limit.unit}: {limit.description}" for name, limit in LIMITS.items()}


def _data() -> dict[str, str]:
    """The sets of scikit-learn, the synthetic and the named sets, and other folders below $DEEPGLASS_DATA."""
    sets = {f"sklearn:{name}": "bundled with scikit-learn" for name in bundled.SETS}
    sets |= {f"synthetic:{name}": _first_sentence(doc) for name, doc in synthetic.DESCRIPTIONS.items()}
    root = Path(os.environ.get(named.VARIABLE) or "/nowhere")
    there = {p.name for p in root.iterdir() if p.is_dir() and p.name[0] not in "._"} if root.is_dir() else set()
    for name in sorted(there | set(named.SETS)):
        about = named.SETS[name][0] if name in named.SETS else ""
        sets[f"data:{name}"] = about if name in there else f"{about} (not downloaded)"
    return sets
