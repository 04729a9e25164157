"""Values from text: YAML, durations, and settings by their path."""

import csv
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from deepglass.documents import parse_yaml
from deepglass.errors import SourceError, SpecError


def parse_value(text: str, where: str = "") -> Any:
    """A value of the command line, read as YAML: `3`, `true`, `[1, 2]`, `adamw`, `1e-3`.

    Args:
        where: the setting, for messages.

    Raises:
        SpecError: `bad-value`, such as for an open bracket.
    """
    try:
        value = parse_yaml(text, where)
    except SourceError as error:
        why = getattr(error.__cause__, "problem", None) or "no value"
        raise SpecError(
            "bad-value", f"{where}: expected a value such as 3, text or [a, b], got {text!r} ({why})"
        ) from error
    if isinstance(value, str):
        try:
            return float(value)  # YAML 1.1 reads 1e-3 as text
        except ValueError:
            return value
    return value


def literal_texts(text: str) -> list[str]:
    """Texts of the command line that are not YAML: `[a, "b, c", -]`, or one without brackets."""
    if not (text.startswith("[") and text.endswith("]")):
        return [text]
    cells = next(csv.reader([text[1:-1]], skipinitialspace=True), [])
    return [cell.strip().strip("'") for cell in cells]


def frozen(value: Any) -> Any:
    """Plain values without anything mutable: read-only mappings for dicts, tuples for lists."""
    if isinstance(value, Mapping):
        return MappingProxyType({k: frozen(v) for k, v in value.items()})
    return tuple(map(frozen, value)) if isinstance(value, list | tuple) else value


def plain(value: Any) -> Any:
    """Values as YAML and JSON have them: dicts for mappings, lists for tuples."""
    if isinstance(value, Mapping):
        return {k: plain(v) for k, v in value.items()}
    return list(map(plain, value)) if isinstance(value, list | tuple) else value


def set_path(settings: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy of nested settings with the value at `a.b.c` replaced."""
    head, _, rest = path.partition(".")
    inner = settings.get(head)
    if rest and inner is not None and not isinstance(inner, dict):
        inner = {"trunk": inner} if head == "network" else {"name": inner}
    return {**settings, head: set_path(inner or {}, rest, value) if rest else value}


def parse_seconds(value: str | float, where: str) -> float:
    """A duration in seconds: `60`, `60s`, `2m`, `1.5h`.

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
