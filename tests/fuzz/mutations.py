"""Mutations of files: structure-aware for text, archives and arrays, bytes for everything else; and of settings."""

from __future__ import annotations

import ast
import gzip
import io
import json
import random
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from functools import cache
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
DTYPES = (
    "<f8", "<f2", "<f16", "|b1", "<i8", "<u8", "<M8[ns]", "<M8[Y]", "<M8", "<m8[s]", "<c16", "|O", "<U3", "|S3", "<U0",
    "|V4", ">f4", "f99", "", [("a", "<f4"), ("b", "<i4")], [("a", "<f4", (2,))], "<M8[99999999999ns]", None, 7,
)  # fmt: skip
MEMBERS = (
    "../x.csv", "/etc/x.csv", "", ".", "a/../../x.csv", "x" * 300 + ".csv", "a\x00b.csv", "con.csv", "\u202e.csv",
    "a\\b.csv", "__MACOSX/._rows.csv", "rows.csv/", "rows.csv", "x.zip", "x.npy", "a/b/c/d/e/f.csv", ".hidden",
    "x.exe", "x.json",
)  # fmt: skip
KINDS = (
    "audio", "binary", "boxes", "category", "date", "identity", "image", "mask", "multilabel", "number", "sequence",
    "tags", "text", "vector", "video", "", "x", "number ", "subprocess:Popen",
)  # fmt: skip
TEXTS = (
    "[", "{", "}", "&a [*a]", "!!python/name:os.system", "1e999", "-1", "0", "1.5", "yes", "~", "'", '"', "\x1b[31m",
    ".nan", "1" * 5_000, "[" * 5_000, "{a: 1}", "[1, 2]", "x", "2001-99-99", "\u202e", "é", " ", "", "=",
    "a: b: c", "5s", "-5s",
)  # fmt: skip
Mutation = Callable[[bytes, random.Random], bytes]


def mutate(content: bytes, name: str, rng: random.Random) -> bytes:
    """One mutated copy of a file; the mutation fits the ending of its name."""
    ending = Path(name).suffix.lower()
    structured = {
        ".json": _json, ".jsonl": _json_lines, ".yaml": _yaml, ".yml": _yaml, ".csv": _delimited, ".tsv": _delimited,
        ".txt": _delimited, ".conllu": _delimited, ".xml": _delimited, ".gz": _gzip, ".tar": _tar, ".zip": _zip,
        ".npz": _zip, ".npy": _numpy, ".png": _png, ".parquet": _footer, ".arrow": _footer, ".wav": _head,
        ".gif": _head, ".jpg": _head,
    }.get(ending)  # fmt: skip
    if structured is not None and rng.random() < 0.7:
        try:
            return structured(content, rng)
        except (
            ValueError,
            KeyError,
            struct.error,
            yaml.YAMLError,
            RecursionError,
            zipfile.BadZipFile,
            tarfile.TarError,
        ):
            pass
    return mutate_bytes(content, rng)


def random_setting(rng: random.Random) -> str:
    """KEY=VALUE of the command line: a key of the spec's schema, or nearly one, with an odd value."""
    key = ".".join(rng.choice(spec_keys()))
    if rng.random() < 0.1:
        key = rng.choice((key + "x", key + ".x", key.partition(".")[0], "", ".", "a.b.c", key.replace(".", "..")))
    value = rng.choice(VALUES)
    text = rng.choice(TEXTS) if rng.random() < 0.5 else value if isinstance(value, str) else json.dumps(value)
    return f"{key}={text}".replace("\x00", "\N{SYMBOL FOR NULL}")  # no argument of a process can hold it


@cache
def spec_keys() -> tuple[tuple[str, ...], ...]:
    """The paths of all keys of a spec, such as ("training", "steps")."""
    from deepglass.spec.schema import spec_schema

    return tuple(sorted(set(_keys(spec_schema(), ()))))


