"""Arguments of a call or of the command line -> spec."""

from collections.abc import Iterator, Mapping
from inspect import isroutine
from pathlib import Path
from typing import Any

from deepglass.errors import SpecError
from deepglass.registry import Modules, allow_modules, function_name
from deepglass.spec import recipes
from deepglass.spec.aliases import ALIASES
from deepglass.spec.describe_settings import check_sections
from deepglass.spec.sections import COLUMN_SECTIONS, select_targets, set_column
from deepglass.spec.spec import Spec
from deepglass.values import set_path

Setting = str | Mapping[str, Any]
"""A name, or {"name": ..., SETTING: ...}."""

DURATION_KEYS = ("time", "epochs", "steps")  # a run has one of them


def build_spec(
    source: Any, target: Any, settings: Mapping[str, Any], base: Spec | None = None, allow_code: Modules = ()
) -> Spec:
    """The spec of a source and settings.

    Args:
        source: data, or a spec whose values the settings override.
        target: the column(s) to predict; None keeps the outputs of the spec.
        settings: path or alias -> value; None values are skipped.
        base: a spec whose source is replaced by `source`.
        allow_code: modules outside the package that the spec may name; those that `source` and `settings` name are
            allowed too, since they come from the user and not from a file.
    """
    allow_modules(allow_code)
    content = _content(source, base)
    settings = {k: _plain_paths(v) for k, v in settings.items() if v is not None}
    settings |= {k: _named_functions(k, v) for k, v in settings.items() if k.partition(".")[0] in COLUMN_SECTIONS}
    check_sections(settings)
    training = settings.get("training")
    names = {k.removeprefix("training.") for k in settings} | set(training if isinstance(training, Mapping) else ())
    if names & set(DURATION_KEYS) and isinstance(content.get("training"), Mapping):  # replaces the other duration
        content = {**content, "training": {k: v for k, v in content["training"].items() if k not in DURATION_KEYS}}
    of_columns = {k: v for k, v in settings.items() if k.partition(".")[0] in COLUMN_SECTIONS and "." in k}
    for key, value in settings.items():
        if key not in of_columns:
            content = set_path(content, ALIASES.get(key, key), _merged(content.get(key), value))
    if target is not None:
        content["outputs"] = select_targets(content.get("outputs"), _names(target), "outputs" in settings)
    for key, value in of_columns.items():
        content = set_column(content, key, value)
    spec = Spec.from_dict(content)
    if modules := spec.code_names():
        given = [settings, source if isinstance(source, str) or _is_spec(source) else None]
        allow_modules(modules[text] for text in _texts(given) if text in modules)
    return spec


def _names(target: Any) -> list[str]:
    """The names of the target columns; those of a frame may be whole numbers.

    Raises:
        SpecError: `bad-value` for what is no name, such as the column itself.
    """
    names = list(target) if isinstance(target, list | tuple) else [target]
    if all(isinstance(name, str | int) for name in names):
        return [str(name) for name in names]
    expected = f"expected the name of a column, or a list of names, got a {type(target).__name__}"
    raise SpecError("bad-value", f"target: {expected}; make it a column of the frame, or train on the pair (X, y)")


def _texts(value: Any) -> Iterator[str]:
    """All texts in nested mappings and lists."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list | tuple):
        for inner in value.values() if isinstance(value, Mapping) else value:
            yield from _texts(inner)


def _is_spec(source: Any) -> bool:
    """Whether a source is a spec as a dict, not a dict of columns."""
    return isinstance(source, Mapping) and isinstance(source.get("data"), str | Mapping)


def _content(source: Any, base: Spec | None) -> dict[str, Any]:
    """Plain values of a spec file, recipe, dict or spec; any other source becomes a spec of its own."""
    if base is not None:
        return _with_source(base, source)
    if isinstance(source, Spec):
        return _with_source(source, source.data.source)
    if isinstance(source, str) and source.startswith(recipes.PREFIX):
        source = recipes.locate(source.removeprefix(recipes.PREFIX))
    if isinstance(source, str | Path) and str(source).endswith((".yaml", ".yml")):
        return Spec.read(Path(source)).to_dict()
    if _is_spec(source):
        data = source["data"]
        return {**source, "data": data if isinstance(data, Mapping) else {"source": data}}
    return {"data": {"source": str(source) if isinstance(source, Path) else source}}


def _with_source(spec: Spec, source: Any) -> dict[str, Any]:
    """Plain values of a spec with a source, for which `to_dict` has only the type when it is a Python object."""
    content = spec.to_dict()
    return {**content, "data": {**content["data"], "source": source}}


def _merged(before: Any, value: Any) -> Any:
    return {**before, **value} if isinstance(before, Mapping) and isinstance(value, Mapping) else value


def _plain_paths(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_plain_paths(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def _named_functions(key: str, value: Any) -> Any:
    """The settings of columns with the names of functions, such as losses and metrics, instead of the functions.

    Raises:
        SpecError: `bad-value` for one without a name that can be imported.
    """
    if isinstance(value, Mapping):
        return {inner: _named_functions(f"{key}.{inner}", v) for inner, v in value.items()}
    if isinstance(value, list | tuple):
        return [_named_functions(key, item) for item in value]
    return function_name(value, key) if isroutine(value) else value
