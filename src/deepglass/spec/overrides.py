"""What people say, in a call or on the command line, as a spec."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deepglass.run.run import Run
from deepglass.spec import recipes
from deepglass.spec.spec import Spec
from deepglass.values import set_path

LENGTHS = ("time", "epochs", "steps")  # of which a run has one
SHORT = {  # what is said so often that it needs no path
    "time": "training.time",
    "epochs": "training.epochs",
    "steps": "training.steps",
    "seed": "training.seed",
    "device": "training.device",
    "optimizer": "training.optimizer",
    "split": "data.split",
    "ignore": "data.ignore",
    "fix": "data.fix",
    "columns": "data.columns",
    "filename_pattern": "data.filename_pattern",
    "test": "data.test",
    "labels": "data.label_corrections",
    "init_from": "network.init_from",
    "data_root": "data.data_root",
}


def build_spec(source: Any, target: Any, settings: Mapping[str, Any], base: Spec | None = None) -> Spec:
    """The spec that a source and settings mean; settings win over a spec's own."""
    content = _content(source, base)
    settings = {k: _as_text(v) for k, v in settings.items() if v is not None}
    said = {k.removeprefix("training.") for k in settings} | set(settings.get("training", {}))
    if said & set(LENGTHS) and isinstance(content.get("training"), Mapping):  # another length, not one beside it
        content = {**content, "training": {k: v for k, v in content["training"].items() if k not in LENGTHS}}
    for key, value in settings.items():
        content = set_path(content, SHORT.get(key, key), _merged(content.get(key), value))
    if target is not None:
        content["outputs"] = [target] if isinstance(target, str) else list(target)
    return Spec.from_dict(content)


def _content(source: Any, base: Spec | None) -> dict[str, Any]:
    """A spec's plain values: of a file, a recipe, a dict, a spec, or of a source alone."""
    if base is not None:
        return _with_source(base, source)
    if isinstance(source, Spec):
        return _with_source(source, source.data.source)
    if isinstance(source, str) and source.startswith(recipes.PREFIX):
        source = recipes.locate(source.removeprefix(recipes.PREFIX))
    if isinstance(source, str | Path) and str(source).endswith((".yaml", ".yml")):
        return Spec.read(Path(source)).to_dict()
    if isinstance(source, Mapping) and isinstance(data := source.get("data"), str | Mapping):
        return {**source, "data": data if isinstance(data, Mapping) else {"source": data}}
    return {"data": {"source": str(source) if isinstance(source, Path) else source}}


def _with_source(spec: Spec, source: Any) -> dict[str, Any]:
    """A spec's values with a source itself, of which they hold the type alone where it is a Python object."""
    content = spec.to_dict()
    return {**content, "data": {**content["data"], "source": source}}


def _as_text(value: Any) -> Any:
    """Paths and runs as a spec has them."""
    return str(value.path if isinstance(value, Run) else value) if isinstance(value, Path | Run) else value


def _merged(before: Any, value: Any) -> Any:
    return {**before, **value} if isinstance(before, Mapping) and isinstance(value, Mapping) else value
