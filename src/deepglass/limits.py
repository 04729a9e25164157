"""Limits on what is read from files: stated once, listed by `deepglass list limits`, changeable by name.

A limit protects against damaged and malicious files, such as archives that unpack to a thousand times their size. What
honest files reach stays far below. `data.limits: {NAME: VALUE}` in a spec, or `data.limits.NAME=VALUE` on the command
line, changes one for a run.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple

from deepglass.errors import SourceError, SpecError, near_miss


class Limit(NamedTuple):
    """A limit: its default, its unit and what it applies to."""

    default: int
    unit: str
    description: str


LIMITS: Mapping[str, Limit] = {
    "inflation": Limit(100, "times", "unpacked size of a compressed file or archive, relative to its packed size"),
    "table_inflation": Limit(2_000, "times", "size of a parquet or arrow table in memory, relative to its file"),
    "free_inflation": Limit(2**26, "bytes", "unpacked size up to which the two do not apply"),
    "unpacked_bytes": Limit(2**34, "bytes", "unpacked size of a compressed file or archive"),
    "archive_files": Limit(2_000_000, "files", "files in one archive"),
    "line_bytes": Limit(2**24, "bytes", "length of one line of a table or text"),
    "json_bytes": Limit(2**31, "bytes", "size of one JSON file"),
    "yaml_bytes": Limit(2**24, "bytes", "size of one YAML file"),
    "document_depth": Limit(100, "levels", "nesting of a JSON or YAML file"),
    "media_bytes": Limit(2**31, "bytes", "size of one image, audio, video or text file"),
    "image_pixels": Limit(80_000_000, "pixels", "size of one image"),
    "animation_pixels": Limit(2**33, "pixels", "size of all frames of one animated image together"),
    "sequence_values": Limit(100_000, "values", "length of one sequence or series"),
}

_changed: ContextVar[Mapping[str, int] | None] = ContextVar("limits", default=None)


def limit(name: str) -> int:
    """The value of a limit: its default, unless `limits_changed` is active."""
    return (_changed.get() or {}).get(name, LIMITS[name].default)


@contextmanager
def limits_changed(values: Mapping[str, int]) -> Iterator[None]:
    """Apply other values inside a `with` block. Raises as `check_limits`."""
    check_limits(values)
    token = _changed.set({**(_changed.get() or {}), **values})
    try:
        yield
    finally:
        _changed.reset(token)


def check_limits(values: Mapping[str, int]) -> None:
    """Check names and values of limits.

    Raises:
        SpecError: `unknown-name`, or `bad-value` for what is not a positive whole number.
    """
    for name, value in values.items():
        if name not in LIMITS:
            raise SpecError("unknown-name", f"data.limits: no limit {name!r}{near_miss(name, LIMITS)}")
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise SpecError("bad-value", f"data.limits.{name}: expected a whole number of at least 1, got {value!r}")


def check_limit(name: str, value: int, where: str, what: str = "") -> None:
    """Raise `too-large` where a value exceeds a limit.

    Args:
        where: the file, and the row or member in it, for the message.
        what: of what the value is the size; by default the description of the limit.
    """
    if value > limit(name):
        unit = LIMITS[name].unit
        raise SourceError(
            "too-large",
            f"{where}: {what or LIMITS[name].description}: {value:,} {unit}, more than the limit of {limit(name):,}; "
            f"if the file is right, allow it with data.limits.{name}={value}",
        )


def max_unpacked(packed: int, ratio: str = "inflation") -> int:
    """Bytes to which a compressed file of `packed` bytes may unpack.

    Args:
        ratio: name of the limit on the ratio of the two.
    """
    return min(limit("unpacked_bytes"), max(limit("free_inflation"), limit(ratio) * packed))


def check_unpacked(unpacked: int, packed: int, where: str, ratio: str = "inflation") -> None:
    """Raise `too-large` where a compressed file unpacks to more than `max_unpacked` of its size, or than memory holds.

    Args:
        unpacked: bytes in memory, as the header states or as counted so far.
    """
    if unpacked > limit("free_inflation") and unpacked > (free := free_memory()):
        raise SourceError(
            "too-large",
            f"{where}: takes {unpacked:,} bytes unpacked, of which this machine has {free:,} free; use a part of it",
        )
    if unpacked > (most := max_unpacked(packed, ratio)):
        raise SourceError(
            "too-large",
            f"{where}: {packed:,} bytes unpack to {unpacked:,} or more, above the limit of {most:,}; "
            f"if the file is right, unpack it yourself, or raise data.limits.{ratio} and data.limits.unpacked_bytes",
        )


def free_memory() -> int:
    """Available memory in bytes without swapping; a terabyte where the system does not report it."""
    try:
        with open("/proc/meminfo") as file:
            line = next(line for line in file if line.startswith("MemAvailable"))
        return int(line.split()[1]) * 1024
    except (OSError, StopIteration, ValueError):
        pass
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return 2**40
