"""JSON and YAML, parsed in one place: bounded in size and depth, plain values, no aliases, no tags."""

from __future__ import annotations

import json
import re
from itertools import accumulate
from pathlib import Path
from typing import Any

import yaml

from deepglass.errors import SourceError, SpecError
from deepglass.files import read_file
from deepglass.limits import check_limit, free_memory, limit

MAX_DIGITS = 4_000  # of an integer; Python itself refuses more than 4,300
MIN_ESTIMATED_SIZE = 2**24  # characters; smaller texts fit into memory whatever they hold
_LIST_BYTES, _DICT_BYTES, _VALUE_BYTES = (
    88,
    184,
    32,
)  # a small list or dict, a number and its reference
_NO_BRACKET = re.compile(r"[^\[\]{}]+")
_HALF_CHARACTER = re.compile(r"\\u[dD][89a-fA-F]")  # a pair of them is one character, which is checked once parsed
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')


def read_json(path: Path, where: str = "") -> Any:
    """The content of a JSON file. Raises as `parse_json` and `files.read_file`."""
    return parse_json(read_file(path, where, "json_bytes"), where or str(path))


def parse_json(text: str | bytes, where: str, line: int = 0) -> Any:
    """The content of a JSON text.

    Args:
        where: the file, for messages.
        line: its line in a file that holds one JSON text a line; 0 for a whole file.

    Raises:
        SourceError: `unreadable-file` with line and column; `too-large` for one that is nested too deeply.
    """
    place = f"{where}, line {line}" if line else where
    text = _decode(text, place)
    if len(text) > MIN_ESTIMATED_SIZE and (size := _parsed_size(text)) > (free := free_memory()):
        raise SourceError(
            "too-large",
            f"{place}: {len(text):,} characters take about {size:,} bytes as Python objects, of which this machine has "
            f"{free:,} free; use a part of it, or store it as JSON Lines or parquet",
        )
    check_limit("document_depth", _depth(text), place, "nested lists and objects")
    try:
        content = json.loads(text, parse_int=_integer)
        if _HALF_CHARACTER.search(text):
            json.dumps(content, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        position = f"{where}, line {line or error.lineno}, column {error.colno}"
        raise SourceError("unreadable-file", f"{position}: not JSON ({error.msg})") from error
    except RecursionError:
        raise SourceError("too-large", f"{place}: nested too deeply to be read") from None
    except UnicodeEncodeError as error:
        raise SourceError("unreadable-file", f"{place}: a lone surrogate, which is half a character") from error
    except ValueError as error:
        raise SourceError("unreadable-file", f"{place}: not JSON ({error})") from error
    return content


def _decode(text: str | bytes, where: str) -> str:
    if isinstance(text, str):
        return text
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SourceError("unreadable-file", f"{where}: byte {error.start} is not UTF-8") from error


def _integer(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise ValueError(f"an integer of {len(digits):,} digits")
    return int(digits)


def _parsed_size(text: str) -> int:
    """About how many bytes the lists, objects and values of a JSON text take: many times the text for small lists."""
    values = text.count(",") + text.count(":")
    return len(text) + _LIST_BYTES * text.count("[") + _DICT_BYTES * text.count("{") + _VALUE_BYTES * values


def _depth(text: str) -> int:
    """How deeply lists and objects are nested, counted without parsing, which would recurse."""
    if (brackets := text.count("[") + text.count("{")) <= limit("document_depth"):
        return brackets  # an upper bound, and quick for the many short texts of JSON Lines
    depth = _open_brackets(text)  # those in strings are counted too, so it is an upper bound
    return depth if depth <= limit("document_depth") else _open_brackets(_STRING.sub("", text))


def _open_brackets(text: str) -> int:
    steps = ({"[": 1, "{": 1}.get(c, -1) for c in _NO_BRACKET.sub("", text))
    return max(accumulate(steps), default=0)


# -- YAML ------------------------------------------------------------------------------------------------------------


def read_yaml(path: Path, where: str = "") -> Any:
    """The content of a YAML file. Raises as `parse_yaml` and `files.read_file`."""
    return parse_yaml(read_file(path, where, "yaml_bytes"), where or str(path))


def parse_yaml(text: str | bytes, where: str) -> Any:
    """The content of a YAML text, with plain values.

    Args:
        where: the file or setting of the text, for messages.

    Raises:
        SourceError: `unreadable-file` with line and column, also for an alias, since a few hundred bytes of them stand
            for gigabytes; `too-large`.
        SpecError: `bad-value` for a key that stands twice, since YAML would keep only the last value.
    """
    text = _decode(text, where)
    check_limit("yaml_bytes", len(text), where)
    loader: _Loader | None = None
    try:
        loader = _Loader(text)
        loader.name = where
        content = loader.get_single_data()
        json.dumps(content, ensure_ascii=False, default=str).encode()
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        position = "" if mark is None else f", line {mark.line + 1}, column {mark.column + 1}"
        problem = getattr(error, "problem", None) or str(error).partition("\n")[0]
        raise SourceError("unreadable-file", f"{where}{position}: not YAML ({problem})") from error
    except RecursionError:
        raise SourceError("too-large", f"{where}: nested too deeply to be read") from None
    except UnicodeEncodeError as error:
        raise SourceError("unreadable-file", f"{where}: a lone surrogate, which is half a character") from error
    except (ValueError, TypeError, OverflowError) as error:
        raise SourceError("unreadable-file", f"{where}: not YAML ({error})") from error
    finally:
        if loader is not None:
            loader.dispose()
    return content


class _Loader(yaml.SafeLoader):
    """Plain values only; refuses aliases, nesting beyond the limit and duplicate keys."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.events.AliasEvent):
            mark = self.peek_event().start_mark
            raise yaml.composer.ComposerError(None, None, "an alias (*name); write the value out", mark)
        self.depth += 1
        check_limit("document_depth", self.depth, self.name, "nested lists and mappings")
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

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
