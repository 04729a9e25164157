"""Settings <-> constructor signatures: the signature is the schema.

`construct(Cls, settings, where)` calls a constructor with the keys of a mapping, after checking each key and value
against the signature; an error carries its path, such as `inputs.age.kind`.
"""

from __future__ import annotations

import dataclasses
import inspect
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

import yaml

from deepglass.errors import SpecError, near_miss

T = TypeVar("T")


def construct(
    cls: Callable[..., T], settings: Mapping[str, Any], where: str, beside: Sequence[str] = (), **given: Any
) -> T:
    """Call `cls` with checked settings.

    Args:
        where: the path of the settings, for messages.
        beside: keys that stand beside these settings and were taken out already, such as the `kind` of a feature.
        given: arguments that are not the user's to set.

    Raises:
        SpecError: `unknown-key` or `bad-value`, with the path of the setting.
    """
    known = parameters(cls)
    for key in settings:
        if key not in known or key in given:
            allowed = [k for k in (*beside, *known) if k not in given and not k.endswith("_")]
            raise SpecError("unknown-key", f"{where}: no setting {key!r}{near_miss(str(key), allowed)}")
    hints = _hints(cls)
    checked = {k: check(v, hints.get(k, Any), f"{where}.{k}") for k, v in settings.items()}
    try:
        return cls(**given, **checked)
    except ValueError as error:
        raise SpecError("bad-value", f"{where}: {error}") from error
    except SpecError as error:  # a part that does not know where it stands, such as an activation
        text = str(error).partition("] ")[2]
        if text.startswith(where):
            raise
        raise SpecError(error.code, f"{where}: {text}") from error


def parameters(cls: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """The keyword arguments that a constructor takes."""
    signature = inspect.signature(cls)
    return {n: p for n, p in signature.parameters.items() if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD)}


def check(value: Any, hint: Any, where: str) -> Any:
    """The value as the annotation wants it: numbers from their text, lists as tuples.

    Raises:
        SpecError: `bad-value`, with what is allowed.
    """
    options = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    for option in options:
        fits, converted = _fit(value, option, where)
        if fits:
            return converted
    wanted = " or ".join(_describe(o) for o in options)
    words = [str(w) for o in options if get_origin(o) is Literal for w in get_args(o)]
    hint_text = near_miss(str(value), words) if words and isinstance(value, str) else ""
    raise SpecError("bad-value", f"{where}: expected {wanted}, got {value!r}{hint_text}")


def _fit(value: Any, hint: Any, where: str) -> tuple[bool, Any]:
    origin = get_origin(hint) or hint
    if hint is Any or origin is Callable or origin is typing.get_origin(Callable[..., Any]):
        return hint is Any or callable(value), value
    if hint is type(None) or hint is None:
        return value is None, value
    if origin is Literal:
        return value in get_args(hint), value
    if hint is bool:
        return isinstance(value, bool), value
    if hint is int:
        whole = isinstance(value, float) and value.is_integer()
        return (isinstance(value, int) and not isinstance(value, bool)) or whole, int(value) if whole else value
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool), value
    if origin in (tuple, list) or getattr(origin, "__name__", "") == "Sequence":
        if not isinstance(value, list | tuple):
            return False, value
        args = get_args(hint)
        item = args[0] if (args and args[-1] is Ellipsis) or len(args) == 1 else Any
        return True, tuple(check(v, item, f"{where}[{i}]") for i, v in enumerate(value))
    if isinstance(origin, type):
        return isinstance(value, origin), value
    return True, value


def _describe(hint: Any) -> str:
    if get_origin(hint) is Literal:
        return "one of " + ", ".join(str(a) for a in get_args(hint))
    if hint is type(None):
        return "nothing"
    names = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}
    return names.get(hint, getattr(get_origin(hint) or hint, "__name__", str(hint)))


def _hints(cls: Callable[..., Any]) -> dict[str, Any]:
    target = cls if dataclasses.is_dataclass(cls) or not inspect.isclass(cls) else cls.__init__
    try:
        return typing.get_type_hints(target)
    except NameError:  # an annotation that only the type checker can see
        return {}


def check_ranges(settings: Any, most: Mapping[str, float]) -> None:
    """Numbers from 0 to the most of each.

    Raises:
        ValueError: naming the first that is not.
    """
    for name, top in most.items():
        if not 0 <= (value := getattr(settings, name)) <= top:
            raise ValueError(f"{name} must be from 0 to {top}, not {value}")


def read_yaml(text: str, where: str) -> Any:
    """What a text says in YAML. A key that stands twice would lose its first value in silence, so it is refused.

    Args:
        where: the file or setting that the text is of, for messages.

    Raises:
        yaml.YAMLError: for a text that is no YAML.
        SpecError: `bad-value` for a key that stands twice.
    """
    loader = _Loader(text)
    loader.name = where
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()


class _Loader(yaml.SafeLoader):
    """Makes plain values only, and takes no key twice."""

    def compose_mapping_node(self, anchor: str | None) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        lines: dict[tuple[str, str], int] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue
            name, line = (key.tag, key.value), key.start_mark.line + 1
            if name in lines:
                raise SpecError(
                    "bad-value",
                    f"{self.name}: {key.value!r} stands twice, in line {lines[name]} and in line {line}; keep one",
                )
            lines[name] = line
        return node


def parse_value(text: str, where: str = "") -> Any:
    """A value as written on the command line, read as YAML: `3`, `true`, `[1, 2]`, `adamw`, `1e-3`.

    Args:
        where: the setting, for messages.

    Raises:
        SpecError: `bad-value` for a bracket that stays open and the like.
    """
    try:
        value = read_yaml(text, where)
    except yaml.YAMLError as error:
        why = getattr(error, "problem", None) or "no value"
        raise SpecError(
            "bad-value", f"{where}: expected a value such as 3, text or [a, b], got {text!r} ({why})"
        ) from error
    if isinstance(value, str):
        try:
            return float(value)  # YAML 1.1 takes 1e-3 for a text
        except ValueError:
            return value
    return value


def set_path(settings: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy of nested settings with `a.b.c` set."""
    head, _, rest = path.partition(".")
    inner = settings.get(head)
    if rest and inner is not None and not isinstance(inner, dict):
        inner = {"trunk": inner} if head == "network" else {"name": inner}
    return {**settings, head: set_path(inner or {}, rest, value) if rest else value}


def parse_seconds(value: str | float, where: str) -> float:
    """A span of time: `60`, `60s`, `2m`, `1.5h`.

    Raises:
        SpecError: `bad-value`.
    """
    if isinstance(value, int | float):
        seconds = float(value)
    else:
        factor = {"s": 1.0, "m": 60.0, "h": 3600.0}.get(value[-1:])
        try:
            seconds = float(value[:-1]) * factor if factor else float(value)
        except ValueError:
            raise SpecError("bad-value", f"{where}: expected a time such as 60s, 5m or 1h, got {value!r}") from None
    if not 0 < seconds < float("inf"):
        raise SpecError("bad-value", f"{where}: expected a time above 0, got {value!r}")
    return seconds