def _keys(schema: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for option in schema.get("anyOf", ()):
        yield from _keys(option, path)
    for name, inner in schema.get("properties", {}).items():
        yield (*path, name)
        yield from _keys(inner, (*path, name))


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
    tree = yaml.safe_load(content)
    tree = _change(tree, rng) if rng.random() < 0.5 or not isinstance(tree, dict) else _with_key(tree, rng)
    return yaml.safe_dump(tree, sort_keys=False).encode("utf-8", "surrogatepass")


def _with_key(tree: dict[str, Any], rng: random.Random) -> dict[str, Any]:
    """A spec with an odd value at one of the keys of its schema."""
    *parents, last = rng.choice(spec_keys())
    section = tree
    for name in parents:
        if not isinstance(section.get(name), dict):
            section[name] = {}
        section = section[name]
    section[last] = rng.choice(VALUES)
    return tree


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


# -- archives and binary files, with their checksums right -----------------------------------------------------------


def _gzip(content: bytes, rng: random.Random) -> bytes:
    inner = gzip.decompress(content)
    return gzip.compress(_tar(inner, rng) if inner[257:262] == b"ustar" else mutate(inner, "x.csv", rng), 1, mtime=0)


def _member(name: str, data: bytes, rng: random.Random) -> tuple[str, bytes]:
    if rng.random() < 0.4:
        return rng.choice(MEMBERS), data
    return name, mutate(data, name, rng)


def _zip(content: bytes, rng: random.Random) -> bytes:
    """One member with another name or content, or one field of the central directory changed."""
    if rng.random() < 0.4:
        data = bytearray(content)
        start = data.index(b"PK\x01\x02" if rng.random() < 0.7 else b"PK\x05\x06") + 4
        data[(at := start + rng.randrange(40)) : at + 2] = rng.choice(
            (b"\xff\xff", b"\x00\x00", b"\x01\x00", b"\x63\x00")
        )
        return bytes(data)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = [(info.filename, archive.read(info)) for info in archive.infolist()]
    index = rng.randrange(len(members))
    changed = _member(*members[index], rng)
    members = rng.choice(
        (
            [*members[:index], changed, *members[index + 1 :]],
            [*members, changed],
            members[:index] + members[index + 1 :],
        )
    )
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in dict(members).items():
            archive.writestr(zipfile.ZipInfo(name or "x"), data)
    return out.getvalue()


def _tar(content: bytes, rng: random.Random) -> bytes:
    """One member with another name, content or type: a link, a device, a sparse file."""
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        name = archive.getnames()[0]
        data = archive.extractfile(name)
        name, changed = _member(name, data.read() if data else b"", rng)
    info = tarfile.TarInfo(name or "x")
    info.size = len(changed)
    if rng.random() < 0.4:
        info.type = rng.choice(
            (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE, b"Z")
        )
        info.linkname, info.size = rng.choice(("/etc/passwd", "rows.csv", "../x", "")), 0
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=rng.choice((tarfile.PAX_FORMAT, tarfile.GNU_FORMAT))) as archive:
        archive.addfile(info, io.BytesIO(changed))
        if rng.random() < 0.3:
            info.size = 10 ** rng.choice((3, 9, 12))  # no such bytes follow
            archive.fileobj.write(info.tobuf())  # type: ignore[union-attr]
    return out.getvalue()


def _numpy(content: bytes, rng: random.Random) -> bytes:
    """Another dtype, shape or order in the header, or odd values."""
    length = struct.unpack("<H", content[8:10])[0]
    header = ast.literal_eval(content[10 : 10 + length].decode())
    data = bytearray(content[10 + length :])
    kind = rng.randrange(5)
    if kind == 0:
        header["descr"] = rng.choice(DTYPES)
    elif kind == 1:
        shapes = (
            (),
            (0,),
            (-1,),
            (24, 0),
            (0, 4),
            (2**40, 2**40),
            (10**30,),
            (24, 1),
            (96,),
            (2, 2, 24),
            (24, 4, 1, 1, 1),
        )
        header["shape"] = rng.choice((*shapes, None, 4, ("a",), (1.5,), (True,)))
    elif kind == 2:
        header[rng.choice(("fortran_order", "x", "shape"))] = rng.choice((True, None, "x", []))
    elif kind == 3:
        header.pop(rng.choice(("fortran_order", "descr", "shape")))
    else:
        values = (float("nan"), float("inf"), -float("inf"), 1e308, -1e308, 5e-324, 1e30)
        for at in rng.choice((range(0, 8, 8), range(0, len(data) - 7, 8), range(0, len(data) - 7, 32))):
            data[at : at + 8] = struct.pack("<d", rng.choice(values))
    text = repr(header).encode()
    text = text.ljust(max(length - 1, len(text))) + b"\n"
    return content[:8] + struct.pack("<H", len(text)) + text + bytes(data)


def _png(content: bytes, rng: random.Random) -> bytes:
    """A field of the header changed, or a chunk dropped, doubled or renamed; the checksums are right."""
    chunks, at = [], 8
    while at < len(content):
        length = struct.unpack(">I", content[at : at + 4])[0]
        chunks.append((content[at + 4 : at + 8], bytearray(content[at + 8 : at + 8 + length])))
        at += 12 + length
    index = rng.randrange(len(chunks))
    kind = rng.randrange(5)
    if kind < 2:
        header = chunks[0][1]
        at = rng.choice((0, 4, 8, 9, 10, 11, 12))
        value = rng.choice((0, 1, 3, 16, 255, 60_000, 2**31 - 1)) if at < 8 else rng.randrange(256)
        header[at : at + (4 if at < 8 else 1)] = struct.pack(">I", value) if at < 8 else bytes([value])
    elif kind == 2:
        del chunks[index]
    elif kind == 3:
        chunks[index] = (
            rng.choice((b"IEND", b"acTL", b"fcTL", b"iCCP", b"eXIf", b"tRNS", b"PLTE", b"zTXt")),
            chunks[index][1],
        )
    else:
        chunks[index:index] = [chunks[index]] * 3
    parts = (struct.pack(">I", len(d)) + n + bytes(d) + struct.pack(">I", zlib.crc32(n + d)) for n, d in chunks)
    return content[:8] + b"".join(parts)


def _footer(content: bytes, rng: random.Random) -> bytes:
    """Bytes changed near the end, where parquet and Arrow keep their schema."""
    start = max(0, len(content) - rng.choice((16, 200, 1_000)))
    data = bytearray(content)
    for _ in range(rng.choice((1, 3))):
        data[rng.randrange(start, len(data))] = rng.choice((0, 255, 128, rng.randrange(256)))
    return bytes(data)


def _head(content: bytes, rng: random.Random) -> bytes:
    """A number changed near the start, where images and sounds keep their sizes."""
    data = bytearray(content)
    at = rng.randrange(min(64, len(data)))
    value = rng.choice((b"\x00", b"\x01", b"\xff", b"\xff\xff", b"\x00\x00", b"\xff\xff\xff\x7f", b"\x00\x00\x00\x00"))
    data[at : at + len(value)] = value
    return bytes(data)
