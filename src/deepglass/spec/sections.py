"""Sections of a spec from plain values, and settings of single columns.

`{price: {loss: huber}}` in a spec and `outputs.price.loss=huber` on the command line mean the same.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from deepglass.config import construct
from deepglass.errors import SpecError, near_miss
from deepglass.values import set_path

COLUMN_SECTIONS = ("inputs", "outputs", "kinds")
OWN_FIELDS = ("name", "column", "columns")  # of an input or output, not of a kind

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


# -- columns ------------------------------------------------------------------------------------------


def as_list(value: Any, where: str) -> Any:
    """Inputs or outputs that are written as {column: kind or settings}, as a list of sections; any other value as is.

    Args:
        where: the section, for messages.

    Raises:
        SpecError: `bad-value` for a column with neither a kind nor settings.
    """
    if not isinstance(value, Mapping) or isinstance(value.get("name"), str):
        return value
    return [{"name": str(name), **_settings(entry, f"{where}.{name}")} for name, entry in value.items()]


def as_kinds(value: Any) -> Any:
    """The section `kinds`, with texts as keys; a value that is no mapping as is.

    Raises:
        SpecError: `bad-value` for a column with neither a kind nor settings; `unknown-key` for `name` and the like.
    """
    if not isinstance(value, Mapping):
        return {} if value is None else value
    kinds = {str(name): entry for name, entry in value.items()}
    for name, entry in kinds.items():
        for key in _settings(entry, f"kinds.{name}"):
            if key in OWN_FIELDS:
                raise SpecError("unknown-key", f"kinds.{name}: {key!r} is a setting of inputs and outputs only")
    return kinds


def select_targets(outputs: Any, targets: Sequence[str], stated: bool) -> list[Any]:
    """The outputs of these names, with their settings where there are some.

    Args:
        outputs: those of a spec or of settings.
        stated: the user gave them beside the targets, so that each must be one of these.

    Raises:
        SpecError: `bad-value` for an output that is no target.
    """
    by_name = _by_name(outputs, "outputs")
    if stated and (others := [name for name in by_name if name not in targets]):
        raise SpecError("bad-value", f"outputs: {others[0]!r} is none of the targets {', '.join(targets)}")
    return [{"name": name, **by_name[name]} if by_name.get(name) else name for name in targets]


def set_column(content: Mapping[str, Any], key: str, value: Any) -> dict[str, Any]:
    """A copy of a spec's content with one setting of a column.

    A setting of an input of a spec that lists no inputs is stored under `kinds`, since listing one leaves out the rest.

    Args:
        key: such as `outputs.price.loss`; the longest name that the section lists, else the text up to the first dot.

    Raises:
        SpecError: `unknown-name` for a column that the section does not list.
    """
    section, _, rest = key.partition(".")
    if section == "inputs" and not content.get("inputs"):
        section = "kinds"
    listed = content.get(section)
    entries = as_kinds(listed) if section == "kinds" else _by_name(listed, section)
    name = _longest(rest, entries)
    if section != "kinds" and entries and name not in entries:
        raise SpecError("unknown-name", f"{key}: {name!r} is none of the {section}{near_miss(name, entries)}")
    path = rest[len(name) + 1 :]
    own = _settings(entries.get(name), f"{section}.{name}")
    entry = set_path(own, path, value) if path else {**own, **_settings(value, key)}
    entries = {**entries, name: entry}
    return {**content, section: entries if section == "kinds" else as_list(entries, section)}


def _by_name(value: Any, where: str) -> dict[str, Any]:
    """Sections by their column; {} for values that are no sections, which the spec refuses."""
    listed = as_list(value, where)
    sections = [listed] if isinstance(listed, str | Mapping) else listed if isinstance(listed, list | tuple) else []
    named = [{"name": s} if isinstance(s, str) else s for s in sections if isinstance(s, str | Mapping)]
    for i, entry in enumerate(named):
        if "name" not in entry:
            raise SpecError("bad-value", f"{where}[{i}]: expected a name or {{name: ...}}, got {entry!r}")
    return {str(s["name"]): {k: v for k, v in s.items() if k != "name"} for s in named}


def _longest(path: str, names: Iterable[str]) -> str:
    own = [name for name in names if path == name or path.startswith(f"{name}.")]
    return max(own, key=len) if own else path.partition(".")[0]


def _settings(entry: Any, where: str) -> dict[str, Any]:
    """The settings of a column; a text is its kind."""
    if entry is None:
        return {}
    if isinstance(entry, str):
        return {"kind": entry}
    if not isinstance(entry, Mapping):
        raise SpecError("bad-value", f"{where}: expected a kind or settings such as {{kind: number}}, got {entry!r}")
    return dict(entry)
