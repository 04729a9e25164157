"""Sections of a spec: plain values -> dataclasses."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from deepglass.config import construct
from deepglass.errors import SpecError

S = TypeVar("S")


def read_settings(cls: type[S], values: Any, where: str, example: str) -> S:
    if not isinstance(values, Mapping | None):
        raise SpecError("bad-value", f"{where}: expected settings such as {example}, got {values!r}")
    return construct(cls, values or {}, where)


def read_sections(cls: type[S], values: Any, where: str) -> tuple[S, ...]:
    """A list of sections, or one alone."""
    if isinstance(values, str | Mapping):
        values = [values]
    elif not isinstance(values, Sequence | None):
        raise SpecError("bad-value", f"{where}: expected a list, got {values!r}")
    return tuple(read_section(cls, value, f"{where}[{i}]") for i, value in enumerate(values or ()))


def read_section(cls: type[S], value: Any, where: str, **defaults: str) -> S:
    """A section whose own fields stand beside further settings; a name alone is its first field."""
    names = [f.name for f in dataclasses.fields(cls)]  # type: ignore[arg-type]
    if isinstance(value, str):
        value = {names[0]: value}
    elif value is None and "[" not in where:
        value = {}
    if not isinstance(value, Mapping) or ("[" in where and names[0] not in value):
        raise SpecError("bad-value", f"{where}: expected a name or {{{names[0]}: ...}}, got {value!r}")
    own = {k: v for k, v in value.items() if k in names and k != "settings"}
    return construct(cls, {**defaults, **own, "settings": {k: v for k, v in value.items() if k not in own}}, where)
