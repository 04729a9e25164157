"""Mutations of files: structure-aware for JSON, YAML and delimited text, bytes for everything else."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

VALUES: tuple[Any, ...] = (
    None, True, "", " ", 0, -1, 1, 2**31, -(2**63), 10**30, 1e308, -1e308, 1e-320, 0.5, "nan", "inf", "1e999", "NULL",
    [], {}, [[]], [None], {"": 0}, "../../x", "/etc/passwd", "/dev/zero", "x" * 70_000, "\x00", "\x1b[31m", "\u202e",
    "\N{ZERO WIDTH SPACE}", "subprocess:Popen", "ctypes:CDLL", "os:system", {"kind": "subprocess:Popen", "args": ["x"]},
    {"kind": "number"}, "category", "image", [1, "a", None], "2024-02-30", "=1+1", "https://example.org/a.png", -0.0,
)  # fmt: skip
CELLS = (
    "", " ", "NA", "nan", "inf", "-inf", "1e999", "1e308", "-1e308", "1" * 400, "0x10", "1,5", "1_000", '"', '""', "'",
    "\\N", "\x00", "\r", "\n", ";", "\t", "../x.png", "/dev/zero", "\ufeff", "é", "\u202e", "=1+1", "x" * 100_000,
    "9999-12-31", "0001-01-01", "2024-02-30", "[1, 2", "{}", "1 2 3", "1e5 -1e5", "True", "\x1b[31m",
)  # fmt: skip
Mutation = Callable[[bytes, random.Random], bytes]


def mutate(content: bytes, name: str, rng: random.Random) -> bytes:
    """One mutated copy of a file; the mutation fits the ending of its name."""
    ending = Path(name).suffix.lower()
    structured = {
        ".json": _json, ".jsonl": _json_lines, ".yaml": _yaml, ".yml": _yaml, ".csv": _delimited, ".tsv": _delimited,
        ".txt": _delimited, ".conllu": _delimited, ".xml": _delimited,
    }.get(ending)  # fmt: skip
    if structured is not None and rng.random() < 0.7:
        try:
            return structured(content, rng)
        except (ValueError, yaml.YAMLError, RecursionError):
            pass
    return mutate_bytes(content, rng)


def mutate_bytes(content: bytes, rng: random.Random) -> bytes:
    """A bit, a run of bytes, a cut, a repetition, an exchange or nothing at all."""
    if not content:
        return bytes(rng.randrange(256) for _ in range(rng.randrange(1, 64)))
    data, start = bytearray(content), rng.randrange(len(content))
    length = min(rng.choice((1, 2, 4, 16, 256)), len(content) - start)
    kind = rng.randrange(8)
    if kind == 0:
        data[start] ^= 1 << rng.randrange(8)
    elif kind == 1:
        data[start : start + length] = rng.choice((b"\x00", b"\xff", b"\x7f", b"\x80")) * length
    elif kind == 2:
        del data[start : start + length]
    elif kind == 3:
        del data[start:]
    elif kind == 4:
        data[start:start] = data[start : start + length] * rng.choice((1, 3, 50))
    elif kind == 5:
        data[start : start + length] = rng.randbytes(length)
    elif kind == 6:
        head = rng.randrange(min(len(data), 64))  # where lengths, shapes and counts of binary formats stand
        data[head : head + 4] = rng.choice((b"\xff\xff\xff\xff", b"\x00\x00\x00\x00", b"\xff\xff\xff\x7f", b"\x01\x00"))
    else:
        data.clear()
    return bytes(data)


def _json(content: bytes, rng: random.Random) -> bytes:
    if rng.random() < 0.1:
        return rng.choice((b"[" * 100_000, b"1" * 5_000, b'"\\ud800"', b"NaN", b'{"a": 1, "a": 2}', b"[]", b"{}"))
    return json.dumps(_change(json.loads(content), rng)).encode()


def _json_lines(content: bytes, rng: random.Random) -> bytes:
    lines = content.splitlines()
    if not lines:
        raise ValueError("no line")
    index = rng.randrange(len(lines))
    lines[index] = _json(lines[index], rng)
    return b"\n".join(lines) + b"\n"


def _yaml(content: bytes, rng: random.Random) -> bytes:
    if rng.random() < 0.1:
        aliases = b"a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\nd: [*c, *c]\n"
        return rng.choice(
            (aliases, b"[" * 5_000, b"a: !!python/name:os.system\n", b"- 1\n", b"a: 2001-99-99\n", b"1\n")
        )
    return yaml.safe_dump(_change(yaml.safe_load(content), rng), sort_keys=False).encode("utf-8", "surrogatepass")


def _change(value: Any, rng: random.Random) -> Any:
    """A copy with one value, key or item changed, somewhere in the tree."""
    if isinstance(value, dict) and value and rng.random() < 0.85:
        key = rng.choice(list(value))
        kind = rng.random()
        if kind < 0.1:
            return {k: v for k, v in value.items() if k != key}
        if kind < 0.2:
            return {f"{k}x" if k == key else k: v for k, v in value.items()}
        if kind < 0.25:
            return {**value, rng.choice(("args", "kind", "name", "__class__", "")): rng.choice(VALUES)}
        return {k: _change(v, rng) if k == key else v for k, v in value.items()}
    if isinstance(value, list) and value and rng.random() < 0.85:
        index = rng.randrange(len(value))
        kind = rng.random()
        if kind < 0.1:
            return value[:index] + value[index + 1 :]
        if kind < 0.2:
            return value + value[index : index + 1] * rng.choice((1, 1_000))
        return [_change(v, rng) if i == index else v for i, v in enumerate(value)]
    return rng.choice(VALUES)


def _delimited(content: bytes, rng: random.Random) -> bytes:
    lines = content.split(b"\n")
    index = rng.randrange(len(lines))
    kind = rng.randrange(6)
    if kind == 0:
        lines[index] = rng.choice(CELLS).encode()
    elif kind == 1:
        del lines[index]
    elif kind == 2:
        lines[index : index + 1] *= rng.choice((2, 500))
    elif kind == 3:
        lines = [line.replace(b",", rng.choice((b";", b"\t", b",,", b"|"))) for line in lines]
    else:
        delimiter = b"\t" if b"\t" in lines[index] else b" " if b"," not in lines[index] else b","
        cells = lines[index].split(delimiter)
        column = rng.randrange(len(cells))
        rows = range(1, len(lines)) if kind == 5 else (index,)  # a whole column, or one cell
        cell = rng.choice(CELLS).encode()
        for row in rows:
            parts = lines[row].split(delimiter)
            if column < len(parts):
                parts[column] = cell
                lines[row] = delimiter.join(parts)
    return b"\n".join(lines)
